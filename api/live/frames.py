"""Texts of the live stream. An alert event is serialised once, whoever receives it; only `prev` differs."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from alerts.model import rfc3339

Json = dict[str, Any]


class Close:
    """Close codes of the contract, and 1012 when this process stops."""

    TOKEN = 4401
    SCOPE = 4403
    NO_FIRST_MESSAGE = 4408
    TOO_SLOW = 4429
    RESTART = 1012


class Signal(StrEnum):
    """Frames that tell the connection's own position, so they are written only when their turn comes."""

    HEARTBEAT = "heartbeat"
    PONG = "pong"


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


@dataclass(frozen=True, slots=True)
class Frame:
    """An alert event ready to send: its JSON text in two halves around `prev`."""

    seq: int
    before: str
    after: str

    def text(self, prev: int) -> str:
        return f"{self.before}{prev}{self.after}"


def alert_frame(type: str, seq: int, at: datetime, data: Json) -> Frame:
    """`data` is the alert in the form of GET /alerts/{id}."""
    return Frame(seq, f'{{"type":"{type}","seq":{seq},"prev":', f',"at":"{rfc3339(at)}","data":{dumps(data)}}}')


def hello(seq: int, now: datetime, build: str, *, reset: bool, alerts: list[Json]) -> str:
    return dumps(
        {
            "type": "hello",
            "seq": seq,
            "server_time": rfc3339(now),
            "build": build,
            "reset": reset,
            "alerts": alerts,
        }
    )


def signal_text(signal: Signal, seq: int, now: datetime, build: str) -> str:
    """`seq` is the caller's own position, the last one sent on this stream: another number held means a gap."""
    body: Json = {"type": signal.value, "seq": seq, "server_time": rfc3339(now)}
    if signal is Signal.PONG:
        body["build"] = build
    return dumps(body)


def error_text(code: str) -> str:
    """Answer to a client frame that cannot be understood; the socket stays."""
    return dumps({"type": "error", "code": code})


def too_slow_reason(after: int) -> str:
    return dumps({"after": after})


def can_resume(after: int, *, snapshot: int, oldest_kept: int, most: int) -> bool:
    """Whether every event `after` … `snapshot` is still there and few enough to send.

    `oldest_kept` is the smallest number that can still be sent; an `after` beyond the snapshot is another database's.
    """
    if after == snapshot:
        return True
    if not 0 <= after <= snapshot:
        return False
    return oldest_kept <= after + 1 and snapshot - after <= most
