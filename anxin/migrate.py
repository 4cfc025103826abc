"""`anxin migrate`."""

import argparse
import sys

from core.runtime.settings import DatabaseSettings
from core.store.migrate import migrate


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="anxin migrate",
        description="Bring the database up to this program's schema. Running it twice does nothing the second time.",
        epilog="example:\n  ANXIN_DATABASE_URL=postgresql://anxin@localhost/anxin anxin migrate",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(argv)
    count = migrate(DatabaseSettings.load().database_url.get_secret_value())
    sys.stdout.write(f"{count} migrations applied\n" if count else "nothing to do\n")
    return 0
