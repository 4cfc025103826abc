"""What a data folder remembers between starts: ports and passwords, in a file only its owner reads."""

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from stack.errors import DataFolder, PortTaken

HOST = "127.0.0.1"
FILE_NAME = "stack.json"


@dataclass(frozen=True)
class StackState:
    """Ports and passwords of one data folder."""

    pg_port: int
    mqtt_port: int
    pg_password: str
    mqtt_password: str


def load_state(data_dir: Path) -> StackState | None:
    """The saved state, or None in a folder never started. Raises DataFolder if it cannot be read."""
    file = data_dir / FILE_NAME
    try:
        return StackState(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise DataFolder(
            f"{file} cannot be read ({error}); restore it from a backup, or choose another --data-dir"
        ) from error


def save_state(data_dir: Path, state: StackState) -> None:
    """Write the state so that a crash leaves the old or the new one, never half of it."""
    file = data_dir / FILE_NAME
    fresh = file.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        json.dump(asdict(state), opened, indent=1)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.rename(file)


def new_state() -> StackState:
    """Random passwords; ports not chosen yet."""
    return StackState(0, 0, secrets.token_urlsafe(24), secrets.token_urlsafe(24))


def choose_port(asked: int, remembered: int, server: str, option: str) -> int:
    """The port to listen on: the one asked for, else the remembered one while it is free, else a free one.

    Raises PortTaken when the port asked for is taken.
    """
    if asked:
        if not port_is_free(asked):
            raise PortTaken(asked, server, option)
        return asked
    if remembered and port_is_free(remembered):
        return remembered
    return _free_port()


def _free_port() -> int:
    """A free port below the range the kernel hands to outgoing connections.

    Inside that range a client's own connection could take the port while a server restarts, and a client
    that retries a closed port there can end up connected to itself.
    """
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    lowest, highest = (10_000, first_outgoing) if first_outgoing > 12_000 else (61_001, 65_536)
    while True:
        port = lowest + secrets.randbelow(highest - lowest)
        if port_is_free(port):
            return port


class PortClaims:
    """Ports promised to programs that do not listen yet: two demos that start together must not choose the same ones.

    A claim is a name in the kernel's abstract namespace, which is the network's, as ports are, and goes with us.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def claim(self, port: int) -> bool:
        """False when this or another demo claimed it before."""
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(f"\0anxin-port-{port}")
        except OSError:
            name.close()
            return False
        self._held.append(name)
        return True

    def close(self) -> None:
        while self._held:
            self._held.pop().close()


def port_is_free(port: int) -> bool:
    """Whether a server could listen there now; connections still closing down do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
