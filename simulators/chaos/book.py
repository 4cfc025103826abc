"""The platform's tables as a judge outside reads them, and what they say of batches on the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from core.domain.metrics import METRIC_BY_NAME
from core.store.queries import load_queries
from simulators.chaos.compare import Stored
from simulators.chaos.ledger import Published
from simulators.chaos.load import METRICS

_SQL = load_queries("simulators.chaos")
_CONNECT_S = 5
_EARLIER = timedelta(seconds=30)
_METRIC_NUMBERS = [METRIC_BY_NAME[name].number for name in METRICS]


@dataclass(frozen=True, slots=True)
class Settings:
    """What durability rests on, as the running server says."""

    fsync: str
    full_page_writes: str
    synchronous_commit: str

    @property
    def on(self) -> bool:
        return (self.fsync, self.full_page_writes, self.synchronous_commit) == ("on", "on", "on")


class Book:
    """Blocking, a connection for each question: the server may be killed between two. Raises psycopg.Error."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=_CONNECT_S,
            application_name="anxin chaos",
            options="-c timezone=UTC",
        )

    def settings(self) -> Settings:
        with self.connect() as conn:
            row = conn.execute(_SQL["settings"]).fetchone()
        assert row is not None
        return Settings(*row)

    def device_numbers(self, devices: Sequence[str]) -> list[int]:
        with self.connect() as conn:
            return [number for (number,) in conn.execute(_SQL["device_numbers"], {"devices": list(devices)})]

    def newest_alert_event(self) -> int:
        with self.connect() as conn:
            row = conn.execute(_SQL["newest_alert_event"]).fetchone()
        return row[0] if row else 0

    def stored(self, messages: Sequence[Published], device_numbers: Sequence[int], after_seq: int) -> Stored:
        first = _time(min(message.at for message in messages))
        last = _time(max(message.at for message in messages))
        window = {"first": first, "last": last}
        readings = {"devices": list(device_numbers), "metrics": _METRIC_NUMBERS, **window}
        with self.connect() as conn:
            return Stored(
                keys={key for (key,) in conn.execute(_SQL["keys"], {"since": first - _EARLIER})},
                readings=dict(conn.execute(_SQL["readings"], readings).fetchall()),
                sos=dict(conn.execute(_SQL["sos_events"], window).fetchall()),
                alert_events=dict(conn.execute(_SQL["alert_events"], {"seq": after_seq}).fetchall()),
            )

    def spooled(self, workers: Sequence[str]) -> tuple[int, float]:
        """Messages in the workers' spools, and how old (s) the oldest of their words or of what they hold is."""
        with self.connect() as conn:
            row = conn.execute(_SQL["spooled"], {"components": list(workers)}).fetchone()
        assert row is not None
        return row[0], row[1]


def lanes_at_work(conn: psycopg.Connection, name: str) -> int:
    """Open transactions of the ingest lanes whose connection's name is LIKE `name`."""
    return len(conn.execute(_SQL["lanes_at_work"], {"name": name}).fetchall())


def _time(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
