"""The numbers of every part, read at one moment: /metrics of each, and the database's size."""

import time
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import psycopg
from prometheus_client.parser import text_string_to_metric_families

_TIMEOUT_S = 0.8

Labels = tuple[tuple[str, str], ...]
# (name of the sample, its labels sorted) -> value
Samples = Mapping[tuple[str, Labels], float]


@dataclass(frozen=True, slots=True)
class Reading:
    """`parts`: name of a part -> its samples, None when it did not answer. `at` in seconds of a monotonic clock."""

    at: float
    parts: Mapping[str, Samples | None]
    database: Mapping[str, float] | None = None
    asked_database: bool = field(default=False)


def read(urls: Mapping[str, str], database_url: str | None) -> Reading:
    """Ask everybody at once; who does not answer within a second is None. Raises nothing."""
    with ThreadPoolExecutor(max_workers=len(urls) + 1) as pool:
        asked = pool.submit(_database, database_url) if database_url else None
        found = dict(zip(urls, pool.map(_samples, urls.values()), strict=True))
        return Reading(time.monotonic(), found, asked.result() if asked else None, asked is not None)


def parse(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): float(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _samples(url: str) -> Samples | None:
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the operator's word
            return parse(answer.read().decode())
    except (OSError, ValueError):
        return None


def _database(url: str) -> Mapping[str, float] | None:
    try:
        with psycopg.connect(url, connect_timeout=2, autocommit=True, application_name="anxin top") as conn:
            row = conn.execute(
                "SELECT pg_database_size(current_database()), count(*), count(*) FILTER (WHERE state = 'active'),"
                " current_setting('max_connections')::int FROM pg_stat_activity WHERE datname = current_database()"
            ).fetchone()
    except (psycopg.Error, OSError):
        return None
    assert row is not None
    return dict(zip(("bytes", "connections", "active", "most"), map(float, row), strict=True))
