"""PostgreSQL's own backup programs: found, checked against the server's version, run without a password in sight."""

import ctypes
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from stack.database import server_environment
from stack.errors import BackupFailed, DiskFull
from stack.paths import default_cache_dir, stack_paths

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class PgPrograms:
    """The folder that holds pg_basebackup and its kin, and what they are told by environment."""

    folder: Path
    environment: Mapping[str, str]

    def path(self, name: str) -> str:
        return str(self.folder / name)


def find_programs(major: int) -> PgPrograms:
    """Those of the stack's cache, else the machine's, of the server's major version. Raises BackupFailed."""
    cached = stack_paths(default_cache_dir())
    found = []
    on_path = shutil.which("pg_basebackup")
    for folder, environment in (
        (cached.pg_bin, server_environment(cached)),
        (Path(on_path).resolve().parent if on_path else None, dict(os.environ)),
        (Path(f"/usr/lib/postgresql/{major}/bin"), dict(os.environ)),
    ):
        version = _major_version(folder, environment) if folder else 0
        if folder and version == major:
            return PgPrograms(folder, environment)
        found.append(version)
    others = ", ".join(str(version) for version in sorted({version for version in found if version}))
    raise BackupFailed(
        f"the server is PostgreSQL {major}, and its backup programs of that version are not here"
        f"{f' (found: {others})' if others else ''}; install postgresql-client-{major} or run `anxin stack install`"
    )


def _major_version(folder: Path, environment: Mapping[str, str]) -> int:
    program = folder / "pg_basebackup"
    if not program.is_file():
        return 0
    done = subprocess.run([str(program), "--version"], env=environment, capture_output=True, text=True, check=False)
    said = re.search(r"(\d+)(\.\d+|devel|beta|rc)", done.stdout)
    return int(said[1]) if said else 0


def connection_of(url: str, application: str) -> tuple[str, dict[str, str]]:
    """What follows `--dbname`, and the environment that holds the password: a command line is everybody's to read."""
    parts = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    password = parts.pop("password", None)
    parts["application_name"] = application
    return make_conninfo(**parts), {"PGPASSWORD": password} if password else {}


@contextmanager
def running(command: list[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A child that ends with us, however we end: an orphan would go on writing into a folder nobody expects it in."""
    prctl = ctypes.CDLL(None).prctl

    def end_with_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    child = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        preexec_fn=end_with_parent,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if child.stderr is not None:
            child.stderr.close()


def require_done(program: str, code: int, said: str, folder: Path) -> None:
    """Raise the reason that a program which ended with `code` gave on its stderr."""
    if code == 0:
        return
    if "No space left" in said or "Disk quota" in said:
        raise DiskFull(folder)
    lines = [line.partition("error: ")[2] or line for line in said.strip().splitlines() if "%)" not in line]
    reason = next((line for line in reversed(lines) if line.strip()), "no reason given").strip()
    if "no pg_hba.conf entry for replication" in said:
        reason += "; let the platform's role replicate from here in the server's pg_hba.conf"
    raise BackupFailed(f"{program} failed ({reason})")
