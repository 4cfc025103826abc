"""`python -m stack.platform_user`: let the platform's own user into a Mosquitto that knows nobody yet.

The registry's devices follow by `anxin broker-sync`, which keeps this line. Run again after its password changed.
"""

import argparse
import os
import secrets
import sys
from pathlib import Path

from core.errors import ConfigurationError
from core.runtime.mqtt_url import BrokerUrlError, parse_broker_url
from core.runtime.settings import BrokerSettings
from stack.mosquitto_conf import password_line


def main(argv: list[str] | None = None) -> int:
    """0: the user is in the file; 2: the settings name no user."""
    parser = argparse.ArgumentParser(
        prog="python -m stack.platform_user",
        description="Write the user and password of ANXIN_MQTT_URL into Mosquitto's password file.",
        epilog="example:\n  ANXIN_MQTT_URL_FILE=secrets/mqtt_url python -m stack.platform_user --file passwd",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--file", type=Path, required=True, metavar="F", help="Mosquitto's password_file")
    options = parser.parse_args(argv)
    try:
        address = parse_broker_url(BrokerSettings.load().mqtt_url.get_secret_value())
    except (ConfigurationError, BrokerUrlError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if not address.username or not address.password:
        sys.stderr.write("ANXIN_MQTT_URL names no user and password.\n")
        return 2
    put_user(options.file, address.username, address.password)
    return 0


def put_user(file: Path, username: str, password: str) -> None:
    """Replace the file, with a fresh line for `username` and every other line as it was; mode 0600."""
    present = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
    others = [line for line in present if line.partition(":")[0] != username]
    fresh = file.with_name(f".{file.name}.user")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write("".join([*others, password_line(username, password, secrets.token_bytes(12))]))
        opened.flush()
        os.fsync(opened.fileno())
    fresh.rename(file)


if __name__ == "__main__":
    sys.exit(main())
