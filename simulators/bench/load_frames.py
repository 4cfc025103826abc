"""PUBLISH frames for the load, made once and then only patched: ids, values and times have fixed lengths.

Everything that depends on device and metric is encoded before the first message, so a frame costs one bytes format.
MQTT 3.1.1, QoS 1: every PUBACK then has four bytes, and bytes tell how many there were.

A hub says a handful of readings at once, as real hubs do, and the handfuls of all hubs are shuffled. One reading a
write would cost a system call, a wake-up of the broker and a packet each: on a machine it shares, the load would slow
what it measures.
"""

import itertools
import random
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from core.domain.fleet import FleetMember
from simulators.bench.load_plan import LoadPlan

# Twelve metrics with values of one printed length each, inside the contract's ranges and outside every alarm band.
METRIC_VALUES: dict[str, tuple[str, ...]] = {
    "heart_rate": tuple(str(n) for n in range(60, 96)),
    "spo2": tuple(str(n) for n in range(94, 100)),
    "respiratory_rate": tuple(str(n) for n in range(12, 20)),
    "body_temperature": tuple(f"36.{n}" for n in range(10)),
    "glucose": tuple(f"5.{n}" for n in range(10)),
    "steps": tuple(str(n) for n in range(1000, 9999, 37)),
    "temperature": tuple(f"2{n // 10}.{n % 10}" for n in range(60)),
    "humidity": tuple(f"{n}.5" for n in range(35, 65)),
    "illuminance": tuple(str(n) for n in range(100, 900, 7)),
    "power_meter": tuple(f"4{n:03d}.5" for n in range(200)),
    "battery": tuple(str(n) for n in range(60, 100)),
    "carbon_monoxide": tuple(f"2.{n}" for n in range(10)),
}
# What a backlog says of its first half: such a battery would raise an alert if it were news.
_OLD_VALUES = {"battery": ("15",)}
_LATE_STEPS = 256
_LATE_FROM_S, _LATE_TO_S = 120, 6 * 3600
_PUBLISH_QOS1 = 0x32
_AT_BYTES, _ID_HEX = 24, 18
HANDFUL = len(METRIC_VALUES)
"""Readings a hub says at once. It divides the voices of every hub, so no hub has a shorter one."""

Said = tuple[int, bytes, bytes]
"""A message: number of its hub, its frame up to the packet id, its payload."""


def remaining_length(value: int) -> bytes:
    """MQTT's variable byte integer."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


@dataclass(frozen=True, slots=True)
class Voice:
    """One child and one metric: how its reading is written, which values it has, and which it had in an old backlog.

    `opening`: start of its PUBLISH when it is said alone. `text` takes number, time and value of the reading.
    """

    hub: int
    opening: bytes
    text: bytes
    values: tuple[bytes, ...]
    old_values: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Speech:
    """`heads[hub]`: topic of the hub's PUBLISH, with its length; `voices`: shuffled, a handful a hub."""

    heads: tuple[bytes, ...]
    voices: tuple[Voice, ...]


def speech_of(hubs: Sequence[FleetMember], plan: LoadPlan) -> Speech:
    """Every voice of the load once, in an order that a seed fixes: each hub's are shuffled over its devices and metrics
    and cut into handfuls, and the handfuls of all hubs are shuffled."""
    dice = random.Random(plan.run)  # noqa: S311 - an order, no secret
    heads: list[bytes] = []
    handfuls: list[list[Voice]] = []
    left = plan.devices or sum(len(hub.children) for hub in hubs)
    for number, hub in enumerate(hubs):
        topic = f"anxin/v1/{hub.device_id}/up/telemetry".encode()
        head = struct.pack(">H", len(topic)) + topic
        heads.append(head)
        children = hub.children[:left]
        left -= len(children)
        own = [
            _voice(plan.run, number, head, child.device_id, metric) for child in children for metric in METRIC_VALUES
        ]
        dice.shuffle(own)
        handfuls += (own[start : start + HANDFUL] for start in range(0, len(own), HANDFUL))
    dice.shuffle(handfuls)
    return Speech(tuple(heads), tuple(itertools.chain.from_iterable(handfuls)))


