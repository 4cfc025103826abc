"""The peer most people meet first: paho-mqtt's callback, one INSERT and one commit a reading's message.

No deduplication, no validation, no rules, no state, and the PUBACK follows the callback whatever became of it. Presses
come through the same callback into the same table; that a console hears of them by NOTIFY is more than most such
scripts do, whose consoles ask once a second.
"""

import sys
import time
from typing import Any

import paho.mqtt.client as paho
import psycopg

from simulators.bench.contender_line import PRESS_CHANNEL, PRESS_TOPIC, contender_parser, over, tell
from simulators.bench.peers.connection import INSERT, client_of, create_table, rows_of


def main() -> int:
    options = contender_parser("tutorial").parse_args()
    done, first, last = 0, 0.0, 0.0

    def on_message(_client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        nonlocal done, first, last
        first = first or time.monotonic()
        for row in rows_of(message.payload):
            conn.execute(INSERT, row)
            if message.topic == PRESS_TOPIC:
                conn.execute("SELECT pg_notify(%s, %s)", (PRESS_CHANNEL, row[0]))
        conn.commit()
        done += 1
        last = time.monotonic()

    with psycopg.connect(options.database_url) as conn:
        create_table(conn)
        if options.seed:
            client_of(options, lambda *_: None, manual_ack=True).disconnect()
            return 0
        client = client_of(options, on_message, manual_ack=False, also=(PRESS_TOPIC,))
        tell(0, 0)
        while not over(options, done, first):
            client.loop(0.1)
        client.disconnect()
    tell(done, last - first)
    return 0


if __name__ == "__main__":
    sys.exit(main())
