"""Streams the server's log into a folder of backups while it is written, so that a lost server loses seconds.

pg_receivewal puts each piece on the disk before it reports it (`--synchronous`), and a replication slot keeps on the
server what it has not fetched. This module keeps that program running and says how far behind it is.
"""

import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from core.store.queries import load_queries
from stack.backup_store import BackupStore, write_json
from stack.errors import BackupFailed, StackError
from stack.pg_programs import PgPrograms, connection_of, require_done, running

SLOT = "anxin_backup"
_STATUS_EVERY_S = 1.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.3, 5.0
_GONE = ("has already been removed", "can no longer get changes", "has been invalidated", "invalidated")


@dataclass(frozen=True)
class Following:
    """What `follow.json` says. `behind_bytes` is None while the server does not answer."""

    connected: bool
    behind_bytes: int | None
    flushed_lsn: str
    synchronous: bool
    trouble: str
    slot: str
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())


class Follower:
    """`run` until `stop` is set. `broke_off`: the server no longer has what comes next, a whole backup is due."""

    def __init__(
        self, url: str, store: BackupStore, programs: PgPrograms, slot: str, say: Callable[[str], None]
    ) -> None:
        self.url, self.store, self.programs, self.slot, self.say = url, store, programs, slot, say
        self.stop = threading.Event()
        self.broke_off = threading.Event()
        self.streaming = threading.Event()
        self.failure: BaseException | None = None
        self._trouble = ""

    def run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        try:
            while not self.stop.is_set():
                began = time.monotonic()
                try:
                    self._stream()
                except (StackError, psycopg.Error) as error:
                    self._in_trouble(str(error).strip().splitlines()[0])
                pause_s = _FIRST_PAUSE_S if time.monotonic() - began > 10 else min(pause_s * 2, _LONGEST_PAUSE_S)
                self.stop.wait(pause_s)
        except BaseException as error:  # the thread's end must not go unnoticed
            self.failure = error
            raise
        finally:
            self.streaming.clear()

    def _in_trouble(self, text: str) -> None:
        self.streaming.clear()
        if text != self._trouble:
            self.say(f"not following: {text}")
        self._trouble = text
        self._note(Following(False, None, "", False, text, self.slot))

    def _stream(self) -> None:
        """One connection's life. Returns when stopped; raises what ended it."""
        self._prepare_slot()
        address, password = connection_of(self.url, self.slot)
        command = [self.programs.path("pg_receivewal"), "--dbname", address, "--directory", str(self.store.wal)]
        command += ["--slot", self.slot, "--synchronous", "--no-loop", "--no-password"]
        with running(command, {**self.programs.environment, **password}) as child:
            while child.poll() is None and not self.stop.is_set():
                self._report()
                wait_for(child, _STATUS_EVERY_S)
            if child.poll() is None:
                return
            said = child.stderr.read() if child.stderr else ""
            if any(words in said for words in _GONE):
                self._begin_anew()
            if not self.stop.is_set():
                require_done("pg_receivewal", child.returncode or 1, said, self.store.wal)

    def _prepare_slot(self) -> None:
        with psycopg.connect(self.url, connect_timeout=5, autocommit=True) as connection:
            row = connection.execute(_query("slot"), {"slot": self.slot}).fetchone()
            if row is not None and row[0] == "lost":
                self._begin_anew(connection)
                row = None
            if row is None:
                connection.execute(_query("make_slot"), {"slot": self.slot})
            elif row[1]:
                raise BackupFailed(
                    f"somebody else follows with the slot {self.slot} (the server's process {row[1]}); stop that one "
                    "or choose another name with --slot"
                )

    def _begin_anew(self, connection: psycopg.Connection[Any] | None = None) -> None:
        self.say("the server has dropped log that was not fetched yet; a whole backup is due")
        if connection is not None:
            connection.execute(_query("drop_slot"), {"slot": self.slot})
        self.store.set_stream_aside()
        self.broke_off.set()

    def _report(self) -> None:
        try:
            with psycopg.connect(self.url, connect_timeout=5, autocommit=True) as connection:
                row = connection.execute(_query("behind"), {"slot": self.slot}).fetchone()
        except psycopg.Error as error:
            self._in_trouble(str(error).strip().splitlines()[0])
            return
        if row is None or row[1] is None:
            return
        if not self.streaming.is_set():
            self.say(f"following the log at {row[1]}")
            self._trouble = ""
            self.streaming.set()
        self._note(Following(True, max(row[0], 0), row[1], row[2] in ("sync", "quorum"), "", self.slot))

    def _note(self, following: Following) -> None:
        write_json(self.store.folder / "follow.json", asdict(following))


def wait_for(child: subprocess.Popen[str], seconds: float) -> None:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _query(name: str) -> str:
    return load_queries("stack", "queries_backup.sql")[name]
