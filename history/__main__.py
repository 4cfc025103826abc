"""`anxin history`: wiring only."""

import argparse
import sys

from core.errors import ConfigurationError
from core.runtime.clock import Clock
from core.runtime.logs import configure_logs
from core.runtime.service import run_service
from history.metrics import HistoryMetrics
from history.service import HistoryService
from history.settings import HistorySettings

EXAMPLE = """
example:
  anxin history --number 2       a second one that stands by until the first is gone
"""


def main(argv: list[str] | None = None) -> int:
    """Exit codes: 0 asked to stop, 1 failed, 2 not startable as configured."""
    parser = argparse.ArgumentParser(
        prog="anxin history",
        description="Rolls readings up by minute, hour and day, repairs them for late data, drops what is too old.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--number", type=int, metavar="N", help="number of this program (ANXIN_HISTORY_NUMBER)")
    options = parser.parse_args(argv)
    try:
        settings = HistorySettings.load(history_number=options.number)
        history = HistoryService(settings, Clock(), HistoryMetrics())
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    configure_logs("history", level=settings.log_level, form=settings.log_format)
    return run_service("history", history.run)


if __name__ == "__main__":
    sys.exit(main())
