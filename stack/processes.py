"""Start a server that outlives us, find it again, and end it. Linux: identity is read from /proc."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from stack.errors import ServerFailed, disk_errors_named
from stack.identity import Identity

# The shell leaves the server in the background and ends, so the server belongs to init: the caller gets no
# zombie to reap and no child to lose. "$0" is the log, "$@" the command. It may open as many files as this
# user may: each connected device is one.
_DETACH = 'ulimit -S -n "$(ulimit -H -n)"; "$@" </dev/null >>"$0" 2>&1 & echo $!'


def spawn_detached(
    command: list[str], *, log: Path, folder: Path, identity: Identity, environment: dict[str, str]
) -> int:
    """Start `command` in a session of its own as the servers' user; return its process id."""
    done = subprocess.run(
        ["/bin/sh", "-c", _DETACH, str(log), *command],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        umask=0o077,
        user=identity.uid if identity.switch else None,
        group=identity.gid if identity.switch else None,
        extra_groups=[] if identity.switch else None,
    )
    if done.returncode != 0 or not done.stdout.strip():
        raise ServerFailed(f"{Path(command[0]).name} could not be started ({done.stderr.strip()})")
    return int(done.stdout)


def is_running(pid: int, mark: str) -> bool:
    """Whether `pid` lives and its command line holds `mark` (a recycled pid is somebody else's)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X") and mark in _command_line(pid)


def find_process(program: str, mark: str) -> int:
    """The process of `program` whose command line holds `mark` as one of its words, 0 if there is none.

    The program's name counts: somebody's editor on the same file must not be taken for the server.
    """
    for entry in Path("/proc").iterdir():
        words = _command_line(int(entry.name)) if entry.name.isdigit() else []
        if words and Path(words[0]).name == program and is_running(int(entry.name), mark):
            return int(entry.name)
    return 0


def _command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def working_in(folder: Path, program: str) -> list[int]:
    """Processes of `program` whose working directory is `folder`, as far as this user may see."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                inside = (entry / "cwd").readlink() == folder
                if inside and Path((entry / "comm").read_text().strip()).name == program:
                    found.append(int(entry.name))
            except OSError:
                continue  # ended meanwhile, or another user's and so not one of our servers
    return found


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Ask `done` every 20 ms; False when the time is over."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def end(pid: int, mark: str, how: signal.Signals, server: str, seconds: float = 60) -> None:
    """Signal the process and wait until it is gone. Raises ServerFailed if it stays."""
    if not is_running(pid, mark):
        return
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise ServerFailed(f"{server} (process {pid}) belongs to another user; stop it as that user") from error
    if not wait_until(lambda: not is_running(pid, mark), seconds):
        raise ServerFailed(f"{server} (process {pid}) did not stop within {seconds:.0f} s; look at its log")


def read_pid(file: Path) -> int:
    """The first line of a pid file as a number, 0 if there is none."""
    try:
        return int(file.read_text().splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return 0


def last_words(log: Path, lines: int = 1) -> str:
    """The end of a server's log, for a sentence that says why it failed."""
    with disk_errors_named(log.parent):
        text = log.read_text(errors="replace") if log.exists() else ""
    return " / ".join(text.strip().splitlines()[-lines:]) or "its log is empty"
