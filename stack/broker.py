"""Mosquitto for one data folder: files, start, stop."""

import os
import secrets
import signal
import socket
from pathlib import Path

from stack.errors import DiskFull, PortTaken, ServerFailed
from stack.identity import Identity
from stack.mosquitto_conf import PLATFORM_USER, BrokerSettings, access_control, configuration, password_line
from stack.paths import StackPaths
from stack.processes import end, find_process, is_running, last_words, spawn_detached, wait_until
from stack.state import HOST, StackState, port_is_free


def broker_settings(data_dir: Path, port: int, user: str) -> BrokerSettings:
    """Where this data folder's broker keeps its files."""
    folder = data_dir / "mosquitto"
    return BrokerSettings(
        host=HOST,
        port=port,
        folder=folder,
        passwd_file=folder / "passwd",
        acl_file=folder / "acl",
        log_file=folder / "mosquitto.log",
        user=user,
    )


def running_broker(data_dir: Path) -> int:
    """Process id of this folder's broker, 0 if it does not run."""
    # Not by a pid file: a start killed before it wrote one would leave a broker nobody finds again.
    return find_process("mosquitto", str(data_dir / "mosquitto/mosquitto.conf"))


def run_broker(data_dir: Path, state: StackState, paths: StackPaths, identity: Identity) -> int:
    """Start the broker and wait until it lets the platform user in; return its process id."""
    settings = broker_settings(data_dir, state.mqtt_port, identity.user)
    if not port_is_free(state.mqtt_port):
        raise PortTaken(state.mqtt_port, "Mosquitto", "--mqtt-port")
    _write_files(settings, state, identity)
    conf = settings.folder / "mosquitto.conf"
    pid = spawn_detached(
        [str(paths.mosquitto_bin), "-c", str(conf)],
        log=settings.folder / "output.log",
        folder=settings.folder,
        identity=identity,
        environment={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
    )
    (settings.folder / "mosquitto.pid").write_text(f"{pid}\n")

    def settled() -> bool:
        return not is_running(pid, str(conf)) or lets_in(state.mqtt_port, PLATFORM_USER, state.mqtt_password)

    # A stored queue of a million messages is read before the broker listens.
    settled_in_time = wait_until(settled, 60)
    if not is_running(pid, str(conf)):
        raise _failure(settings)
    if not settled_in_time:
        end(pid, str(conf), signal.SIGTERM, "Mosquitto")
        raise ServerFailed(
            f"Mosquitto runs but does not let the platform's own user in; check {settings.passwd_file} and "
            f"{settings.log_file}"
        )
    return pid


def end_broker(data_dir: Path) -> None:
    """Stop the broker; it writes its queues to disk first."""
    end(running_broker(data_dir), str(data_dir / "mosquitto/mosquitto.conf"), signal.SIGTERM, "Mosquitto")
    (data_dir / "mosquitto/mosquitto.pid").unlink(missing_ok=True)


def lets_in(port: int, username: str, password: str) -> bool:
    """Whether a broker on this port accepts an MQTT 3.1.1 connection with these credentials."""
    fields = [b"", username.encode(), password.encode()]  # the empty client id: the broker makes one up
    payload = b"".join(len(field).to_bytes(2) + field for field in fields)
    header = b"\x00\x04MQTT\x04\xc2\x00\x0a"
    body = header + payload
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(b"\x10" + bytes([len(body)]) + body)
            answer = connection.recv(4)
            connection.sendall(b"\xe0\x00")
    except OSError:
        return False
    return answer == b"\x20\x02\x00\x00"


def _write_files(settings: BrokerSettings, state: StackState, identity: Identity) -> None:
    settings.folder.mkdir(exist_ok=True)
    identity.own(settings.folder, 0o700)
    _write(settings.folder / "mosquitto.conf", configuration(settings), identity)
    if not settings.acl_file.exists():
        _write(settings.acl_file, access_control(), identity)
    if not settings.passwd_file.exists():
        line = password_line(PLATFORM_USER, state.mqtt_password, secrets.token_bytes(12))
        _write(settings.passwd_file, line, identity)


def _write(file: Path, text: str, identity: Identity) -> None:
    fresh = file.with_name(f".{file.name}.new")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    identity.own(fresh, 0o600)
    fresh.rename(file)


def _failure(settings: BrokerSettings) -> ServerFailed | PortTaken | DiskFull:
    output = settings.folder / "output.log"
    said = last_words(settings.log_file or output, 2) + " / " + last_words(output, 2)
    if "Address already in use" in said:
        return PortTaken(settings.port, "Mosquitto", "--mqtt-port")
    if "No space left" in said:
        return DiskFull(settings.folder)
    return ServerFailed(f"Mosquitto did not start ({said}); its log is {settings.log_file}")