def _voice(run: str, hub: int, head: bytes, device: str, metric: str) -> Voice:
    text = f'{{"id":"{run}%0{_ID_HEX}x","at":"%b","type":"{metric}","device":"{device}","value":%b}}'.encode()
    values, old = METRIC_VALUES[metric], _OLD_VALUES.get(metric, METRIC_VALUES[metric])
    length = len(text % (0, b" " * _AT_BYTES, values[0].encode()))
    return Voice(hub, opening(head, length), text, tuple(map(str.encode, values)), tuple(map(str.encode, old)))


def opening(head: bytes, payload_bytes: int) -> bytes:
    """A PUBLISH up to its packet id."""
    return b"%c%b%b" % (_PUBLISH_QOS1, remaining_length(len(head) + 2 + payload_bytes), head)


def publish(head: bytes, packet_id: int, payload: bytes) -> bytes:
    return b"%b%c%c%b" % (opening(head, len(payload)), packet_id >> 8, packet_id & 0xFF, payload)


class Times:
    """The `at` of readings as text: now, cut to milliseconds and looked up once a step, or one of 256 late ones."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._dice = random.Random(f"{plan.run} times")  # noqa: S311 - no secret
        self._began = time.time()
        self.now = self.late = b""
        self._late: list[bytes] = []
        self.step()

    def step(self) -> None:
        """Once every few milliseconds."""
        self.now = _text(time.time())
        if not self._late:
            spread = (self._dice.uniform(_LATE_FROM_S, _LATE_TO_S) for _ in range(_LATE_STEPS))
            self._late = [_text(self._began - seconds) for seconds in spread]

    def of(self, number: int, total: int) -> bytes:
        """The time of the `number`-th message of `total`."""
        plan = self._plan
        if plan.age_hours:
            return _text(self._began - plan.age_hours * 3600 * (1 - number / max(1, total)))
        if plan.late_pct and self._dice.random() * 100 < plan.late_pct:
            return self._late[number % _LATE_STEPS]
        return self.now


def _text(seconds: float) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:23].encode() + b"Z"


class Writer:
    """The n-th message of the load; a given share of them is said twice."""

    def __init__(self, speech: Speech, plan: LoadPlan) -> None:
        self._speech, self._plan = speech, plan
        self.times = Times(plan)
        self._dice = random.Random(f"{plan.run} twice")  # noqa: S311 - no secret
        by_hub: list[list[Voice]] = [[] for _ in speech.heads]
        for voice in speech.voices:
            by_hub[voice.hub].append(voice)
        self._by_hub = [voices for voices in by_hub if voices]
        self._events = 0
        self._again: Said | None = None
        self.readings = self.distinct = 0

    def message(self, number: int) -> Said:
        plan = self._plan
        if self._again is not None:
            made, self._again = self._again, None
            self.readings += plan.batch
            return made
        made = self._single(number) if plan.batch == 1 else self._batch(number)
        if plan.duplicate_pct and self._dice.random() * 100 < plan.duplicate_pct:
            self._again = made
        self.readings += plan.batch
        self.distinct += plan.batch
        return made

    def _single(self, number: int) -> Said:
        voices = self._speech.voices
        voice = voices[number % len(voices)]
        event = self._event(voice, self.times.of(number, self._plan.messages), old=self._is_old(number))
        return voice.hub, voice.opening, event

    def _batch(self, number: int) -> Said:
        voices, at = self._by_hub[number % len(self._by_hub)], self.times.of(number, self._plan.messages)
        first = number // len(self._by_hub) * self._plan.batch
        old = self._is_old(number)
        events = [self._event(voices[(first + n) % len(voices)], at, old=old) for n in range(self._plan.batch)]
        hub, payload = voices[0].hub, b'{"events":[' + b",".join(events) + b"]}"
        return hub, opening(self._speech.heads[hub], len(payload)), payload

    def _is_old(self, number: int) -> bool:
        return bool(self._plan.age_hours) and number * 2 < self._plan.messages

    def _event(self, voice: Voice, at: bytes, *, old: bool) -> bytes:
        number = self._events
        self._events += 1
        values = voice.old_values if old else voice.values
        return voice.text % (number, at, values[number % len(values)])
