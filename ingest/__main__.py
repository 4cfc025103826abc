"""`anxin ingest`: wiring only."""

import argparse
import gc
import sys

from core.errors import ConfigurationError
from core.runtime.clock import Clock
from core.runtime.logs import configure_logs
from core.runtime.mqtt import BrokerUrlError
from core.runtime.service import run_service
from ingest.metrics import IngestMetrics
from ingest.settings import IngestSettings
from ingest.worker import IngestWorker

EXAMPLE = """
example:
  anxin ingest --worker 2        a second worker beside the first; each number is used once
"""


def main(argv: list[str] | None = None) -> int:
    """Exit codes: 0 asked to stop, 1 failed, 2 not startable as configured."""
    parser = argparse.ArgumentParser(
        prog="anxin ingest",
        description="Take device messages from the broker into the database; acknowledge after the commit.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--worker", type=int, metavar="N", help="number of this worker (ANXIN_INGEST_WORKER)")
    options = parser.parse_args(argv)
    try:
        settings = IngestSettings.load(ingest_worker=options.worker)
        worker = IngestWorker(settings, Clock(), IngestMetrics())
    except (ConfigurationError, BrokerUrlError) as error:
        print(error, file=sys.stderr)
        return 2
    # A batch makes tens of thousands of short-lived objects: at Python's threshold of 700 the collector would walk the
    # whole device directory over and over, and both lanes would wait for it.
    gc.set_threshold(50_000, 20, 100)
    configure_logs("ingest", level=settings.log_level, form=settings.log_format)
    return run_service("ingest", worker.run)


if __name__ == "__main__":
    sys.exit(main())
