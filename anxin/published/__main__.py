"""`python -m anxin.published [--check]`: write the published documents, or say which are stale."""

import argparse
import sys
from pathlib import Path

from anxin.published.documents import documents

ROOT = Path(__file__).resolve().parents[2]


def main(argv: list[str] | None = None) -> int:
    """0: all current (or written); 1: with --check, some are stale."""
    parser = argparse.ArgumentParser(
        prog="python -m anxin.published",
        description="Write docs/contract/, docs/settings.md, .env.example and the broker's files from the code.",
        epilog="example:\n  python -m anxin.published --check",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a document is stale")
    arguments = parser.parse_args(argv)
    stale = [
        path
        for path, text in documents().items()
        if not (ROOT / path).exists() or (ROOT / path).read_text(encoding="utf-8") != text
    ]
    if arguments.check:
        for path in stale:
            print(f"{path} is stale; run: python -m anxin.published", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(documents()[path], encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
