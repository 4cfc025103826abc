"""What every contender of ingest is started with and what it answers: limits and peers measure alike."""

import argparse
import json
import sys
import time

TELEMETRY_FILTER = "anxin/v1/+/up/telemetry"
# Presses for a peer: no part of the platform listens there, and the API would ring for one that it does not store.
PRESS_TOPIC = "anxin/v1/bench/up/press"
PRESS_CHANNEL = "bench_press"


def contender_parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("--url", required=True, help="broker, as a user who may read everything")
    parser.add_argument("--client-id", required=True)
    parser.add_argument("--database-url", default="")
    parser.add_argument("--messages", type=int, default=0, help="end after so many; 0: after --seconds")
    parser.add_argument("--seconds", type=float, default=0.0, help="from the first message on")
    parser.add_argument("--seed", action="store_true", help="leave a session and its subscription, then end")
    return parser


def over(options: argparse.Namespace, done: int, first: float) -> bool:
    """Whether all messages are done, or the time since the first one (0: none yet) is over."""
    if options.messages:
        return bool(done >= options.messages)
    return bool(first and options.seconds and time.monotonic() - first >= options.seconds)


def tell(messages: int, seconds: float) -> None:
    """The first line (zeros) says: connected. The second: messages done, from the first one to the last commit."""
    sys.stdout.write(json.dumps({"messages": messages, "seconds": round(seconds, 4)}) + "\n")
    sys.stdout.flush()
