"""What a backup drill does to the database, and what it counts there."""

import os
import shutil
import signal
import time
from collections import Counter
from datetime import datetime
from typing import Any

import psycopg

from core.store.queries import load_queries
from stack.backup_store import BackupStore
from stack.database import cluster_folder
from stack.drill_load import Sent
from stack.errors import StackError
from stack.processes import wait_until, working_in
from stack.servers import RunningStack

# (device id, event time): a device of the drill never sends the same time twice.
Stored = Counter[tuple[str, datetime]]


def destroy(stack: RunningStack) -> float:
    """Kill the server where it stands and remove its data; returns when (time.time())."""
    os.kill(stack.postgres_pid, signal.SIGKILL)
    lost_at = time.time()
    cluster = cluster_folder(stack.data_dir)
    if not wait_until(lambda: not working_in(cluster, "postgres"), 30):
        raise StackError("the killed server's processes did not end")
    shutil.rmtree(cluster)
    return lost_at


def stored(url: str) -> Stored:
    """Every event of the drill that is in the database."""
    with _reading(url) as connection:
        found = connection.execute(load_queries("stack", "queries_drill.sql")["stored"]).fetchall()
    return Counter({(device_id, at): rows for device_id, at, rows in found})


def recovery_point(lost_at: float, promised: list[Sent], present: Stored) -> dict[str, Any]:
    """What had a receipt and is not in the restored database; how long before the loss the oldest of it was sent."""
    missing = [sent for sent in promised if not present[sent.device_id, sent.at]]
    oldest = min((sent.at.timestamp() for sent in missing), default=lost_at)
    return {
        "promised": len(promised),
        "rpo_events": len(missing),
        "rpo_seconds": round(max(lost_at - oldest, 0), 3),
    }


def final_count(url: str, sent: list[Sent]) -> dict[str, Any]:
    """After every device sent again what had no receipt."""
    present = stored(url)
    with _reading(url) as connection:
        row = connection.execute(load_queries("stack", "queries_drill.sql")["rung"]).fetchone()
    rung, presses = row or (0, 0)
    return {
        "sent": len(sent),
        "refused": sum(each.refused for each in sent),
        "missing": sum(not present[each.device_id, each.at] for each in sent if not each.refused),
        "doubled": sum(rows - 1 for rows in present.values()),
        "presses": presses,
        "presses_not_rung": presses - rung,
    }


def fill(url: str, readings: int) -> None:
    """Readings of thirty days, so that copying and checking have something to do."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(load_queries("stack", "queries_drill.sql")["fill"], {"readings": readings})


def make_synchronous(url: str, store: BackupStore) -> None:
    """From now on every commit waits until the follower has it on its disk."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'anxin_backup'")
        connection.execute("SELECT pg_reload_conf()")
    if not wait_until(lambda: bool((store.following() or {}).get("synchronous")), 30):
        raise StackError("the follower did not become synchronous")


def _reading(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(url, autocommit=True, options="-c timezone=UTC")
