"""A competent peer: paho-mqtt with manual acknowledgement, executemany of 500, commit, and only then the PUBACKs.

Nothing is lost; a crash between commit and PUBACK stores a batch twice. No deduplication, validation, rules or state.
"""

import sys
import time
from typing import Any

import paho.mqtt.client as paho
import psycopg

from simulators.bench.contender_line import contender_parser, over, tell
from simulators.bench.peers.connection import INSERT, Row, client_of, create_table, rows_of

_BATCH = 500
_AGE_S = 0.1


def main() -> int:
    options = contender_parser("competent").parse_args()
    rows: list[Row] = []
    held: list[paho.MQTTMessage] = []
    done, first, last = 0, 0.0, 0.0

    def on_message(client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        nonlocal first
        first = first or time.monotonic()
        rows.extend(rows_of(message.payload))
        held.append(message)
        if len(rows) >= _BATCH:
            write(client)

    def write(client: paho.Client) -> None:
        nonlocal done, last
        with conn.cursor() as cursor:
            cursor.executemany(INSERT, rows)
        conn.commit()
        last = time.monotonic()
        for message in held:
            client.ack(message.mid, message.qos)
        done += len(held)
        rows.clear()
        held.clear()

    with psycopg.connect(options.database_url) as conn:
        create_table(conn)
        if options.seed:
            client_of(options, lambda *_: None, manual_ack=True).disconnect()
            return 0
        client = client_of(options, on_message, manual_ack=True)
        tell(0, 0)
        wrote = time.monotonic()
        while not over(options, done, first):
            client.loop(_AGE_S)
            if held and time.monotonic() - wrote >= _AGE_S:
                write(client)
                wrote = time.monotonic()
        client.disconnect()
    tell(done, last - first)
    return 0


if __name__ == "__main__":
    sys.exit(main())
