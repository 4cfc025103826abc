"""Milesight's LoRaWAN payloads on port 85: channel, type, value after value.

Source: the READMEs of the maker's "SensorDecoders" (WS101, WS202, WS203, WS301, WS303, EM300, VS330, VS34x, VS370,
VS373, AM10x, AM307, AT101, GS301, WT101, WS523). What (0x03, 0x00) and its neighbours mean differs by model, so the
model must be known. A payload stops being readable at the first channel whose length nobody knows.
"""

from collections.abc import Callable, Mapping

from gateway.decoders.heard import NonEvent
from gateway.decoders.loose import epoch
from gateway.decoders.notes import Notes
from gateway.decoders.octets import Octets, Truncated

PORT = 85
MODELS = (
    "ws101", "ws202", "ws203", "ws301", "ws303", "ws523", "em300-mcs", "em300-mld", "em300-sld", "em300-th", "vs330",
    "vs340", "vs341", "vs370", "vs373", "am102", "am103", "am307", "at101", "gs301", "wt101",
)  # fmt: skip
Tell = Callable[[Notes, bytes], None]
Channel = tuple[int, int]
_HISTORY: Channel = (0x20, 0xCE)


def _number(data: bytes, *, signed: bool = False) -> int:
    return int.from_bytes(data, "little", signed=signed)


def _battery(notes: Notes, data: bytes) -> None:
    notes.measured("battery", data[0])


def _temperature(notes: Notes, data: bytes) -> None:
    notes.measured("temperature", _number(data[:2], signed=True) / 10)


def _humidity(notes: Notes, data: bytes) -> None:
    notes.measured("humidity", data[0] / 2)


def _flag(kind: str) -> Tell:
    return lambda notes, data: notes.state(kind, data[0] == 1)


def _door(notes: Notes, data: bytes) -> None:
    notes.state("contact", {"open": data[0] == 1})


def _button(notes: Notes, data: bytes) -> None:
    """Short, long, double: whoever presses in whatever way wants somebody."""
    notes.pressed(str(data[0]), calls=True)


def _energy(notes: Notes, data: bytes) -> None:
    notes.measured("power_meter", _number(data) / 1000)


def _place(notes: Notes, data: bytes) -> None:
    lat, lng = _number(data[:4], signed=True) / 1e6, _number(data[4:8], signed=True) / 1e6
    notes.position(lat, lng, valid=True)


def _is(what: NonEvent) -> Tell:
    return lambda notes, _: notes.named(what)


def _room(notes: Notes, data: bytes) -> None:
    """VS373: 0 normal, 1 vacant, 2 in bed, 3 out of bed, 4 fall. The fall itself comes as an alarm event too."""
    status = data[0]
    notes.stands("fall", set_=status == 4)
    if status in (2, 3):
        notes.state("bed", {"occupied": status == 2})
    notes.state("presence", status != 1)


def _radar_alarm(notes: Notes, data: bytes) -> None:
    """VS373: id, what (0 fall), status (1 raised, 2 over, 3 ignored by its countdown, 4 report), region."""
    what, status = data[2], data[3]
    if what == 0:
        notes.stands("fall", set_=status == 1)
    elif what == 3 and status == 1:
        notes.state("bed", {"occupied": False})
    else:
        notes.named(NonEvent.OWN_RULE)


