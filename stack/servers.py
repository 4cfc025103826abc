"""The local servers of one data folder, as other code uses them: install, start, stop, restart one of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from stack.broker import broker_settings, end_broker, run_broker, running_broker
from stack.cache import install, locked, silent
from stack.database import database_url, end_database, run_database, running_database
from stack.errors import DataFolder, disk_errors_named
from stack.fetch import Progress
from stack.identity import Identity, require_reachable, server_identity
from stack.mosquitto_conf import PLATFORM_USER
from stack.paths import StackPaths, default_cache_dir, stack_paths
from stack.state import HOST, StackState, choose_port, load_state, new_state, save_state

__all__ = [
    "RunningStack",
    "StackPaths",
    "install",
    "start",
    "start_broker",
    "start_database",
    "status",
    "stop",
    "stop_broker",
    "stop_database",
]


@dataclass(frozen=True)
class RunningStack:
    """Both servers of a data folder and how to reach them. A pid is 0 while that server is stopped."""

    data_dir: Path
    database_url: str
    mqtt_host: str
    mqtt_port: int
    mqtt_platform_username: str
    mqtt_platform_password: str
    passwd_file: Path
    acl_file: Path
    mosquitto_pid: int
    postgres_pid: int

    @property
    def mqtt_url(self) -> str:
        """`mqtt://user:password@host:port` of the platform's own user."""
        password = quote(self.mqtt_platform_password, safe="")
        return f"mqtt://{self.mqtt_platform_username}:{password}@{self.mqtt_host}:{self.mqtt_port}"


def start(data_dir: Path, *, pg_port: int = 0, mqtt_port: int = 0, progress: Progress = silent) -> RunningStack:
    """Make both servers run for this data folder and wait until they answer.

    A port of 0 means: the one this folder had before, else a free one. Servers that already run stay as they
    are; asking for another port than theirs raises DataFolder. They outlive the caller. Raises StackError.
    """
    paths = install(progress)
    identity = server_identity()
    require_reachable(paths.root, identity)
    with _owned(data_dir, identity, progress) as folder:
        state = _choose_ports(folder, load_state(folder) or new_state(), pg_port, mqtt_port)
        save_state(folder, state)
        if not running_database(folder):
            progress("starting PostgreSQL")
            run_database(folder, state, paths, identity)
        if not running_broker(folder):
            progress("starting Mosquitto")
            run_broker(folder, state, paths, identity)
        return _describe(folder, state)


def stop(data_dir: Path, progress: Progress = silent) -> None:
    """Stop both servers; nothing happens to one that does not run."""
    stop_broker(data_dir, progress)
    stop_database(data_dir, progress)


def start_broker(data_dir: Path) -> RunningStack:
    """Start the broker again on the port it had; the folder must have been started before."""
    return _start_one(data_dir, broker=True)


def start_database(data_dir: Path) -> RunningStack:
    """Start the database again on the port it had; the folder must have been started before."""
    return _start_one(data_dir, broker=False)


def stop_broker(data_dir: Path, progress: Progress = silent) -> None:
    """Stop the broker alone; it writes its queues to disk first."""
    if not data_dir.exists():
        return
    with _locked_folder(data_dir) as folder:
        progress("stopping Mosquitto")
        end_broker(folder)


def stop_database(data_dir: Path, progress: Progress = silent) -> None:
    """Stop the database alone; open transactions are rolled back."""
    if not data_dir.exists():
        return
    with _locked_folder(data_dir) as folder:
        progress("stopping PostgreSQL")
        end_database(folder)


def status(data_dir: Path) -> RunningStack | None:
    """What runs for this folder, None if it was never started."""
    folder = data_dir.absolute()
    state = load_state(folder)
    return None if state is None else _describe(folder, state)


def _start_one(data_dir: Path, *, broker: bool) -> RunningStack:
    paths = stack_paths(default_cache_dir())
    identity = server_identity()
    with _owned(data_dir, identity, silent) as folder:
        state = load_state(folder)
        if state is None:
            raise DataFolder(f"{folder} holds no stack yet; run `anxin stack start --data-dir {folder}` first")
        if broker and not running_broker(folder):
            run_broker(folder, state, paths, identity)
        if not broker and not running_database(folder):
            run_database(folder, state, paths, identity)
        return _describe(folder, state)


def _choose_ports(folder: Path, state: StackState, pg_port: int, mqtt_port: int) -> StackState:
    if running_database(folder):
        _require_same(pg_port, state.pg_port, "PostgreSQL", "--pg-port")
    else:
        state = replace(state, pg_port=choose_port(pg_port, state.pg_port, "PostgreSQL", "--pg-port"))
    if running_broker(folder):
        _require_same(mqtt_port, state.mqtt_port, "Mosquitto", "--mqtt-port")
    else:
        state = replace(state, mqtt_port=choose_port(mqtt_port, state.mqtt_port, "Mosquitto", "--mqtt-port"))
    return state


def _require_same(asked: int, has: int, server: str, option: str) -> None:
    if asked not in (0, has):
        raise DataFolder(f"{server} already runs on port {has}; stop the stack first to move it with {option}")


def _describe(folder: Path, state: StackState) -> RunningStack:
    settings = broker_settings(folder, state.mqtt_port, "")
    return RunningStack(
        data_dir=folder,
        database_url=database_url(state),
        mqtt_host=HOST,
        mqtt_port=state.mqtt_port,
        mqtt_platform_username=PLATFORM_USER,
        mqtt_platform_password=state.mqtt_password,
        passwd_file=settings.passwd_file,
        acl_file=settings.acl_file,
        mosquitto_pid=running_broker(folder),
        postgres_pid=running_database(folder),
    )


@contextmanager
def _owned(data_dir: Path, identity: Identity, progress: Progress) -> Iterator[Path]:
    """The data folder, made if missing, reachable by the servers and locked against a second start."""
    folder = data_dir.absolute()
    require_reachable(folder, identity)
    with disk_errors_named(folder):
        _require_usable(folder, identity)
        if not folder.exists():
            previous = os.umask(0o022)
            try:
                folder.mkdir(parents=True)
            finally:
                os.umask(previous)
        if identity.switch and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
        with locked(folder / "lock", "another start uses this data folder, waiting for it", progress):
            yield folder


def _require_usable(folder: Path, identity: Identity) -> None:
    """Raise DataFolder for what a start cannot use and must not overwrite."""
    cluster = folder / "postgresql"
    if folder.exists() and not folder.is_dir():
        raise DataFolder(f"{folder} is not a folder; choose another --data-dir")
    if not cluster.exists():
        return
    if cluster.stat().st_uid != identity.uid:
        raise DataFolder(
            f"the database in {folder} belongs to another user than {identity.user}, who would run it; start it as "
            "the user who made it, or choose another --data-dir"
        )
    if not (cluster / "PG_VERSION").exists() and any(cluster.iterdir()):
        raise DataFolder(f"{cluster} holds files that are no database; move them away or choose another --data-dir")
    if load_state(folder) is None:
        raise DataFolder(
            f"{folder} holds a database but its passwords (stack.json) are gone; restore that file from a backup, "
            "or choose another --data-dir"
        )


@contextmanager
def _locked_folder(data_dir: Path) -> Iterator[Path]:
    folder = data_dir.absolute()
    with disk_errors_named(folder), locked(folder / "lock", ""):
        yield folder
