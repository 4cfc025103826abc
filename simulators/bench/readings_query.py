"""`anxin bench readings-query`: twelve months of one vital over HTTP, cold and warm, among 50 million readings.

Every answer is checked against brute force over the readings themselves, late ones included. The limit is the bare
SELECT of the same rows from `reading_1d`, in the same run and as cold.
"""

import argparse
import asyncio
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg

from core.errors import AnxinError, Unavailable
from simulators.api_client import ApiClient
from simulators.bench.readings_load import Loader
from simulators.bench.report import latencies, report, server_versions
from simulators.bench.schedule import percentile
from simulators.bench.servers import start_servers, stop_database
from simulators.bench.shape import Bench, Document, Number, Say
from simulators.bench.town import Town, fresh_town

_HEART_RATE = 1
_WARM_UP = 20
_READY_WITHIN_S = 60.0

SETTINGS = (
    Number("readings", 50_000_000, 200_000, 10_000, 1_000_000_000, "readings to store"),
    Number("devices", 100, 2, 2, 1000, "watches that measure"),
    Number("days", 365, 365, 32, 390, "how far back"),
    Number("questions", 100, 10, 2, 10_000, "questions of each kind, each of another elder as far as they go"),
)

_BRUTE = """
SELECT date_trunc('day', at, %(zone)s), min(value), max(value), avg(value), count(*) FROM reading
WHERE device_no = %(device)s AND metric = %(metric)s AND at >= %(since)s AND at < %(until)s GROUP BY 1 ORDER BY 1
"""
_BARE = """
SELECT at, min, max, sum / count, count FROM reading_1d
WHERE device_no = %s AND metric = %s AND time_zone = %s AND at >= %s AND at < %s ORDER BY at
"""


class WrongAnswer(AnxinError):
    """The platform's answer is not what brute force says."""


@dataclass(frozen=True, slots=True)
class _Elder:
    id: str
    device_no: int
    zone: str


async def run(options: argparse.Namespace, say: Say) -> Document:
    """Raises Unavailable when the platform does not start, WrongAnswer when an answer is not brute force's."""
    say(f"starting a town of {options.devices} homes")
    async with fresh_town(options.devices) as town:
        return await asyncio.to_thread(_Trial(options, town, say).run)


