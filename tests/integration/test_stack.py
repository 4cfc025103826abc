"""`anxin stack` on this machine: start, second start, restart of one server, credentials and access."""

import psycopg
import pytest

from stack import servers
from stack.servers import RunningStack

pytestmark = pytest.mark.integration


def test_the_database_has_timescale_and_keeps_its_promises(stack_session: RunningStack, database: str) -> None:
    with psycopg.connect(database) as conn:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            assert conn.execute(f"SHOW {setting}").fetchone() == ("on",)
        assert conn.execute("SHOW timescaledb.telemetry_level").fetchone() == ("off",)
        found = conn.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
        assert found is not None


def test_a_second_start_changes_nothing_while_the_first_runs(private_stack: RunningStack) -> None:
    assert servers.start(private_stack.data_dir) == private_stack
