"""The running Mosquitto, as far as a reload needs it: who it is, and whether a SIGHUP reaches it alive."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

_NAME = "mosquitto"


@dataclass(frozen=True, slots=True)
class BrokerProcess:
    """One life of the broker: process ids are used again, start times are not."""

    pid: int
    started: str


def find(pid_file: Path) -> BrokerProcess | None:
    """The broker the file names; None when it is not there, or the id belongs to another program by now."""
    try:
        pid = int(pid_file.read_text())
        fields = Path(f"/proc/{pid}/stat").read_text()
    except (OSError, ValueError):
        return None
    name, rest = fields.partition("(")[2].rsplit(")", 1)
    # Field 22 of proc(5) is the start time; `rest` begins with field 3.
    return BrokerProcess(pid, rest.split()[19]) if name == _NAME else None


def reload(broker: BrokerProcess, pid_file: Path) -> bool:
    """Make it read its password file again. False: it is gone, or not far enough in its start to survive that.

    Until Mosquitto has set its handler a SIGHUP ends it, so the signal is sent only when it is caught; and through
    a process descriptor, so that it cannot hit a program that was given the same id a moment ago.
    """
    try:
        descriptor = os.pidfd_open(broker.pid)
    except ProcessLookupError:
        return False
    try:
        if find(pid_file) != broker or not _catches_hangup(broker.pid):
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGHUP)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)


def _catches_hangup(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    for line in status.splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) & 1 << (signal.SIGHUP - 1))
    return False
