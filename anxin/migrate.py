"""`anxin migrate`."""

import argparse
import sys

from core.runtime.settings import DatabaseSettings
from core.store.migrate import migrate


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="anxin migrate",
        description="Bring the database up to this program's schema, also while the platform works. Running it twice "
        "does nothing the second time. A table that others hold is asked for again and again, never queued for.",
        epilog="example:\n  ANXIN_DATABASE_URL=postgresql://anxin@localhost/anxin anxin migrate",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(argv)
    count = migrate(DatabaseSettings.load().database_url.get_secret_value(), progress=_say)
    sys.stdout.write(f"{count} migrations applied\n" if count else "nothing to do\n")
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
