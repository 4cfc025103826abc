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
    """An alert event ready to send: its JSON text in two halves around `prev`.

    `provisional_id`: what it was called while it was not stored; `ended`: the last word about that one, for a client
    who got the stored alert with its snapshot already.
    """

    seq: int
    before: str
    after: str
    provisional_id: UUID | None = None
    ended: "ProvisionalFrame | None" = None

    def text(self, prev: int) -> str:
        return f"{self.before}{prev}{self.after}"


@dataclass(frozen=True, slots=True)
class ProvisionalFrame:
    """An alert that is not stored, as it stands, or its last word."""

    id: UUID
    text: str


def alert_frame(type: str, seq: int, at: datetime, data: Json, provisional_id: UUID | None = None) -> Frame:
    """`data` is the alert in the form of GET /alerts/{id}."""
    before = f'{{"type":"{type}","seq":{seq},"prev":'
    id = "" if provisional_id is None else f'"provisional_id":"{provisional_id}",'
    return Frame(seq, before, f',"at":"{rfc3339(at)}",{id}"data":{dumps(data)}}}', provisional_id)


def provisional_frame(id: UUID, at: datetime, data: Json) -> ProvisionalFrame:
    """`data` has the form of an alert; its id is the provisional one."""
    body = {
        "type": "alert.provisional",
        "seq": None,
        "provisional_id": str(id),
        "stored": data["stored"],
        "at": rfc3339(at),
        "data": data,
    }
    return ProvisionalFrame(id, dumps(body))


def hello(seq: int, now: datetime, build: str, *, reset: bool, alerts: list[Json], degraded: bool = False) -> str:
    """`degraded`, here and below, is said only while the database does not answer."""
    return dumps(
        {
            "type": "hello",
            "seq": seq,
            "server_time": rfc3339(now),
            "build": build,
            "reset": reset,
            **({"degraded": True} if degraded else {}),
            "alerts": alerts,
        }
    )


def signal_text(signal: Signal, seq: int, now: datetime, build: str, *, degraded: bool = False) -> str:
    """`seq` is the caller's own position, the last one sent on this stream: another number held means a gap."""
    body: Json = {"type": signal.value, "seq": seq, "server_time": rfc3339(now)}
    if degraded:
        body["degraded"] = True
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
