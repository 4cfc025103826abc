"""The load of a chaos run, a process of its own so that it slows nothing and nothing slows it.

    python -m simulators.chaos.load --fleet-file F --port P --telemetry-per-second 3200 --sos-per-second 6

Two sorts of publishers: `plain` ones trust the broker's PUBACK and send again only what got none; `receipt` ones send
again until the platform's receipt. It is told what to do on standard input, a word a line, and answers each with a
line of JSON: `start`, `rate` (sent and acknowledged so far), `stop FILE` (ends sending, waits for the answers still
owed, writes the ledger).
"""

import argparse
import asyncio
import contextlib
import json
import logging
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core.domain.fleet import FleetMember
from core.runtime.mqtt import BrokerAddress, Disconnected, Message, MqttSession, OutgoingFull, Subscription
from simulators.chaos.ledger import Moments, Published, Way, write
from simulators.open_files import allow_many_sockets
from simulators.read_fleet import read_fleet
from simulators.receipts import parse_receipt

METRICS = ("heart_rate", "temperature", "power_meter")

_STEP_S = 0.01
_RESEND_AFTER_S = 3.0
_MOST_OWED = 40_000  # publishers pause beyond this: a device's memory is bounded, too
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Shares:
    """Who publishes how. Device 0 of the hubs is left to the gateway."""

    hubs: dict[Way, list[FleetMember]]
    watches: dict[Way, list[FleetMember]]

    @classmethod
    def of(cls, members: Sequence[FleetMember], most: int) -> "Shares":
        hubs = [member for member in members if member.kind == "hub"][1 : most + 1]
        watches = [member for member in members if member.kind == "watch"][:most]
        third = len(hubs) // 3
        return cls(
            hubs={"receipt": hubs[:third], "plain": hubs[third:]},
            watches={"receipt": watches[::2], "plain": watches[1::2]},
        )


