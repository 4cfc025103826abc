"""Thousands of device sessions in one process, which are cut and all come back in the same instant.

    python -m simulators.bench.storm_clients --fleet-file F --port P --part 0 --parts 2 --sessions 10000

Each comes back with its birth and one reading and is back when the broker has acknowledged both; what was refused or
cut tries again. One JSON line when all are connected for the first time; a line on standard input cuts them, and they
come back as soon as the broker listens; one JSON line when all are back.
"""

import argparse
import asyncio
import json
import random
import struct
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from core.domain.fleet import FleetMember
from simulators.bench.load_frames import publish
from simulators.bench.load_links import connect_frame
from simulators.open_files import allow_many_sockets
from simulators.read_fleet import read_fleet

_CONNACK_BYTES = 4
_BACK_BYTES = 12  # CONNACK and two PUBACKs
_CONNECT_AT_ONCE = 100
_ANSWER_WITHIN_S = 60.0
_RETRY_FROM_S, _RETRY_TO_S = 0.1, 0.5
_ASK_EVERY_S = 0.01


class Device:
    """One session. `retries`: attempts of the storm that came to nothing."""

    def __init__(self, member: FleetMember, address: tuple[str, int]) -> None:
        self._member, self._address = member, address
        self._writer: asyncio.StreamWriter | None = None
        self.retries = 0
        self.back_at = 0.0

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, self._writer = await asyncio.open_connection(*self._address)
        self._writer.write(connect_frame(self._member, f"storm-{self._member.device_id}"))
        answer = await reader.readexactly(_CONNACK_BYTES)
        if answer[3]:
            raise ConnectionRefusedError(f"{self._member.device_id} was not let in")
        return reader, self._writer

    async def come_back(self) -> None:
        """Connect, say who is there and one reading, until both were acknowledged."""
        while True:
            try:
                async with asyncio.timeout(_ANSWER_WITHIN_S):
                    reader, writer = await self.connect()
                    writer.write(self._words())
                    await reader.readexactly(_BACK_BYTES - _CONNACK_BYTES)
                self.back_at = time.monotonic()
                return
            except (OSError, EOFError):
                self.close()
                self.retries += 1
                await asyncio.sleep(random.uniform(_RETRY_FROM_S, _RETRY_TO_S))  # noqa: S311 - no secret

    def cut(self) -> None:
        """Without a DISCONNECT, as a line goes."""
        if self._writer is not None:
            self._writer.transport.abort()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _words(self) -> bytes:
        member, at = self._member, datetime.now(UTC).isoformat(timespec="milliseconds")
        birth = {"status": "online", "session": "after the storm", "at": at}
        reading = {"id": "storm", "at": at, "type": "temperature", "value": 20.5}
        return _frame(member, "status", 1, birth) + _frame(member, "telemetry", 2, reading)


def _frame(member: FleetMember, kind: str, packet_id: int, document: Mapping[str, object]) -> bytes:
    topic = f"anxin/v1/{member.device_id}/up/{kind}".encode()
    return publish(struct.pack(">H", len(topic)) + topic, packet_id, json.dumps(document).encode())


async def _storm(members: list[FleetMember], address: tuple[str, int]) -> None:
    devices = [Device(member, address) for member in members]
    for start in range(0, len(devices), _CONNECT_AT_ONCE):
        await asyncio.gather(*(device.connect() for device in devices[start : start + _CONNECT_AT_ONCE]))
    _tell({"connected": len(devices)})
    await asyncio.to_thread(sys.stdin.readline)
    for device in devices:
        device.cut()
    await listens(address)
    began = time.monotonic()
    await asyncio.gather(*(device.come_back() for device in devices))
    _tell(
        {
            "back": len(devices),
            "seconds": max(device.back_at for device in devices) - began,
            "retries": sum(device.retries for device in devices),
        }
    )
    for device in devices:
        device.close()


async def listens(address: tuple[str, int]) -> None:
    """Until the broker takes connections again: only then do all begin, at once."""
    while True:
        try:
            _, writer = await asyncio.open_connection(*address)
        except OSError:
            await asyncio.sleep(_ASK_EVERY_S)
        else:
            writer.close()
            return


def _tell(document: dict[str, float]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m simulators.bench.storm_clients")
    parser.add_argument("--fleet-file", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--part", type=int, required=True)
    parser.add_argument("--parts", type=int, required=True)
    options = parser.parse_args()
    allow_many_sockets()
    members = list(read_fleet(options.fleet_file).members)[: options.sessions][options.part :: options.parts]
    asyncio.run(_storm(members, (options.host, options.port)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
