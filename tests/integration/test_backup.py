"""Backups of the real database while it works, and what comes back from them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from core.store.migrate import migrate
from stack import backup, restore, servers
from stack.backup_store import BackupStore
from stack.database import cluster_folder
from stack.servers import RunningStack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.fixture
def town(private_stack: RunningStack) -> RunningStack:
    migrate(private_stack.database_url)
    return private_stack


@pytest.fixture
def room() -> Iterator[Path]:
    """A folder the servers' user may pass through; stacks restored into it are stopped."""
    folder = Path(tempfile.mkdtemp(prefix="anxin-backup-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    for data in folder.glob("data*"):
        servers.stop(data)
    shutil.rmtree(folder)


def run_backup(town: RunningStack, to: Path, *options: str) -> int:
    return backup.main(["--to", str(to), "--database-url", town.database_url, *options])


def measure(url: str, count: int, metric: int = 1) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO reading (device_no, metric, at, value) SELECT 1, %s, now(), n FROM generate_series(1, %s) n",
            (metric, count),
        )


def count(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM reading").fetchone()
    assert row is not None
    return row[0]


def eventually(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_a_backup_comes_back_whole_into_a_stack_of_its_own(town: RunningStack, room: Path, capsys):
    measure(town.database_url, 1000)
    assert run_backup(town, room / "backups", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert made["schema_version"] > 0
    assert {"the master key", "the token secret"} <= {each["what"] for each in made["keep_apart"]}
    measure(town.database_url, 1)  # after the backup, nobody follows: lost

    words = ["--from", str(room / "backups"), "--data-dir", str(room / "data"), "--json"]
    assert restore.main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["rows"]["reading"], said["problems"], said["log_trouble"]) == (1000, [], [])
    back = servers.start(room / "data")
    assert count(back.database_url) == 1000
    measure(back.database_url, 5)
    assert back.database_url != town.database_url
    assert restore.main(words) == 2  # never over a database
    assert "is not empty" in capsys.readouterr().err
    assert run_backup(back, room / "backups") == 2
    assert "from before this database was restored" in capsys.readouterr().err


class Following:
    """`anxin backup --follow` as a process of its own."""

    def __init__(self, town: RunningStack, to: Path, *options: str) -> None:
        words = [sys.executable, "-m", "anxin", "backup", "--to", str(to), "--follow", *options]
        environment = {**os.environ, "ANXIN_DATABASE_URL": town.database_url}
        self.store = BackupStore(to)
        self.process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: self.store.backups() and self.connected)

    @property
    def connected(self) -> bool:
        said = self.store.following()
        return bool(said and said["connected"])

    def caught_up(self, url: str) -> bool:
        """Everything that is committed now is on the follower's disk."""
        with psycopg.connect(url, autocommit=True) as connection:
            row = connection.execute(
                "SELECT bool_and(flush_lsn >= pg_current_wal_flush_lsn()) FROM pg_stat_replication"
            ).fetchone()
        return bool(row and row[0])

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture
def following(town: RunningStack, room: Path) -> Iterator[Following]:
    made = Following(town, room / "backups")
    yield made
    if made.process.poll() is None:
        made.stop()


def kill_database(town: RunningStack) -> None:
    running = servers.status(town.data_dir)
    assert running is not None
    os.kill(running.postgres_pid, signal.SIGKILL)


def test_a_follower_survives_the_servers_death_and_brings_back_what_it_saw(
    town: RunningStack, room: Path, following: Following, capsys
):
    measure(town.database_url, 500)
    kill_database(town)
    eventually(lambda: not following.connected)
    again = servers.start_database(town.data_dir)
    measure(again.database_url, 500)
    eventually(lambda: following.connected and following.caught_up(again.database_url))
    before = datetime.now(UTC)
    measure(again.database_url, 500)
    eventually(lambda: following.caught_up(again.database_url))
    kill_database(town)
    eventually(lambda: not following.connected)
    shutil.rmtree(cluster_folder(town.data_dir))
    assert following.stop() == 0

    words = ["--from", str(room / "backups"), "--json"]
    assert restore.main([*words, "--data-dir", str(room / "data")]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["reading"] == 1500
    assert restore.main([*words, "--check", "--until", before.isoformat()]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["reading"] == 1000
    assert not list(Path("/tmp").glob("anxin-restore-*"))


def test_commits_wait_for_a_synchronous_follower(town: RunningStack, following: Following):
    with psycopg.connect(town.database_url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'anxin_backup'")
        connection.execute("SELECT pg_reload_conf()")
        eventually(lambda: (following.store.following() or {}).get("synchronous"))
        connection.execute("CREATE TABLE trial ()")
        assert following.caught_up(town.database_url)
        assert following.stop() == 0
        with ThreadPoolExecutor() as pool:
            commit = pool.submit(measure, town.database_url, 1)
            waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            eventually(lambda: connection.execute(waits).fetchone() == (1,))
            assert not commit.done()
            connection.execute("ALTER SYSTEM RESET synchronous_standby_names")  # how an operator lets them go
            connection.execute("SELECT pg_reload_conf()")
            commit.result(30)