_UNRELATED, _OUTPUT = _is(NonEvent.UNRELATED), _is(NonEvent.OUTPUT)
_COMMON: Mapping[Channel, tuple[int, Tell]] = {
    (0x01, 0x75): (1, _battery),
    (0x03, 0x67): (2, _temperature),
    (0x04, 0x68): (1, _humidity),
    (0x83, 0x67): (3, _temperature),  # with a threshold's verdict
    (0xFF, 0x2E): (1, _button),
    **{(0xFF, kind): (length, _is(NonEvent.CONFIGURATION)) for kind, length in
       ((0x01, 1), (0x08, 6), (0x09, 2), (0x0A, 2), (0x0B, 1), (0x0F, 1), (0x16, 8), (0xFE, 1), (0xFF, 2))},
}  # fmt: skip
_AIR: Mapping[Channel, tuple[int, Tell]] = {
    (0x05, 0x6A): (2, _UNRELATED),
    (0x06, 0x65): (6, _UNRELATED),
    (0x07, 0x7D): (2, _UNRELATED),
    (0x08, 0x7D): (2, _UNRELATED),
    (0x09, 0x73): (2, _UNRELATED),
    (0x06, 0xCB): (1, _UNRELATED),
    (0x05, 0x00): (1, _flag("motion")),
}
_LEAK = {(0x05, 0x00): (1, _flag("water_leak"))}
_SEAT = {(0x03, 0x00): (1, _flag("presence")), (0x04, 0x00): (1, _UNRELATED)}
_OF_MODEL: Mapping[str, Mapping[Channel, tuple[int, Tell]]] = {
    "ws202": {(0x03, 0x00): (1, _flag("motion")), (0x04, 0x00): (1, _UNRELATED)},
    "ws203": {(0x05, 0x00): (1, _flag("motion"))},
    "ws301": {(0x03, 0x00): (1, _door), (0x04, 0x00): (1, _UNRELATED)},  # its lid's word differs by firmware
    "ws303": {(0x03, 0x00): (1, _flag("water_leak"))},
    "em300-mcs": {(0x06, 0x00): (1, _door)},
    "em300-mld": _LEAK,
    "em300-sld": _LEAK,
    "vs330": {(0x02, 0x82): (2, _UNRELATED), (0x03, 0x8E): (1, _flag("presence")), (0x04, 0x8E): (1, _UNRELATED)},
    "vs340": _SEAT,
    "vs341": _SEAT,
    "vs370": _SEAT,
    "vs373": {
        (0x03, 0xF8): (6, _room),
        (0x04, 0xF9): (4, _UNRELATED),
        (0x05, 0xFA): (8, _UNRELATED),
        (0x06, 0xFB): (5, _radar_alarm),
    },
    "am102": _AIR,
    "am103": _AIR,
    "am307": _AIR,
    "at101": {(0x04, 0x88): (9, _place), (0x05, 0x00): (1, _UNRELATED), (0x06, 0xD9): (9, _is(NonEvent.NETWORK))},
    "gs301": {
        (0x02, 0x67): (2, _temperature),
        (0x03, 0x68): (1, _humidity),
        (0x04, 0x7D): (2, _UNRELATED),
        (0x05, 0x7D): (2, _UNRELATED),
    },
    "wt101": {
        (0x04, 0x67): (2, _OUTPUT),
        (0x05, 0x92): (1, _OUTPUT),
        (0x06, 0x00): (1, _OUTPUT),
        (0x07, 0x00): (1, _OUTPUT),  # a window guessed from the warmth
        (0x08, 0xE5): (1, _OUTPUT),
        (0x09, 0x90): (2, _OUTPUT),
        (0x0A, 0x00): (1, _OUTPUT),
        (0x0B, 0x90): (2, _OUTPUT),
    },
    "ws523": {
        (0x03, 0x74): (2, _UNRELATED),
        (0x04, 0x80): (4, _UNRELATED),
        (0x05, 0x81): (1, _UNRELATED),
        (0x06, 0x83): (4, _energy),
        (0x07, 0xC9): (2, _UNRELATED),
        (0x08, 0x70): (1, _OUTPUT),
    },
}
# A stored record after its time: how many octets, and what is told of which of them.
_STORED: Mapping[str, tuple[int, tuple[tuple[int, Tell], ...]]] = {
    "em300-th": (4, ((0, _temperature), (2, _humidity))),
    "em300-mcs": (4, ((0, _temperature), (2, _humidity), (3, _door))),
    "em300-sld": (4, ((0, _temperature), (2, _humidity), (3, _flag("water_leak")))),
    "em300-mld": (4, ((3, _flag("water_leak")),)),
    "ws203": (5, ((1, _flag("motion")), (2, _temperature), (4, _humidity))),
    "vs373": (5, ((0, _radar_alarm),)),
}


def tell_payload(notes: Notes, model: str | None, payload: bytes) -> None:
    """Every channel up to the first unknown one, which is refused by name."""
    octets = Octets(payload, "little")
    channels = {**_COMMON, **_OF_MODEL.get(model or "", {})}
    try:
        while octets.left >= 2:
            channel = (octets.number(1), octets.number(1))
            if channel == _HISTORY and model is not None and model in _STORED:
                _tell_stored(notes, model, octets)
            elif channel in channels:
                length, tell = channels[channel]
                tell(notes, octets.take(length))
            else:
                of = f"of a {model}" if model else "of an unknown model (name it in the device profile)"
                notes.refused(f"channel {channel[0]:02x} {channel[1]:02x} {of} is not known")
                return
    except Truncated:
        notes.refused("the payload ends within a value")


def _tell_stored(notes: Notes, model: str, octets: Octets) -> None:
    length, parts = _STORED[model]
    taken_at, record = epoch(octets.number(4)), octets.take(length)
    notes.at(taken_at, stored=True)
    for start, tell in parts:
        tell(notes, record[start:])
    notes.at(None)
