"""`python -m registry` is `anxin account`."""

import sys

from registry.account_cli import main

if __name__ == "__main__":
    sys.exit(main())
