"""What both peer scripts share: a paho client with a session that survives, and the table they write."""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from psycopg import Connection

from core.runtime.mqtt_url import parse_broker_url
from simulators.bench.contender_line import TELEMETRY_FILTER

CREATE = """
CREATE TABLE IF NOT EXISTS bench_peer_reading (
    device text NOT NULL, metric text NOT NULL, at timestamptz NOT NULL, value double precision NOT NULL);
SELECT create_hypertable('bench_peer_reading', 'at', if_not_exists => true, migrate_data => true)
"""
INSERT = "INSERT INTO bench_peer_reading (device, metric, at, value) VALUES (%s, %s, %s, %s)"

Row = tuple[str, str, datetime, float]
OnMessage = Callable[[paho.Client, Any, paho.MQTTMessage], None]


def create_table(conn: Connection[Any]) -> None:
    for statement in CREATE.split(";"):
        conn.execute(statement.encode())
    conn.commit()


def client_of(
    options: argparse.Namespace, on_message: OnMessage, *, manual_ack: bool, also: Sequence[str] = ()
) -> paho.Client:
    """Connected and subscribed to telemetry, and `also` other filters, at QoS 1 with a session the broker keeps."""
    client = paho.Client(CallbackAPIVersion.VERSION2, options.client_id, clean_session=False, manual_ack=manual_ack)
    address = parse_broker_url(options.url)
    client.username_pw_set(address.username, address.password)
    client.on_message = on_message
    subscribed: list[bool] = []
    client.on_subscribe = lambda *_: subscribed.append(True)
    client.connect(address.host, address.port)
    while not client.is_connected():
        client.loop(0.1)
    client.subscribe([(name, 1) for name in (TELEMETRY_FILTER, *also)])
    while not subscribed:
        client.loop(0.1)
    return client


def rows_of(payload: bytes | bytearray) -> Iterator[Row]:
    """The readings of a message, single or a gateway's many."""
    message = json.loads(payload)
    for event in message.get("events", (message,)):
        yield event["device"], event["type"], datetime.fromisoformat(event["at"]), float(event["value"])
