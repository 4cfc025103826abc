"""A frame as tables for the terminal; what is wrong is red."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from anxin.top.frame import OUTCOMES, SEVERITIES, Frame
from anxin.top.past import CELLS, FRAMES_A_CELL, Past, sparkline

_BAD = "bold red"


def show(frame: Frame, past: Past | None = None) -> Group:
    """`past`: the last minutes with this frame among them, shown below; a single frame has none."""
    away = [name for name, answers in frame["parts"].items() if not answers]
    rows: list[RenderableType] = [Text(f"{name}: no answer", style=_BAD) for name in away]
    rows += [_ingest(frame), _line(frame), _alerts(frame), *_engines(frame), *_apis(frame), _database(frame)]
    return Group(*rows, *([] if past is None else [_past(past)]))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number < 2 else "right", no_wrap=True)
    return table


def _ingest(frame: Frame) -> Table:
    waits = ("in flight", "unacked", "oldest", "p50", "p99", "spool", "MB", "drain/s", "empty in")
    table = _table("ingest", "lane", *(f"{word}/s" for word in OUTCOMES), *waits)
    for lane in frame["ingest"]:
        bad = not lane["connected"] or lane["spool_full"] or (lane["oldest_s"] or 0) > 10
        megabytes = None if lane["spool_bytes"] is None else lane["spool_bytes"] / 1e6
        table.add_row(
            lane["part"],
            lane["lane"] + ("" if lane["connected"] else " (no line)"),
            *(_number(lane["per_s"][outcome]) for outcome in OUTCOMES),
            _number(lane["in_flight"]),
            _number(lane["waiting"]),
            _span(lane["oldest_s"]),
            _span(lane["commit_p50_s"]),
            _span(lane["commit_p99_s"]),
            "full" if lane["spool_full"] else _number(lane["spool_messages"]),
            _number(megabytes),
            _number(lane["drained_per_s"]),
            _span(lane["empty_in_s"]),
            style=_BAD if bad else "",
        )
    return table


def _line(frame: Frame) -> Text:
    broker = frame["broker"]
    heap = None if broker["heap_bytes"] is None else broker["heap_bytes"] / 1e6
    words = f"broker  clients {_number(broker['clients'])}  dropped {_number(broker['dropped'])}"
    words += f"  stored {_number(broker['stored'])}  heap {_number(heap)} MB"
    return Text(words, style=_BAD if broker["dropped"] else "")


def _alerts(frame: Frame) -> Text:
    text = Text("alerts  ")
    for severity in SEVERITIES:
        of = frame["alerts"][severity]
        waits = of["oldest_unacknowledged_s"]
        words = f"{severity.upper()} {of['live']:.0f}" + (f" (untaken for {_span(waits)})" if waits else "") + "  "
        text.append(words, style=_BAD if severity == "p0" and waits > 60 else "")
    return text


def _engines(frame: Frame) -> list[Text]:
    lines = []
    for engine in frame["engine"]:
        troubles = "  ".join(f"{rule} {number:.0f}" for rule, number in sorted(engine["troubles"].items()))
        words = f"{engine['part']}  cycle p50 {_span(engine['cycle_p50_s'])} p99 {_span(engine['cycle_p99_s'])}"
        words += f"  event to alert p99 {_span(engine['alert_p99_s'])}  failed rounds {engine['failures']:.0f}"
        words += f"  sums that do not close {_number(engine['differences'])}"
        bad = troubles or engine["differences"]
        lines.append(Text(words + (f"  {troubles}" if troubles else ""), style=_BAD if bad else ""))
    return lines


def _apis(frame: Frame) -> list[Text]:
    lines = []
    for api in frame["api"]:
        words = f"{api['part']}  sockets {_number(api['sockets'])}  frames/s {_number(api['frames_per_s'])}"
        words += f"  event to frame p99 {_span(api['frame_p99_s'])}  not stored yet {_number(api['provisional'])}"
        away = "  the database does not answer" if api["database_away"] else ""
        lines.append(Text(words + away, style=_BAD if away or api["provisional"] else ""))
    return lines


def _database(frame: Frame) -> Text:
    found = frame["database"]
    if found is None:
        return Text("database: no answer", style=_BAD) if frame["asked_database"] else Text("database: not asked")
    words = f"database  {found['bytes'] / 1e6:,.0f} MB  connections {found['connections']:.0f} of {found['most']:.0f}"
    return Text(f"{words}, {found['active']:.0f} active")


def _past(past: Past) -> Table:
    """A line each, the newest on the right; its scale is from zero to the largest of the line."""
    table = _table(f"last {CELLS * FRAMES_A_CELL / 60:.0f} min", "", "now", "most")
    rows = (("received/s", "per_s", _number), ("oldest", "oldest_s", _span), ("worker MB", "megabytes", _number))
    for name, member, words in rows:
        values = past.series(member)
        most = max((value for value in values if value is not None), default=None)
        table.add_row(name, sparkline(values).rjust(CELLS), words(values[-1]), words(most))
    return table


def _number(found: float | None) -> str:
    if found is None:
        return "-"
    return f"{found:,.0f}" if found >= 10 or found == int(found) else f"{found:.1f}"


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
