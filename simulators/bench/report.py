"""The one JSON object a bench prints (contract §4), and the table a person reads."""

import os
import platform
import shutil
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

Figures = Mapping[str, float]


def medians(runs: Sequence[Figures]) -> dict[str, float]:
    """The median of each figure over the repeats."""
    return {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}


def report(name: str, figures: Sequence[Figures], limits: Sequence[Figures], versions: Figures | dict[str, str]) -> Any:
    return {
        "name": name,
        "figures": medians(figures),
        "limits": medians(limits),
        "peers": {},
        "repeats": len(figures),
        "machine": machine(),
        "versions": {"anxin": version("anxin"), "python": platform.python_version(), **versions},
        "commit": commit(),
    }


def table(document: Mapping[str, Any]) -> str:
    lines = [f"{'figure':<28}{'measured':>12}{'limit':>12}"]
    for name, value in document["figures"].items():
        limit = document["limits"].get(name)
        lines.append(f"{name:<28}{value:>12}{'' if limit is None else limit:>12}")
    lines.append(f"median of {document['repeats']}; {document['machine']}; commit {document['commit']}")
    return "\n".join(lines)


def machine() -> str:
    memory = next(line for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines() if "MemTotal" in line)
    gib = int(memory.split()[1]) / 1024 / 1024
    return f"{len(os.sched_getaffinity(0))} cores, {gib:.0f} GiB, {platform.system()} {platform.machine()}"


def commit() -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown"
    here = Path(__file__).parent
    found = subprocess.run([git, "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=False)  # noqa: S603
    return found.stdout.strip() or "unknown"


def server_versions(database_url: str) -> dict[str, str]:
    with psycopg.connect(database_url) as conn:
        row = conn.execute(
            "SELECT current_setting('server_version'),"
            " (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),"
            " current_setting('fsync') || '/' || current_setting('synchronous_commit')"
        ).fetchone()
    assert row is not None
    return {"postgresql": row[0], "timescaledb": row[1], "fsync/synchronous_commit": row[2]}
