"""PostgreSQL with TimescaleDB for one data folder: cluster, start, stop."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg

from stack.errors import DiskFull, PortTaken, ServerFailed
from stack.identity import Identity
from stack.paths import StackPaths
from stack.postgres_conf import DatabaseSettings, client_authentication, configuration
from stack.processes import end, is_running, last_words, read_pid, spawn_detached, wait_until, working_in
from stack.state import HOST, StackState, port_is_free

SUPERUSER = "anxin"
DATABASE = "anxin"


def database_url(state: StackState, name: str = DATABASE) -> str:
    """The connection URL of a database of this stack."""
    return f"postgresql://{SUPERUSER}:{state.pg_password}@{HOST}:{state.pg_port}/{name}"


def cluster_folder(data_dir: Path) -> Path:
    """PGDATA of this data folder."""
    return data_dir / "postgresql"


def running_database(data_dir: Path) -> int:
    """Process id of this folder's PostgreSQL, 0 if it does not run."""
    folder = cluster_folder(data_dir)
    pid = read_pid(folder / "postmaster.pid")
    return pid if pid and is_running(pid, str(folder)) else 0


def run_database(data_dir: Path, state: StackState, paths: StackPaths, identity: Identity) -> int:
    """Start PostgreSQL, creating its cluster first, and wait until it answers; return its process id."""
    folder = cluster_folder(data_dir)
    environment = server_environment(paths)
    if not port_is_free(state.pg_port):
        raise PortTaken(state.pg_port, "PostgreSQL", "--pg-port")
    if not (folder / "PG_VERSION").exists():
        _create_cluster(data_dir, state, paths, identity, environment)
    _write_files(folder, state, identity)
    _clear_leftovers(folder)
    log = data_dir / "log/postgresql.log"
    log.parent.mkdir(exist_ok=True)
    identity.own(log.parent, 0o700)
    pid = spawn_detached(
        [str(paths.pg_bin / "postgres"), "-D", str(folder)],
        log=log,
        folder=folder,
        identity=identity,
        environment=environment,
    )
    _wait_ready(pid, folder, state, log)
    return pid


def end_database(data_dir: Path) -> None:
    """Stop PostgreSQL: open transactions are rolled back, everything committed is on disk."""
    end(running_database(data_dir), str(cluster_folder(data_dir)), signal.SIGINT, "PostgreSQL")


def server_environment(paths: StackPaths) -> dict[str, str]:
    """What every program of the unpacked PostgreSQL is started with."""
    # The unpacked libc reads its own C.UTF-8 and the unpacked OpenSSL its own configuration: the host's
    # may be absent or made for another version.
    return {
        "PATH": os.environ.get("PATH", ""),
        "LC_ALL": "C.UTF-8",
        "LOCPATH": str(paths.root / "usr/lib/locale"),
        "OPENSSL_CONF": str(paths.root / "etc/ssl/openssl.cnf"),
        "TZ": "UTC",
    }


def _create_cluster(
    data_dir: Path, state: StackState, paths: StackPaths, identity: Identity, environment: dict[str, str]
) -> None:
    """initdb into a folder beside the final one: a start that dies half-way leaves no half cluster."""
    if not Path("/usr/share/zoneinfo/UTC").exists():
        raise ServerFailed("this machine has no time zone data in /usr/share/zoneinfo; install the package tzdata")
    fresh = data_dir / "postgresql.new"
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir()
    identity.own(fresh, 0o700)
    password = data_dir / ".pg_password"
    password.touch(mode=0o600)
    password.write_text(state.pg_password)
    identity.own(password, 0o600)
    options = ["--auth-host=scram-sha-256", "--auth-local=scram-sha-256", f"--pwfile={password}"]
    options += ["--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--no-instructions"]
    try:
        done = subprocess.run(
            [str(paths.pg_bin / "initdb"), "-D", str(fresh), "-U", SUPERUSER, *options],
            env=environment,
            cwd=fresh,
            capture_output=True,
            text=True,
            check=False,
            user=identity.uid if identity.switch else None,
            group=identity.gid if identity.switch else None,
            extra_groups=[] if identity.switch else None,
        )
    finally:
        password.unlink()
    if done.returncode != 0:
        if "No space left" in done.stdout + done.stderr:
            raise DiskFull(data_dir)
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ServerFailed(f"the database could not be created ({said}); check {data_dir}")
    fresh.rename(cluster_folder(data_dir))


def _write_files(folder: Path, state: StackState, identity: Identity) -> None:
    texts = {
        "postgresql.conf": configuration(DatabaseSettings(HOST, state.pg_port)),
        "pg_hba.conf": client_authentication(),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
        identity.own(folder / name, 0o600)


def _clear_leftovers(folder: Path) -> None:
    """After a hard death: wait for orphaned backends, and drop a lock whose pid now names another program.

    A lock whose process is gone stays: PostgreSQL clears it itself, after its own check of shared memory.
    """
    if not wait_until(lambda: not working_in(folder, "postgres"), 30):
        left = ", ".join(map(str, working_in(folder, "postgres")))
        raise ServerFailed(f"processes of an earlier PostgreSQL still use {folder}; stop them first: {left}")
    lock = folder / "postmaster.pid"
    pid = read_pid(lock)
    if pid and Path(f"/proc/{pid}").exists() and not is_running(pid, str(folder)):
        lock.unlink()


def _wait_ready(pid: int, folder: Path, state: StackState, log: Path) -> None:
    """Wait until the server answers (after a crash it replays its log first) and our database exists."""

    def settled() -> bool:
        return not is_running(pid, str(folder)) or _answers(state)

    if wait_until(settled, 120) and is_running(pid, str(folder)):
        return
    said = last_words(log, 3)
    if "Address already in use" in said:
        raise PortTaken(state.pg_port, "PostgreSQL", "--pg-port")
    if "No space left" in said:
        raise DiskFull(folder)
    raise ServerFailed(f"PostgreSQL did not start ({said}); its log is {log}")


def _answers(state: StackState) -> bool:
    try:
        with psycopg.connect(database_url(state, "postgres"), connect_timeout=5, autocommit=True) as conn:
            found = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
            if found is None:
                conn.execute(f"CREATE DATABASE {DATABASE}")
    except psycopg.OperationalError as error:
        if "password authentication failed" in str(error):
            raise ServerFailed(
                "PostgreSQL refuses the password this data folder remembers; restore its stack.json from a backup"
            ) from error
        return False
    return True