class _Trial:
    def __init__(self, options: argparse.Namespace, town: Town, say: Say) -> None:
        self._options, self._town, self._say = options, town, say
        self._url = town.ready.database_url
        admin = town.ready.accounts["admin"]
        self._api = ApiClient(town.ready.api_url, admin.username, admin.password)
        self._until = datetime.now(UTC).replace(microsecond=0)
        self._since = self._until - timedelta(days=options.days - 1)
        self._dropped: bool = False

    def run(self) -> Document:
        elders = self._elders()
        loader = Loader(
            self._url, [e.device_no for e in elders], self._options.readings, self._until, self._options.days, self._say
        )
        times = {
            "load_s": self._timed(lambda: asyncio.run(loader.load(late=False)), f"loading {loader.readings:,} readings")
        }
        zone = elders[0].zone
        times["roll_up_s"] = self._timed(lambda: asyncio.run(self._roll(loader, zone)), "rolling up")
        times["late_s"] = self._timed(lambda: asyncio.run(self._late(loader, zone)), "late readings, and their repair")
        self._say("brute force over the readings")
        expected = {elder: self._rows(_BRUTE, self._asked(elder)) for elder in elders}
        figures, limits = self._measure(elders, expected)
        self._say("every answer equals brute force")
        figures |= times
        with psycopg.connect(self._url) as conn:
            row = conn.execute("SELECT count(*) FROM reading").fetchone()
        assert row is not None
        figures["stored_readings"] = row[0]
        versions = {**server_versions(self._url), "cold": self._how_cold()}
        return report("readings-query", [figures], [limits], versions)

    async def _roll(self, loader: Loader, zone: str) -> None:
        await loader.begin_anew()
        await loader.caught_up(zone)

    async def _late(self, loader: Loader, zone: str) -> None:
        await loader.load(late=True)
        await loader.caught_up(zone)

    def _elders(self) -> list[_Elder]:
        """The watches' elders; the bindings are dated back, as if they had been worn all the time."""
        watches = [watch.device_id for watch in self._town.watches][: self._options.devices]
        with psycopg.connect(self._url) as conn:
            conn.execute(
                "UPDATE device_binding SET valid = tstzrange('2000-01-01', NULL)"
                " WHERE device_id = ANY(%s) AND elder_id IS NOT NULL",
                (watches,),
            )
            rows = conn.execute(
                "SELECT b.elder_id::text, d.device_no, r.time_zone FROM device_binding b"
                " JOIN device d ON d.id = b.device_id"
                " JOIN elder e ON e.id = b.elder_id JOIN region r ON r.code = e.region_code"
                " WHERE b.device_id = ANY(%s) ORDER BY d.device_no",
                (watches,),
            ).fetchall()
        return [_Elder(*row) for row in rows]

    def _measure(
        self, elders: list[_Elder], expected: dict[_Elder, list[tuple[Any, ...]]]
    ) -> tuple[dict[str, float], dict[str, float]]:
        chosen = [elders[n % len(elders)] for n in range(self._options.questions)]
        first = list(dict.fromkeys(chosen))
        figures: dict[str, float] = {}
        limits: dict[str, float] = {}
        self._cool()
        self._say(f"{len(first)} questions, cold, over HTTP")
        figures |= _named("cold", [self._ask(elder, expected[elder]) for elder in first])
        self._cool()
        self._say("the same rows by a bare SELECT, cold")
        limits |= _named("cold", self._bare(first))
        for elder in (chosen * _WARM_UP)[:_WARM_UP]:
            self._ask(elder, expected[elder])
        self._say(f"{len(chosen)} questions, warm")
        figures |= _named("warm", [self._ask(elder, expected[elder]) for elder in chosen])
        limits |= _named("warm", self._bare(chosen))
        return figures, limits

    def _ask(self, elder: _Elder, expected: list[tuple[Any, ...]]) -> float:
        """Milliseconds from the question to the decoded answer, which must be right."""
        asked = {"metric": "heart_rate", "from": self._since.isoformat(), "to": self._until.isoformat()}
        began = time.perf_counter()
        answer = self._api.call("GET", f"/elders/{elder.id}/readings?{urlencode(asked)}")
        took = (time.perf_counter() - began) * 1000
        must_equal(answer, expected)
        return took

    def _bare(self, elders: list[_Elder]) -> list[float]:
        times = []
        with psycopg.connect(self._url, autocommit=True) as conn:
            for elder in elders:
                began = time.perf_counter()
                values = (elder.device_no, _HEART_RATE, elder.zone, self._since, self._until)
                conn.execute(_BARE, values, prepare=False).fetchall()
                times.append((time.perf_counter() - began) * 1000)
        return times

    def _asked(self, elder: _Elder) -> dict[str, Any]:
        return {
            "device": elder.device_no,
            "metric": _HEART_RATE,
            "zone": elder.zone,
            "since": self._since,
            "until": self._until,
        }

    def _rows(self, query: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._url, options="-c timezone=UTC") as conn:
            return conn.execute(query.encode(), params).fetchall()

    def _cool(self) -> None:
        """Restart the database and, where we may, drop what the system keeps of its files."""
        self._say("restarting the database")
        asyncio.run(stop_database(self._town))
        os.sync()
        try:
            Path("/proc/sys/vm/drop_caches").write_text("3\n", encoding="ascii")
        except OSError:
            self._dropped = False
        else:
            self._dropped = True
        asyncio.run(start_servers(self._town))
        deadline = time.monotonic() + _READY_WITHIN_S
        while not self._answers():
            if time.monotonic() > deadline:
                raise Unavailable("The API did not find its restarted database again.")
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            self._api.call("GET", "/me")
        except AnxinError:
            return False
        return True

    def _how_cold(self) -> str:
        return f"database restarted, system cache {'dropped' if self._dropped else 'kept (not permitted)'}"

    def _timed(self, work: Callable[[], None], what: str) -> float:
        self._say(what)
        began = time.monotonic()
        work()
        took = time.monotonic() - began
        self._say(f"  took {took:.0f} s")
        return took


def must_equal(answer: Any, expected: list[tuple[Any, ...]]) -> None:
    """Days, minima, maxima and counts exactly; averages but for the order in which they were summed."""
    items = answer["items"]
    if answer["resolution"] != "1d" or len(items) != len(expected):
        raise WrongAnswer(f"{len(items)} items of {answer['resolution']}; brute force says {len(expected)} days.")
    for item, (at, low, high, mean, count) in zip(items, expected, strict=True):
        same = datetime.fromisoformat(item["at"]) == at and (item["min"], item["max"]) == (low, high)
        if not (same and item["count"] == count and math.isclose(item["avg"], mean, rel_tol=1e-9)):
            raise WrongAnswer(f"The day {at:%Y-%m-%d} differs from brute force: {item} and {(low, high, mean, count)}.")


def _named(name: str, milliseconds: list[float]) -> dict[str, float]:
    told = latencies(name, milliseconds)
    del told[f"{name}_p99_ms"]
    return {**told, f"{name}_p95_ms": percentile(milliseconds, 95)}


BENCH = Bench(
    "readings-query",
    "twelve months of one vital over HTTP, cold and warm, each answer equal to brute force",
    SETTINGS,
    run,
    asked={"cold_p95_ms": "≤ 150", "warm_p95_ms": "≤ 50"},
)
