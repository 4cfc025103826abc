"""docs/settings.md and .env.example, made from the settings models themselves."""

import typing
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import NoneType, UnionType
from typing import Any

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from core.runtime.settings import PREFIX, Settings

_FOLDERS = ("core.runtime", "registry", "gateway", "ingest", "alerts", "history", "api", "simulators", "stack")

_HEAD = """# Settings

Every setting is an environment variable. A secret may also come from a file: `{prefix}NAME_FILE=/path` instead of
`{prefix}NAME`. Units are in the names. What has no default must be set, or the program says so and exits with code 2.

This page is made by `python -m anxin.published`; a test keeps it complete."""

# What single commands, scripts and tests read beside the settings models.
OTHERS = {
    "ANXIN_DEVICE_PASSWORD": "`anxin gateway`: the hub's password, where no `--password-file` is given.",
    "ANXIN_READY_FILE": "Where commands look for the demo's ready file; not set: where `anxin demo` writes it.",
    "ANXIN_RECORDINGS": "Tests: a folder of recordings to replay; not set: those tests are skipped.",
    "ANXIN_PYTHON": "`scripts/setup`: the Python to make `.venv` with; not set: the first of 3.11 or newer.",
}


def settings_models() -> list[type[Settings]]:
    """Every settings model of the program, in the order of the folders."""
    for folder in _FOLDERS:
        if find_spec(f"{folder}.settings"):
            import_module(f"{folder}.settings")
    found: list[type[Settings]] = []

    def walk(model: type[Settings]) -> None:
        for child in model.__subclasses__():
            if child.__module__.rpartition(".")[0] in _FOLDERS and child not in found:
                found.append(child)
            walk(child)

    walk(Settings)
    order = {folder: place for place, folder in enumerate(_FOLDERS)}
    return sorted(found, key=lambda m: (order.get(m.__module__.rpartition(".")[0], 99), m.__qualname__))


def own_fields(model: type[Settings]) -> dict[str, FieldInfo]:
    """Fields the model declares itself, not those of its parents."""
    inherited = {name for parent in model.__mro__[1:] for name in getattr(parent, "model_fields", {})}
    return {name: info for name, info in model.model_fields.items() if name not in inherited}


def settings_page() -> str:
    parts = [_HEAD.format(prefix=PREFIX)]
    for model in settings_models():
        fields = own_fields(model)
        if not fields:
            continue
        parts.append(f"\n## {model.__name__}\n\n{(model.__doc__ or '').strip()}\n")
        parts.append("| variable | meaning | default | bounds |\n|---|---|---|---|")
        for name, info in fields.items():
            cells = (f"`{PREFIX}{name.upper()}`", info.description or "", _default(info), _bounds(info))
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    parts.append("\n## Outside the models\n\nRead by single commands, scripts and tests; no service needs them.\n")
    parts.append("| variable | meaning |\n|---|---|")
    parts.extend(f"| `{name}` | {meaning} |" for name, meaning in OTHERS.items())
    return "\n".join(parts) + "\n"


def env_example() -> str:
    lines = ["# Settings of Anxin; see docs/settings.md. What has no default is to be filled in."]
    for model in settings_models():
        for name, info in own_fields(model).items():
            lines.append(f"\n# {info.description}")
            required = info.default is PydanticUndefined
            value = "" if required or info.default is None else _plain(info.default)
            lines.append(f"{'' if required else '# '}{PREFIX}{name.upper()}={value}")
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> str:
    if isinstance(value, SecretStr):
        return ""
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _default(info: FieldInfo) -> str:
    if info.default is PydanticUndefined:
        return "none, must be set"
    if info.default is None:
        return "not set"
    text = _plain(info.default)
    home = str(Path.home())
    return f"`{text.replace(home, '~', 1) if text.startswith(home) else text}`" if text else "empty"


def _bounds(info: FieldInfo) -> str:
    words = []
    for rule in info.metadata:
        match rule:
            case Ge(ge=low):
                words.append(f"≥ {low}")
            case Gt(gt=low):
                words.append(f"> {low}")
            case Le(le=high):
                words.append(f"≤ {high}")
            case Lt(lt=high):
                words.append(f"< {high}")
            case MinLen(min_length=least):
                words.append(f"at least {least} characters")
            case MaxLen(max_length=most):
                words.append(f"at most {most} characters")
            case _ if pattern := getattr(rule, "pattern", None):
                words.append(f"`{pattern}`")
    return ", ".join(words) or _kind(info.annotation)


def _kind(annotation: Any) -> str:
    if isinstance(annotation, UnionType) or typing.get_origin(annotation) is typing.Union:
        return _kind(next(part for part in typing.get_args(annotation) if part is not NoneType))
    if annotation is SecretStr:
        return "secret"
    name: str = getattr(annotation, "__name__", str(annotation))
    return {"str": "text", "bool": "true or false", "Path": "path"}.get(name, name)
