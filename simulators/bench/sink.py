"""The receive limit: a subscriber with the platform's own session code that acknowledges and does nothing else.

    python -m simulators.bench.sink --url U --client-id C --messages N

With --seed it only leaves a session with its subscription at the broker. Else it prints one JSON object: how many
messages came and in how many seconds, from the first to the last.
"""

import argparse
import asyncio
import sys
import time

from core.runtime.mqtt import Message, MqttSession, Subscription
from simulators.bench.contender_line import TELEMETRY_FILTER, contender_parser, tell

_EXPIRY_S = 3600
_RECEIVE_MAXIMUM = 8000  # as the telemetry lane


async def _run(options: argparse.Namespace) -> None:
    complete = asyncio.Event()
    seen, first, last = 0, 0.0, 0.0

    def heard(messages: list[Message]) -> None:
        nonlocal seen, first, last
        last = time.monotonic()
        if not first:
            first = last
            if options.seconds:
                asyncio.get_running_loop().call_later(options.seconds, complete.set)
        seen += len(messages)
        session.ack(messages)
        if seen >= options.messages > 0:
            complete.set()

    session = MqttSession(
        options.url,
        client_id=options.client_id,
        on_messages=heard,
        session_expiry_s=_EXPIRY_S,
        receive_maximum=_RECEIVE_MAXIMUM,
    )
    await session.subscribe([Subscription(TELEMETRY_FILTER)])
    async with session:
        await session.connected.wait()
        if options.seed:
            return
        tell(0, 0)
        await complete.wait()
    tell(seen, last - first)


def main() -> int:
    asyncio.run(_run(contender_parser("sink").parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
