"""The demo's own secrets: made once for a data folder, random, readable by their owner alone."""

import os
import secrets
from pathlib import Path

_NAMES = ("master_key", "token_secret")


def demo_secrets(data_dir: Path) -> dict[str, str]:
    """Environment that names the secret files (`ANXIN_MASTER_KEY_FILE`, …), which are made when missing."""
    folder = data_dir / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = {}
    for name in _NAMES:
        path = folder / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32))
        environment[f"ANXIN_{name.upper()}_FILE"] = str(path)
    return environment


def write_private(path: Path, text: str) -> None:
    """Write `path` whole or not at all, mode 0600 from its first byte."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
