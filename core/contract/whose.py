"""Whose message it is, and what is refused for whom: the same answer for every part that listens to devices.

The registry is given as a function from a device's id to what is known of it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from core.contract.event import Cry, Decoded, Event, Reason, Rejection
from core.domain.event_types import CRIES_FOR_HELP

RETIRED = "retired"


class KnownDevice(Protocol):
    """What must be known of a device to judge its message."""

    @property
    def id(self) -> str: ...
    @property
    def device_no(self) -> int: ...
    @property
    def lifecycle(self) -> str: ...
    @property
    def hub_id(self) -> str | None: ...


Device = TypeVar("Device", bound=KnownDevice)


def publisher_problem(publisher: KnownDevice | None) -> tuple[Reason, str] | None:
    if publisher is None:
        return "unknown_device", "The registry knows no device of this id."
    if publisher.lifecycle == RETIRED:
        return "retired_device", "The device is retired."
    return None


def owner_of(event: Event, publisher: Device, find: Callable[[str], Device | None]) -> Device | Rejection:
    """The device the event is about: the publisher or a child registered under it; else the event is refused."""
    if event.child is None or event.child == publisher.id:
        return publisher
    child = find(event.child)
    if child is None or child.hub_id != publisher.id:
        return refuse(event, "unknown_child", "No such device is registered under this hub.")
    if child.lifecycle == RETIRED:
        return refuse(event, "retired_device", "The child device is retired.")
    return child


def attributed(cry: Cry, publisher_id: str, find: Callable[[str], Device | None]) -> Cry:
    """A refused cry of a known child is its elder's, not the hub's."""
    child = find(cry.child) if cry.child is not None else None
    if child is None or child.hub_id != publisher_id:
        return cry
    return replace(cry, device_id=child.id, device_no=child.device_no)


def refuse(event: Event, reason: Reason, detail: str) -> Rejection:
    """Turn an event that kept the contract into a rejection; a cry for help goes on ringing."""
    rejection = Rejection(event.index, reason, detail, id=event.id, source=event.source)
    if event.type.name in CRIES_FOR_HELP:
        rejection.cries = [Cry(event.type.name, event.at, event.clock_suspect, event.value, event.zone, event.child)]
    return rejection


def refuse_whole(decoded: Decoded, reason: Reason, detail: str) -> Decoded:
    """One rejection for the message, with every cry that is in it. What could not be read keeps its own reason."""
    if decoded.rejections and decoded.rejections[0].index is None:
        return decoded
    parts = [*decoded.rejections, *(refuse(event, reason, detail) for event in decoded.events)]
    cries = [cry for part in parts for cry in part.cries]
    # A single event gives the message its identity: sent again, it does not ring again.
    only_id = parts[0].id if len(parts) == 1 else None
    return Decoded([], [Rejection(None, reason, detail, id=only_id, cries=cries)])
