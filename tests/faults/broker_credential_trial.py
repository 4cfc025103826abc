"""What changing credentials costs a broker that knows 100,000 of them: the figures of docs/adr/0004.

    python -m tests.faults.broker_credential_trial --mechanism file --credentials 100000 --connected 5000 --rounds 10

Not a test: it takes minutes and asserts nothing. Uses the Mosquitto of `anxin stack`.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from registry.credentials import hash_password
from stack.paths import default_cache_dir, stack_paths
from stack.servers import install

HOST = "127.0.0.1"
PASSWORD = "trial-password"
PLATFORM = "platform"


def text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


def packet(kind: int, body: bytes) -> bytes:
    size, length = len(body), b""
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            return bytes([kind]) + length + body


def connect_packet(username: str, client_id: str) -> bytes:
    return packet(0x10, text("MQTT") + b"\x04\xc2\x02\x58" + text(client_id) + text(username) + text(PASSWORD))


def publish_packet(topic: str, payload: bytes, number: int) -> bytes:
    return packet(0x32, text(topic) + number.to_bytes(2, "big") + payload)


def open_client(port: int, username: str, client_id: str) -> socket.socket | None:
    """A connected client, or None when the broker refuses it or does not listen yet."""
    try:
        client = socket.create_connection((HOST, port), timeout=60)
        client.sendall(connect_packet(username, client_id))
        if client.recv(4) == b"\x20\x02\x00\x00":
            return client
        client.close()
    except OSError:
        pass
    return None


def probe(port: int, pipe: Connection) -> None:
    """In a process of its own: PUBACK round trips, one every 2 ms, until told to stop."""
    client = open_client(port, PLATFORM, "probe")
    assert client is not None
    number, worst, trips = 0, 0.0, []
    pipe.send("ready")
    while not pipe.poll():
        number = number % 60_000 + 1
        began = time.perf_counter()
        client.sendall(publish_packet("anxin/v1/probe/up/telemetry", b"x", number))
        answer = client.recv(4)
        if not answer:
            break
        trips.append(time.perf_counter() - began)
        worst = max(worst, trips[-1])
        time.sleep(0.002)
    trips.sort()
    pipe.send({"worst_ms": worst * 1e3, "median_ms": trips[len(trips) // 2] * 1e3})


@contextmanager
def probing(port: int, into: dict[str, Any], name: str) -> Iterator[None]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=probe, args=(port, theirs))
    process.start()
    ours.recv()
    time.sleep(0.3)
    yield
    time.sleep(0.5)
    ours.send("stop")
    found = ours.recv()
    process.join()
    into[f"{name}_stall_ms"] = round(found["worst_ms"], 1)
    into.setdefault("usual_round_trip_ms", round(found["median_ms"], 2))


class FileBroker:
    """password_file + acl_file, reloaded by SIGHUP."""

    pid = 0

    def __init__(self, folder: Path, port: int, names: list[str], rounds: int) -> None:
        self.folder, self.port = folder, port
        self.passwd = folder / "passwd"
        self.lines = {name: f"{name}:{hash_password(PASSWORD, rounds=rounds)}\n" for name in [PLATFORM, *names]}
        self.rounds = rounds
        self.write()
        acl = folder / "acl"
        acl.write_text(
            "pattern write anxin/v1/%u/up/#\npattern read anxin/v1/%u/down/#\n"
            f"user {PLATFORM}\ntopic readwrite anxin/v1/#\n"
        )
        acl.chmod(0o600)
        (folder / "mosquitto.conf").write_text(
            f"listener {port} {HOST}\nallow_anonymous false\nuser root\npassword_file {self.passwd}\nacl_file {acl}\n"
            f"persistence false\nset_tcp_nodelay true\nlog_type error\n"
        )

    def write(self) -> None:
        fresh = self.passwd.with_name(".passwd.new")
        fresh.touch(mode=0o600)
        fresh.write_text("".join(self.lines.values()))
        with fresh.open() as opened:
            os.fsync(opened.fileno())
        fresh.rename(self.passwd)

    def reload(self) -> None:
        self.write()
        os.kill(self.pid, signal.SIGHUP)

    def add(self, name: str) -> None:
        self.lines[name] = f"{name}:{hash_password(PASSWORD, rounds=self.rounds)}\n"
        self.reload()

    def revoke(self, name: str) -> None:
        del self.lines[name]
        self.reload()

    def stored_bytes(self) -> int:
        return self.passwd.stat().st_size


class DynamicBroker:
    """The dynamic-security plugin, driven over $CONTROL by the platform user; the file is pre-made."""

    pid = 0
    control: socket.socket | None = None

    def __init__(self, folder: Path, port: int, names: list[str], rounds: int) -> None:
        self.folder, self.port, self.rounds = folder, port, rounds
        self.store = folder / "dynsec.json"

        device = [
            {"acltype": "publishClientSend", "topic": "anxin/v1/%u/up/#", "allow": True},
            {"acltype": "subscribePattern", "topic": "anxin/v1/%u/down/#", "allow": True},
        ]
        platform = [
            {"acltype": kind, "topic": topic, "allow": True}
            for kind in ("publishClientSend", "publishClientReceive", "subscribePattern")
            for topic in ("anxin/v1/#", "$CONTROL/dynamic-security/#")
        ]
        clients = [self.client(name, "device") for name in names] + [self.client(PLATFORM, "platform")]
        self.store.write_text(
            json.dumps(
                {
                    "clients": clients,
                    "roles": [{"rolename": "device", "acls": device}, {"rolename": "platform", "acls": platform}],
                    "defaultACLAccess": {
                        "publishClientSend": False,
                        "publishClientReceive": True,
                        "subscribe": False,
                        "unsubscribe": True,
                    },
                }
            )
        )
        self.store.chmod(0o600)
        plugin = stack_paths(default_cache_dir()).root / "usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so"
        (folder / "mosquitto.conf").write_text(
            f"listener {port} {HOST}\nallow_anonymous false\nuser root\nplugin {plugin}\n"
            f"plugin_opt_config_file {self.store}\npersistence false\nset_tcp_nodelay true\nlog_type error\n"
        )

    def client(self, name: str, role: str) -> dict[str, Any]:
        _, _, rounds, salt, digest = hash_password(PASSWORD, rounds=self.rounds).split("$")
        return {
            "username": name,
            "password": digest,
            "salt": salt,
            "iterations": int(rounds),
            "roles": [{"rolename": role}],
        }

    def command(self, **command: Any) -> None:
        self.control = self.control or open_client(self.port, PLATFORM, "control")
        assert self.control is not None
        body = json.dumps({"commands": [command]}).encode()
        self.control.sendall(publish_packet("$CONTROL/dynamic-security/v1", body, 1))
        self.control.recv(4)

    def add(self, name: str) -> None:
        self.command(command="createClient", username=name, password=PASSWORD, roles=[{"rolename": "device"}])

    def revoke(self, name: str) -> None:
        self.command(command="deleteClient", username=name)

    def stored_bytes(self) -> int:
        return self.store.stat().st_size


def start(folder: Path, port: int) -> tuple[subprocess.Popen[bytes], float]:
    binary = stack_paths(default_cache_dir()).mosquitto_bin
    began = time.perf_counter()
    process = subprocess.Popen([str(binary), "-c", str(folder / "mosquitto.conf")])
    while (client := open_client(port, PLATFORM, "first")) is None:
        assert process.poll() is None, "the broker did not start"
        time.sleep(0.01)
    client.close()
    return process, time.perf_counter() - began


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return round(int(line.split()[1]) / 1024, 1)
    raise AssertionError


def until_ended(client: socket.socket) -> float:
    """Seconds until the broker closes the connection; -1 when it does not within 20 s."""
    began = time.perf_counter()
    client.settimeout(20)
    try:
        while client.recv(100):
            pass
    except TimeoutError:
        return -1
    except OSError:
        pass
    return time.perf_counter() - began


def until_accepted(port: int, name: str) -> float:
    began = time.perf_counter()
    while (client := open_client(port, name, f"new-{name}")) is None:
        if time.perf_counter() - began > 30:
            return -1
        time.sleep(0.005)
    client.close()
    return time.perf_counter() - began


Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def storm(port: int, names: list[str]) -> tuple[float, list[Pair]]:
    """Seconds until all of these are connected, 200 at a time."""
    gate = asyncio.Semaphore(200)

    async def one(name: str) -> Pair:
        async with gate:
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(connect_packet(name, name))
            assert await reader.readexactly(4) == b"\x20\x02\x00\x00", name
            return reader, writer

    began = time.perf_counter()
    pairs = await asyncio.gather(*(one(name) for name in names))
    return time.perf_counter() - began, list(pairs)


async def measure(broker: FileBroker | DynamicBroker, names: list[str], connected: int) -> dict[str, Any]:
    figures: dict[str, Any] = {"mechanism": type(broker).__name__, "credentials": len(names), "connected": connected}
    figures["rounds"] = broker.rounds
    process, started = start(broker.folder, broker.port)
    broker.pid = process.pid
    try:
        figures["start_s"] = round(started, 2)
        figures["stored_mb"] = round(broker.stored_bytes() / 2**20, 1)
        figures["memory_mb"] = resident_mb(process.pid)
        if connected:
            took, pairs = await storm(broker.port, names[:connected])
            figures["connects_per_s"] = round(connected / took)
        victim = open_client(broker.port, names[-1], "victim")
        assert victim is not None
        for name, change, wait in (
            ("add", lambda: broker.add("fresh-1"), lambda: until_accepted(broker.port, "fresh-1")),
            ("revoke", lambda: broker.revoke(names[-1]), lambda: until_ended(victim)),
        ):
            with probing(broker.port, figures, name):
                began = time.perf_counter()
                change()
                figures[f"{name}_said_s"] = round(time.perf_counter() - began, 3)
                figures[f"{name}_effective_s"] = round(wait(), 3)
        figures["revoked_refused"] = open_client(broker.port, names[-1], "again") is None
        if connected:
            await asyncio.sleep(1)
            figures["kept_connections"] = sum(not reader.at_eof() for reader, _ in pairs)
        with probing(broker.port, figures, "burst_of_10"):
            for number in range(10):
                broker.add(f"burst-{number}")
            until_accepted(broker.port, "burst-9")
        figures["memory_after_mb"] = resident_mb(process.pid)
    finally:
        process.terminate()
        process.wait()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mechanism", choices=["file", "dynamic"], default="file")
    parser.add_argument("--credentials", type=int, default=100_000)
    parser.add_argument("--connected", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    install()
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="anxin-trial-"))
    names = [f"dv-{secrets.token_hex(5)}" for _ in range(options.credentials)]
    kind = FileBroker if options.mechanism == "file" else DynamicBroker
    try:
        broker = kind(folder, port, names, options.rounds)
        print(json.dumps(asyncio.run(measure(broker, names, options.connected))))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
