"""What a batch says of each device's current state, one entry a device. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter

from core.contract.control import LinkWord
from core.contract.event import Event, Micros
from ingest.delivery import Delivery, Piece


@dataclass(slots=True)
class DeviceNews:
    """Newest of each kind within a batch; None where the batch says nothing. `link_from`: the session's name."""

    last_seen: Micros
    last_at: Micros | None = None
    battery_pct: float | None = None
    battery_at: Micros | None = None
    worn: bool | None = None
    worn_at: Micros | None = None
    link: str | None = None
    link_at: Micros | None = None
    link_from: str | None = None

    @property
    def plain(self) -> bool:
        """Nothing but when it spoke."""
        return self.battery_at is None and self.worn_at is None and self.link_at is None


@dataclass(slots=True)
class Sighted:
    """When devices spoke, and the newest moment that each spoke of: all that plain readings say of them."""

    spoke: dict[int, Micros] = field(default_factory=dict)
    said: dict[int, Micros] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.spoke)

    def add(self, device_no: int, spoke: Micros, said: Micros | None) -> None:
        if spoke > self.spoke.get(device_no, 0):
            self.spoke[device_no] = spoke
        if said is not None and said > self.said.get(device_no, 0):
            self.said[device_no] = said

    def first(self, most: int) -> "Sighted":
        """So many of those that were added first."""
        spoke = dict(islice(self.spoke.items(), most))
        return Sighted(spoke, {device_no: self.said[device_no] for device_no in spoke if device_no in self.said})

    def forget(self, device_no: int) -> None:
        self.spoke.pop(device_no, None)
        self.said.pop(device_no, None)

    def update(self, other: "Sighted") -> None:
        for device_no, spoke in other.spoke.items():
            self.add(device_no, spoke, other.said.get(device_no))


def news_of(pieces: Iterable[Piece]) -> list[tuple[int, DeviceNews]]:
    """(device_no, news), sorted by device: two workers that lock rows in one order do not deadlock.

    A message of an authenticated device is a sign of life of it even when its content is bad or a duplicate; a last
    will, which the broker sends, and a stored replay are not.
    """
    news: dict[int, DeviceNews] = {}
    told: Delivery | None = None
    for piece in pieces:
        content, delivery = piece.content, piece.delivery
        entry = delivery.entry
        if entry is None or content is None:
            continue
        if type(content) is LinkWord:
            _link(news, entry.device_no, content, delivery.received)
            continue
        if delivery is not told:  # a hub is seen once a message, not once for each of its events
            own, told = _seen(news, entry.device_no, delivery.received), delivery
        if type(content) is Event and piece.device_no is not None:
            device_no = piece.device_no
            _tell(own if device_no == entry.device_no else _seen(news, device_no, delivery.received), content)
    return sorted(news.items(), key=itemgetter(0))


def _seen(news: dict[int, DeviceNews], device_no: int, received: Micros) -> DeviceNews:
    known = news.get(device_no)
    if known is None:
        known = news[device_no] = DeviceNews(received)
    elif received > known.last_seen:
        known.last_seen = received
    return known


def _tell(known: DeviceNews, event: Event) -> None:
    at = event.at
    if known.last_at is None or at > known.last_at:
        known.last_at = at
    name = event.type.name
    if name == "battery":
        if known.battery_at is None or at >= known.battery_at:
            known.battery_pct, known.battery_at = float(event.value), at
    elif name == "worn" and (known.worn_at is None or at >= known.worn_at):
        known.worn, known.worn_at = event.value, at


def _link(news: dict[int, DeviceNews], device_no: int, word: LinkWord, received: Micros) -> None:
    known = news.get(device_no)
    if word.online:
        known = _seen(news, device_no, received)
    elif known is None:
        known = news[device_no] = DeviceNews(0)
    if known.link_at is not None and received < known.link_at:
        return
    if not word.online and known.link == "online" and known.link_from != word.session:
        return  # the late last will of an earlier session says nothing about the one that came after it
    known.link = "online" if word.online else "offline"
    known.link_at, known.link_from = received, word.session
