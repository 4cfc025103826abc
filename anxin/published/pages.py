"""Parts of pages that are otherwise written by hand: the table of event types, the index of decision records."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.domain.event_types import EVENT_TYPES, EventType

ROOT = Path(__file__).resolve().parents[2]
_BEGIN = "<!-- event types: made by python -m anxin.published -->"
_END = "<!-- end of event types -->"
_NO_LIMIT = 1e9  # beyond it a bound is of the storage, not of the thing measured


def topics_page() -> str:
    """docs/topics.md with its table as the code has it. Raises ValueError when the page lost its marks."""
    text = (ROOT / "docs/topics.md").read_text(encoding="utf-8")
    if _BEGIN not in text or _END not in text:
        raise ValueError("docs/topics.md has lost the marks around its table of event types")
    before, after = text.split(_BEGIN)[0], text.split(_END)[1]
    rows = [
        f"| `{event.name}` | {_value(event)} | {event.unit if event.unit != '1' else ''} | `up/{event.lane.value}` |"
        for event in EVENT_TYPES
    ]
    table = "\n".join(["| type | `value` | unit | topic |", "|---|---|---|---|", *rows])
    return f"{before}{_BEGIN}\n{table}\n{_END}{after}"


def decisions_index() -> str:
    """docs/adr/README.md: every record by the title it gives itself."""
    lines = [
        "# Decision records",
        "",
        "One page each: context, decision in a sentence, consequences, alternatives.",
        "This list is made by `python -m anxin.published`.",
        "",
    ]
    for path in sorted((ROOT / "docs/adr").glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        lines.append(f"- [{title}]({path.name})")
    return "\n".join(lines) + "\n"


def _value(event: EventType) -> str:
    if event.shape is None:
        return "–"
    text = _shape(event.shape.json_schema())
    return f"{text}, may be left out" if event.value_optional else text


def _shape(schema: Mapping[str, Any]) -> str:
    """A JSON Schema in words: `20–250`, `` `true` or `false` ``, `` `{"open": …}` ``."""
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_shape(option) for option in options)
    if "enum" in schema:
        return " or ".join(f'`"{word}"`' for word in schema["enum"])
    if "properties" in schema:
        required = schema.get("required", [])
        members = (
            f'"{name}"{"" if name in required else "?"}: {re.sub("`", "", _shape(part))}'
            for name, part in schema["properties"].items()
        )
        return f"`{{{', '.join(members)}}}`"
    match schema["type"]:
        case "boolean":
            return "`true` or `false`"
        case "string":
            return f"text of at most {schema['maxLength']} characters"
    low, high = schema["minimum"], schema["maximum"]
    kind = "whole number" if schema["type"] == "integer" else "number"
    if high > _NO_LIMIT:
        return f"any {kind}" if low < -_NO_LIMIT else f"{_plain(low)} and up"
    between = f"{_plain(low)}–{_plain(high)}"
    return f"{kind} {between}" if kind != "number" else between


def _plain(number: float) -> str:
    return f"{number:,.15g}".replace("-", "−")
