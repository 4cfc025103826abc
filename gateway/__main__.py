"""`anxin gateway`: events from standard input to the platform, each line answered by the platform's receipt."""

import argparse
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from core.errors import AnxinError, ConfigurationError
from gateway.uplink import Event, Identity, Receipt, Uplink, lane_of


def main(argv: list[str] | None = None) -> int:
    """0: everything is stored; 1: some events were rejected; 2: could not connect or read."""
    arguments = _parser().parse_args(argv)
    try:
        with Uplink(_identity(arguments)) as uplink:
            return relay(sys.stdin, uplink, sys.stdout, within_s=arguments.wait_seconds)
    except AnxinError as error:
        print(f"anxin gateway: {error}", file=sys.stderr)
        return 2


def relay(lines: Iterable[str], uplink: Uplink, out: TextIO, *, within_s: float) -> int:
    """Send each line (one event as JSON) and write one line of JSON about what became of it."""
    clean = True
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        event = _event(line)
        if event is None:
            print(json.dumps({"line": number, "error": "not a JSON object"}), file=out, flush=True)
            clean = False
            continue
        receipt = uplink.send([event], lane_of(event), within_s=within_s)
        clean = clean and not receipt.rejected
        print(json.dumps({"line": number, **_told(receipt)}), file=out, flush=True)
    return 0 if clean else 1


def _event(line: str) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _told(receipt: Receipt) -> dict[str, object]:
    reasons = [reason for _, reason in receipt.rejected]
    return {"accepted": receipt.accepted, "duplicate": receipt.duplicate, "rejected": reasons}


def _identity(arguments: argparse.Namespace) -> Identity:
    password = os.environ.get("ANXIN_DEVICE_PASSWORD")
    if arguments.password_file:
        try:
            password = Path(arguments.password_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(f"{arguments.password_file} can't be read: {error.strerror}.") from None
    if not password:
        raise ConfigurationError("The hub's password is missing: use --password-file or ANXIN_DEVICE_PASSWORD.")
    return Identity(arguments.device, password, arguments.host, arguments.port, arguments.ca_file)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="anxin gateway",
        description="Read events, one JSON object a line, publish them as one device and wait for each receipt.",
        epilog='example:\n  echo \'{"type":"sos"}\' | anxin gateway --device hub-001 --password-file F',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", required=True, metavar="ID", help="device id to publish as")
    parser.add_argument("--password-file", metavar="F", help="file with its password (else ANXIN_DEVICE_PASSWORD)")
    parser.add_argument("--host", default="127.0.0.1", help="broker host (default: %(default)s)")
    parser.add_argument("--port", type=int, default=1883, help="broker port (default: %(default)s)")
    parser.add_argument("--ca-file", metavar="F", help="CA certificate of a TLS broker")
    parser.add_argument(
        "--wait-seconds", type=float, default=60, metavar="S", help="longest wait for a receipt (default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
