"""`anxin replay`: a recording played through the broker with shifted time, every reading accounted for."""

import argparse
import asyncio
import signal
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from core.errors import AnxinError, ConfigurationError
from core.runtime.clock import Clock
from core.runtime.places import default_ready_file
from simulators import replay_devices
from simulators.ready import read_ready
from simulators.recordings.find import Found, find
from simulators.recordings.survey import Survey, survey, walk
from simulators.replay_devices import Publisher
from simulators.replay_plan import TOO_OLD, Timing
from simulators.replay_run import ReplayRun
from simulators.replay_tally import Tally

EXAMPLE = """example:
  anxin replay recordings/casas_al_month --speed 1000          through the demo that runs on this machine
  anxin replay S01_HR.csv --speed max --device d1 --password-file d1.password --host broker.example --port 1883

Known formats: CASAS homes, Empatica wristbands (heart rate; button presses become sos), Fitbit exports. The time is
moved so that the recording ends when the play ends. Playing the same recording again sends the same ids: duplicates.
Rejected messages are stored after all by another command: anxin replay dead-letters --help
"""


@dataclass(frozen=True, slots=True)
class Target:
    publisher: Publisher
    host: str
    port: int


def main(argv: list[str] | None = None) -> int:
    """0: every reading is accounted for; 1: the sum does not close; 2: cannot be played; 130: interrupted."""
    options = _parser().parse_args(argv)
    console = Console(stderr=True, highlight=False)
    try:
        found = find(options.path)
        surveyed = survey(found)
        now = Clock().now()
        target = _target(options, surveyed, now)
        timing = Timing(now, surveyed.span, options.speed, _start(options.start, now))
        _introduce(console, found, surveyed, timing, target.publisher)
        return asyncio.run(_play(console, found, surveyed, timing, target))
    except AnxinError as error:
        console.print(f"anxin replay: {error}", markup=False)
        return 2


def _target(options: argparse.Namespace, surveyed: Survey, now: datetime) -> Target:
    if options.device is None:
        ready_file = options.ready_file or default_ready_file()
        ready = read_ready(ready_file)
        title = options.path.resolve().stem[:16]
        publisher = replay_devices.prepared(ready, ready_file, surveyed, title, options.elder, now)
        return Target(publisher, options.host or ready.mqtt_host, options.port or ready.mqtt_port)
    if options.password_file is None:
        raise ConfigurationError("--device needs --password-file with the device's password.")
    try:
        password = options.password_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{options.password_file} can't be read: {error.strerror}.") from None
    username = options.username or options.device
    publisher = replay_devices.existing(
        options.device, username, password, surveyed, with_children=options.with_children
    )
    return Target(publisher, options.host or "127.0.0.1", options.port or 1883)


def _start(text: str | None, now: datetime) -> datetime | None:
    return None if text is None else now - _ago(text)


def _introduce(console: Console, found: Found, surveyed: Survey, timing: Timing, publisher: Publisher) -> None:
    for path, reason in found.left_out:
        console.print(f"left out: {path.name} ({reason})", markup=False)
    takes = timedelta(seconds=round(timing.wall_s(timing.span)))
    console.print(
        f"{found.format.name}: {surveyed.readings:,} readings of {len(surveyed.sensors)} sensors in "
        f"{timing.span}, played as {publisher.device_id} from {timing.first_at:%Y-%m-%d %H:%M} UTC on"
        + (f", in {takes}" if timing.speed else ", as fast as the platform takes 50 events/s a device"),
        markup=False,
    )
    for elder_id in publisher.elder_ids:
        console.print(f"elder: {elder_id}", markup=False)


