"""A message sent until the platform's receipt says what became of each of its events (contract 1, Receipts)."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from core.domain.event_types import EVENT_TYPE_BY_NAME, Lane
from simulators.link import Incoming, Link, LinkDown

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Receipt:
    """`rejected`: (index of the event or None for the whole message, reason code)."""

    accepted: int
    duplicate: int
    rejected: tuple[tuple[int | None, str], ...]

    def answers(self, events: int) -> bool:
        """Whether every one of so many events was told about; if not, they must be sent again."""
        whole = any(index is None for index, _ in self.rejected)
        return whole or self.accepted + self.duplicate + len(self.rejected) >= events

    def reasons(self, events: int) -> Counter[str]:
        """Rejected events by reason; a rejected message counts for each of its events."""
        counted: Counter[str] = Counter()
        for index, reason in self.rejected:
            counted[reason] += events if index is None else 1
        return counted


def parse_receipt(payload: bytes) -> Receipt:
    """Raises ValueError on anything that is not the contract's receipt."""
    try:
        content = json.loads(payload)
        rejected = tuple((entry["index"], str(entry["reason"])) for entry in content["rejected"])
        return Receipt(int(content["accepted"]), int(content["duplicate"]), rejected)
    except (KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"not a receipt: {error}") from None


class ReceiptedSender:
    """Sends for one device over its link, which must hand `down/receipt` messages to `heard`."""

    def __init__(self, link: Link, device_id: str, *, timeout_s: float = 10.0) -> None:
        self.link, self.device_id, self.timeout_s = link, device_id, timeout_s
        self.resent = self.unreadable = 0
        self._numbers = count(1)
        self._waiting: dict[bytes, asyncio.Future[Receipt]] = {}

    @property
    def topic(self) -> str:
        return f"anxin/v1/{self.device_id}/down/receipt"

    def heard(self, message: Incoming) -> None:
        waiting = self._waiting.get(message.correlation or b"")
        if waiting is None or waiting.done():
            return  # the answer to an earlier attempt; the one to the repetition is the same
        try:
            waiting.set_result(parse_receipt(message.payload))
        except ValueError:
            self.unreadable += 1

    async def send(self, lane: Lane, events: Sequence[Event]) -> Receipt:
        """Publish until a whole receipt comes, waiting for the link where need be; the ids stay the same."""
        topic = f"anxin/v1/{self.device_id}/up/{lane}"
        payload = json.dumps({"events": list(events)}, ensure_ascii=False, separators=(",", ":")).encode()
        attempt = 0
        while True:
            await self.link.up.wait()
            self.resent += len(events) if attempt else 0
            attempt += 1
            receipt = await self._attempt(topic, payload)
            if receipt is not None and receipt.answers(len(events)):
                return receipt

    async def _attempt(self, topic: str, payload: bytes) -> Receipt | None:
        correlation = str(next(self._numbers)).encode()
        waiting: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting[correlation] = waiting
        try:
            self.link.publish(topic, payload, answer_to=(self.topic, correlation))
            async with asyncio.timeout(self.timeout_s):
                return await waiting
        except TimeoutError:
            return None
        except LinkDown:
            await asyncio.sleep(0.1)
            return None
        finally:
            del self._waiting[correlation]


def lane_of(event_type: str) -> Lane:
    return EVENT_TYPE_BY_NAME[event_type].lane
