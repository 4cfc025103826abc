"""`anxin alerts`: wiring only."""

import argparse
import sys

from alerts.engine import AlertEngine
from alerts.metrics import EngineMetrics
from alerts.settings import EngineSettings
from core.errors import ConfigurationError
from core.runtime.clock import Clock
from core.runtime.logs import configure_logs
from core.runtime.service import run_service

EXAMPLE = """
example:
  anxin alerts --engine 2        a second engine beside the first: they share the work
"""


def main(argv: list[str] | None = None) -> int:
    """Exit codes: 0 asked to stop, 1 failed, 2 not startable as configured."""
    parser = argparse.ArgumentParser(
        prog="anxin alerts",
        description="The alert engine: deadlines of alerts, seals of the access log, housekeeping.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--engine", type=int, metavar="N", help="number of this engine (ANXIN_ENGINE_NUMBER)")
    options = parser.parse_args(argv)
    try:
        settings = EngineSettings.load(engine_number=options.engine)
        engine = AlertEngine(settings, Clock(), EngineMetrics())
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    configure_logs("alerts", level=settings.log_level, form=settings.log_format)
    return run_service("alerts", engine.run)


if __name__ == "__main__":
    sys.exit(main())
