"""The families, one row each: to add one, write its file and its row.

A bus family names the topics it is subscribed to, which also route its messages; a stream family cuts a TCP stream
into frames. Both say whose message it is, for the owner keeps one `Memory` for each source.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.decoders import (
    chirpstack,
    gt06,
    gt06_frame,
    h02,
    homeassistant,
    iw_watch,
    jt808,
    jt808_frame,
    minifinder2,
    owntracks,
    shelly,
    tasmota,
    theengs,
    watch,
    watch_frame,
    zigbee2mqtt,
)
from gateway.decoders.heard import BusMessage, Decoded, Memory


@dataclass(frozen=True, slots=True)
class BusFamily:
    """`topics` are the usual ones; a hub with another base topic uses its own. `source_of`: topic to memory's key."""

    name: str
    topics: tuple[str, ...]
    source_of: Callable[[str], str]
    decode: Callable[[BusMessage, Memory, datetime], Decoded]


@dataclass(frozen=True, slots=True)
class StreamFamily:
    """`split`: octets so far to (frames, rest). `device_of`: a frame and who spoke last on this connection to who
    speaks now. The reply of a decoded frame is written to the connection."""

    name: str
    split: Callable[[bytes], tuple[list[bytes], bytes]]
    device_of: Callable[[bytes, str | None], str | None]
    decode: Callable[[bytes, str | None, Memory, datetime], Decoded]


BUS_FAMILIES: tuple[BusFamily, ...] = (
    BusFamily("zigbee2mqtt", ("zigbee2mqtt/#",), zigbee2mqtt.source_of, zigbee2mqtt.decode),
    BusFamily("owntracks", ("owntracks/#",), owntracks.source_of, owntracks.decode),
    BusFamily("tasmota", ("tele/#", "stat/#"), tasmota.source_of, tasmota.decode),
    BusFamily("shelly", ("shellies/#", "+/events/rpc", "+/status/+", "+/online"), shelly.source_of, shelly.decode),
    BusFamily("theengs", ("home/+/BTtoMQTT/#",), theengs.source_of, theengs.decode),
    BusFamily("chirpstack", ("application/+/device/+/event/+",), chirpstack.source_of, chirpstack.decode),
    # Last: descriptions, and the state topics they name, which nobody else claims.
    BusFamily("homeassistant", ("homeassistant/#",), homeassistant.source_of, homeassistant.decode),
)
STREAM_FAMILIES: tuple[StreamFamily, ...] = (
    StreamFamily("watch", watch_frame.split, watch_frame.device_of, watch.decode),
    StreamFamily("iw_watch", iw_watch.split, iw_watch.device_of, iw_watch.decode),
    StreamFamily("minifinder2", minifinder2.split, minifinder2.device_of, minifinder2.decode),
    StreamFamily("gt06", gt06_frame.split, gt06.device_of, gt06.decode),
    StreamFamily("h02", h02.split, h02.device_of, h02.decode),
    StreamFamily("jt808", jt808_frame.split, jt808.device_of, jt808.decode),
)
BUS_FAMILY = {family.name: family for family in BUS_FAMILIES}
STREAM_FAMILY = {family.name: family for family in STREAM_FAMILIES}


def family_of(topic: str) -> BusFamily:
    """Who reads a topic; a topic that nobody claims may be one that a description named."""
    claims = (family for family in BUS_FAMILIES if any(matches(filter_, topic) for filter_ in family.topics))
    return next(claims, BUS_FAMILY["homeassistant"])


def matches(filter_: str, topic: str) -> bool:
    """MQTT 5, 4.7: `+` is one level, `#` the rest, itself included."""
    wanted, levels = filter_.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)
