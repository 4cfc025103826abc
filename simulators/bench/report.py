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

from simulators.bench.schedule import percentile

Figures = Mapping[str, float]


def medians(runs: Sequence[Figures]) -> dict[str, float]:
    """The median of each figure that every repeat has."""
    names = [name for name in runs[0] if all(name in run for run in runs)]
    return {name: round(statistics.median(run[name] for run in runs), 2) for name in names}


def latencies(name: str, milliseconds: Sequence[float]) -> dict[str, float]:
    """The three figures a latency is told by."""
    return {
        f"{name}_p50_ms": percentile(milliseconds, 50),
        f"{name}_p99_ms": percentile(milliseconds, 99),
        f"{name}_max_ms": max(milliseconds),
    }


def report(
    name: str,
    figures: Sequence[Figures],
    limits: Sequence[Figures],
    versions: Mapping[str, str],
    peers: Sequence[Figures] = (),
) -> dict[str, Any]:
    """One mapping a repeat. A limit has its figure's name; a peer `<who>_<figure>`, or `<figure>` where it is alone."""
    return {
        "name": name,
        "figures": medians(figures),
        "limits": medians(limits) if limits else {},
        "peers": medians(peers) if peers else {},
        "repeats": len(figures),
        "machine": machine(),
        "versions": {"anxin": version("anxin"), "python": platform.python_version(), **versions},
        "commit": commit(),
    }


def table(document: Mapping[str, Any], asked: Mapping[str, str] | None = None) -> str:
    """Figures with limit, peers and what was asked, for a person."""
    asked = asked or {}
    names = [*document["figures"], *document["peers"]]
    wide = max(map(len, names)) + 2
    lines = [f"{'figure':<{wide}}{'measured':>14}{'limit':>14}  asked"]
    for name, value in document["figures"].items():
        limit = document["limits"].get(name)
        lines.append(
            f"{name:<{wide}}{value:>14,}{'' if limit is None else f'{limit:,}':>14}  {asked.get(name, '')}".rstrip()
        )
    lines += [f"{name:<{wide}}{value:>14,}{'':>14}  (peer)" for name, value in document["peers"].items()]
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
