"""`anxin top`: wiring only."""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.live import Live

from anxin.top.frame import frame
from anxin.top.past import Past
from anxin.top.scrape import Reading, read
from anxin.top.show import show
from stack.paths import default_data_dir

EXAMPLE = """example:
  anxin top                                          the demo of this machine, or parts on their usual ports
  anxin top --once --data-dir /tmp/town
  anxin top --part ingest-1=http://10.0.0.5:9101 --part engine-1=http://10.0.0.6:9102 --json
"""
_USUAL = {"ingest-1": 9101, "engine-1": 9102, "api": 8080}
_PERIOD_S = 1.0


def main(argv: list[str] | None = None) -> int:
    """0: shown (every part answered, with --once); 1: with --once a part did not answer."""
    options = _parser().parse_args(argv)
    urls = dict(options.part) or _known_parts(options.data_dir)
    database = _database_url(options.data_dir)
    before = read(urls, None)
    if options.once or options.json:
        time.sleep(_PERIOD_S)  # rates are of the time between two readings
        return _once(before, read(urls, database), as_json=options.json)
    past = Past()
    with Live(console=Console(), screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(_PERIOD_S)
            now = read(urls, database)
            shown = frame(before, now)
            past.add(shown)
            live.update(show(shown, past), refresh=True)
            before = now


def _once(before: Reading, now: Reading, *, as_json: bool) -> int:
    shown = frame(before, now)
    if as_json:
        sys.stdout.write(json.dumps(shown, indent=2) + "\n")
    else:
        Console(width=None if sys.stdout.isatty() else 180, highlight=False).print(show(shown))
    return 0 if all(shown["parts"].values()) else 1


def _known_parts(data_dir: Path) -> Mapping[str, str]:
    """Of the demo that runs there, else the usual ports."""
    try:
        ports = json.loads((data_dir / "parts.json").read_text(encoding="utf-8"))["ports"]
    except (OSError, ValueError, KeyError):
        ports = _USUAL
    return {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}


def _database_url(data_dir: Path) -> str | None:
    if url := os.environ.get("ANXIN_DATABASE_URL"):
        return url
    try:
        found: str = json.loads((data_dir / "ready.json").read_text(encoding="utf-8"))["database_url"]
    except (OSError, ValueError, KeyError):
        return None
    return found


def _part(text: str) -> tuple[str, str]:
    name, equals, url = text.partition("=")
    if not equals or not name.startswith(("ingest", "engine", "api")) or not url.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} is not like ingest-1=http://host:9101 (ingest, engine or api)")
    return name, url.rstrip("/")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="anxin top",
        description="A running platform in the terminal, once a second. Ctrl-C ends it.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--part", type=_part, action="append", default=[], metavar="NAME=URL", help="a part and where its pages are"
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=default_data_dir() / "demo",
        metavar="D",
        help="data folder of the demo to look at (default: %(default)s)",
    )
    parser.add_argument("--once", action="store_true", help="print one frame and end; 1 when a part does not answer")
    parser.add_argument("--json", action="store_true", help="one frame as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