class Load:
    def __init__(self, shares: Shares, host: str, port: int, *, seed: int, tag: str) -> None:
        self._shares, self._tag = shares, tag
        self._random = random.Random(seed)  # noqa: S311 - a seeded load
        self._sessions: dict[str, MqttSession] = {}
        for way in ("plain", "receipt"):
            for member in (*shares.hubs[way], *shares.watches[way]):
                self._sessions[member.device_id] = self._session(member, host, port)
        self._number = 0
        self._moments = Moments(0)
        self._messages: list[Published] = []
        self._payloads: dict[int, bytes] = {}
        self._owed: dict[int, tuple[Published, float]] = {}  # awaiting a receipt: when last sent
        self._sending: set[asyncio.Task[None]] = set()
        self._running: asyncio.Task[None] | None = None

    def _session(self, member: FleetMember, host: str, port: int) -> MqttSession:
        address = BrokerAddress(host, port, member.username, member.password)
        return MqttSession(address, client_id=f"chaos-{member.device_id}", on_messages=self._heard)

    async def connect(self) -> None:
        for device, session in self._sessions.items():
            await session.start()
            if self._way_of(device) == "receipt":
                await session.subscribe([Subscription(f"anxin/v1/{device}/down/receipt", qos=0)])
        async with asyncio.timeout(60):
            await asyncio.gather(*(session.connected.wait() for session in self._sessions.values()))

    def _way_of(self, device: str) -> Way:
        receipt = (*self._shares.hubs["receipt"], *self._shares.watches["receipt"])
        return "receipt" if any(member.device_id == device for member in receipt) else "plain"

    async def close(self) -> None:
        await asyncio.gather(*(session.close(drain_s=0) for session in self._sessions.values()))

    # --- sending

    def start(self, telemetry_per_s: float, sos_per_s: float) -> None:
        self._messages = []
        self._running = asyncio.create_task(self._run(telemetry_per_s, sos_per_s))

    async def _run(self, telemetry_per_s: float, sos_per_s: float) -> None:
        began, sent, pressed, swept = time.monotonic(), 0, 0, time.monotonic()
        while True:
            passed = time.monotonic() - began
            if self._open > _MOST_OWED:
                began += _STEP_S  # what is not sent in the pause is not made up for afterwards
            else:
                while sent < passed * telemetry_per_s:
                    self._send(sent, sos=False)
                    sent += 1
                while pressed < passed * sos_per_s:
                    self._send(pressed, sos=True)
                    pressed += 1
            if time.monotonic() - swept > _RESEND_AFTER_S / 6:
                swept = time.monotonic()
                self._send_again(swept)
            await asyncio.sleep(_STEP_S)

    @property
    def _open(self) -> int:
        return len(self._sending) + len(self._owed)

    def _send(self, turn: int, *, sos: bool) -> None:
        by_way = self._shares.watches if sos else self._shares.hubs
        way: Way = "receipt" if turn % (2 if sos else 3) == 0 else "plain"
        members = by_way[way]
        device = members[(turn // (2 if sos else 3) if way == "receipt" else turn) % len(members)].device_id
        message = Published(
            self._next_number(), self._tag, device, way, sos, self._moments.next(time.time_ns() // 1000)
        )
        self._messages.append(message)
        self._payloads[message.number] = self._payload(message)
        if way == "receipt":
            self._owed[message.number] = (message, time.monotonic())
        self._publish(message)

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _payload(self, message: Published) -> bytes:
        at = (_EPOCH + timedelta(microseconds=message.at)).isoformat().replace("+00:00", "Z")
        event: dict[str, Any] = {"id": message.id, "at": at, "type": "sos"}
        if not message.sos:
            event["type"] = METRICS[message.number % len(METRICS)]
            event["value"] = round(self._random.uniform(55, 84), 1)  # usual for each of the three: no alarm of a rule
        return json.dumps(event).encode()

    def _publish(self, message: Published) -> None:
        task = asyncio.create_task(self._until_acknowledged(message))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _until_acknowledged(self, message: Published) -> None:
        """Until the PUBACK; a publisher that waits for receipts has one attempt, its sweep makes the others."""
        topic = f"anxin/v1/{message.device}/up/{'alarm' if message.sos else 'telemetry'}"
        session = self._sessions[message.device]
        while True:
            await session.connected.wait()
            payload = self._payloads.get(message.number)
            if payload is None:
                return  # its receipt came meanwhile
            with contextlib.suppress(Disconnected, OutgoingFull):
                if message.way == "receipt":
                    await session.publish(
                        topic,
                        payload,
                        response_topic=f"anxin/v1/{message.device}/down/receipt",
                        correlation_data=str(message.number).encode(),
                    )
                else:
                    await session.publish(topic, payload)
                message.puback = True
                if message.way == "plain":
                    del self._payloads[message.number]
            if message.way == "receipt" or message.puback:
                return
            await asyncio.sleep(0.05)

    # --- receipts

    def _send_again(self, now: float) -> None:
        for number, (message, sent) in list(self._owed.items()):
            if now - sent > _RESEND_AFTER_S and self._sessions[message.device].connected.is_set():
                self._owed[number] = (message, now)
                self._publish(message)

    def _heard(self, messages: list[Message]) -> None:
        for incoming in messages:
            number = int(incoming.correlation_data or b"0")
            owed = self._owed.get(number)
            if owed is None:
                continue  # an answer to an earlier attempt
            with contextlib.suppress(ValueError):
                receipt = parse_receipt(bytes(incoming.payload))
                message = owed[0]
                message.receipted = receipt.accepted + receipt.duplicate > 0
                message.rejected = receipt.rejected[0][1] if receipt.rejected else None
                if receipt.answers(1):
                    del self._owed[number]
                    self._payloads.pop(number, None)

    # --- reports

    def rate(self) -> dict[str, int]:
        return {"sent": len(self._messages), "acknowledged": sum(m.puback for m in self._messages), "open": self._open}

    async def stop(self, file: Path, within_s: float) -> dict[str, Any]:
        """End sending, wait until nothing is owed (or `within_s` passed), write the ledger."""
        if self._running is not None:
            self._running.cancel()
        deadline = time.monotonic() + within_s
        while self._open and time.monotonic() < deadline:
            self._send_again(time.monotonic())
            await asyncio.sleep(0.1)
        for task in list(self._sending):
            task.cancel()
        self._owed.clear()
        self._payloads.clear()
        await asyncio.to_thread(write, file, self._messages)
        return {"file": str(file), **self.rate()}


async def _serve(options: argparse.Namespace) -> None:
    fleet = read_fleet(options.fleet_file)
    load = Load(
        Shares.of(fleet.members, options.devices), options.host, options.port, seed=options.seed, tag=options.tag
    )
    await load.connect()
    _answer({"ready": True})
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        word, _, rest = line.partition(" ")
        if word == "start":
            load.start(options.telemetry_per_second, options.sos_per_second)
            _answer({"started": True})
        elif word == "rate":
            _answer(load.rate())
        elif word == "stop":
            _answer(await load.stop(Path(rest), options.answers_within_s))
    await load.close()


def _answer(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m simulators.chaos.load", description="The load of a chaos run.")
    parser.add_argument("--fleet-file", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--telemetry-per-second", type=float, default=3200)
    parser.add_argument("--sos-per-second", type=float, default=6)
    parser.add_argument("--devices", type=int, default=120, help="hubs and watches, of each at most so many")
    parser.add_argument("--answers-within-s", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tag", default="chaos", help="start of the event ids, its own for each run")
    options = parser.parse_args(argv)
    allow_many_sockets()
    logging.basicConfig(level=logging.ERROR)  # that the broker went away is the run's own doing
    asyncio.run(_serve(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