async def _play(console: Console, found: Found, surveyed: Survey, timing: Timing, target: Target) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tally = Tally(read=surveyed.left.total(), skipped=surveyed.left.copy())
    total = surveyed.readings + surveyed.left.total()
    with _progress(console) as bar:
        shown = bar.add_task("playing", total=total)
        run = ReplayRun(target.publisher, target.host, target.port, timing, tally, stop)
        watch = asyncio.create_task(_watch(console, bar, shown, run, tally, total))
        try:
            await run.run(walk(found, surveyed))
        finally:
            watch.cancel()
            bar.update(shown, completed=tally.answered + tally.skipped.total())
    return _conclude(console, surveyed, timing, tally, stopped=stop.is_set())


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


async def _watch(console: Console, bar: Progress, shown: TaskID, run: ReplayRun, tally: Tally, total: int) -> None:
    """Moves the bar; where there is none, a line every ten seconds. Says what it waits for when nothing moves."""
    seconds, settled, still_s = 0, -1, 0
    while True:
        await asyncio.sleep(1)
        seconds += 1
        done = tally.answered + tally.skipped.total()
        bar.update(shown, completed=done)
        still_s = still_s + 1 if done == settled and run.waiting else 0
        settled = done
        if still_s and still_s % 30 == 0:
            why = run.link.last_failure or "no receipts come: does ingest run?"
            console.print(f"waiting for {still_s} s: {why}", markup=False)
        elif not console.is_terminal and seconds % 10 == 0:
            console.print(f"{done:,} of {total:,} readings accounted for", markup=False)


def _conclude(console: Console, surveyed: Survey, timing: Timing, tally: Tally, *, stopped: bool) -> int:
    for name, line, detail in surveyed.left_lines:
        console.print(f"unreadable: {name} line {line}: {detail}", markup=False)
    console.print(tally.table())
    if tally.skipped[TOO_OLD] and timing.start is None:
        console.print("to play the beginning of a long recording instead of its end: --start now-29d", markup=False)
    if stopped:
        console.print("interrupted before the end", markup=False)
        return 130
    if not tally.closes:
        console.print(f"the sum does not close: {tally.missing:,} readings have no receipt", markup=False)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="anxin replay",
        description="Play a recording through the broker, every reading accounted for.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="a file, or a folder with files of one format")
    parser.add_argument(
        "--speed", type=_speed, default=60.0, metavar="N", help="recorded seconds a second, or max (default: 60)"
    )
    parser.add_argument(
        "--start", type=_start_text, metavar="now-7d", help="when the recording begins (default: so that it ends now)"
    )
    parser.add_argument(
        "--ready-file",
        type=Path,
        metavar="R",
        help="of a running demo (default: ANXIN_READY_FILE, else the demo's usual place)",
    )
    parser.add_argument("--elder", metavar="ID", help="bind the recording's devices to this elder (default: a new one)")
    parser.add_argument("--device", metavar="ID", help="publish as this device instead of making devices")
    parser.add_argument("--username", metavar="U", help="its broker user name (default: its id)")
    parser.add_argument("--password-file", type=Path, metavar="F", help="its password")
    parser.add_argument("--with-children", action="store_true", help="its children are named <device>-<sensor>")
    parser.add_argument("--host", help="the broker (default: the demo's, else 127.0.0.1)")
    parser.add_argument("--port", type=int, metavar="P", help="its port (default: the demo's, else 1883)")
    return parser


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 1 <= speed <= 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not max and not a number from 1 to 1000000")
    return speed


def _start_text(text: str) -> str:
    _ago(text)
    return text


def _ago(text: str) -> timedelta:
    """`now-7d`, `now-36h`, `now-90m` or `now`."""
    units = {"d": "days", "h": "hours", "m": "minutes"}
    if text == "now":
        return timedelta(0)
    amount = text.removeprefix("now-")[:-1]
    if not text.startswith("now-") or text[-1] not in units or not amount.isdecimal() or len(amount) > 6:
        raise argparse.ArgumentTypeError(f"{text} is not like now-7d, now-36h or now-90m")
    return timedelta(**{units[text[-1]]: int(amount)})


if __name__ == "__main__":
    sys.exit(main())
