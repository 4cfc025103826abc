"""Whose fault an error of the real server is: its own (keep, try again) or the data's (bisect, dead letter)."""

import psycopg
import pytest
from psycopg import AsyncConnection

from ingest.poison import Fault, fault_of, name_of

_NAP = "SET LOCAL statement_timeout = 10; SELECT pg_sleep(10)"


@pytest.mark.parametrize(
    ("statement", "sqlstate", "fault"),
    [
        (_NAP, "57014", Fault.SERVER),
        ("SET LOCAL transaction_read_only = on; DELETE FROM event_key", "25006", Fault.SERVER),
        ("SET LOCAL lock_timeout = 10; LOCK device_state", "55P03", Fault.SERVER),
        ("SELECT pg_terminate_backend(pg_backend_pid())", "57P01", Fault.SERVER),
        ("SELECT 1e400::double precision", "22003", Fault.DATA),
        (r"""SELECT '"\u0000"'::jsonb""", "22P05", Fault.DATA),
        ("INSERT INTO event_key VALUES (1, NULL, 1, now())", "23502", Fault.DATA),
        ("INSERT INTO event_key VALUES (1, 'k', 1, now()), (1, 'k', 1, now())", "23505", Fault.DATA),
        ("SELECT * FROM no_such_table", "42P01", Fault.OURS),
    ],
)
async def test_errors_of_the_server_are_kept_and_those_of_the_data_are_not(database, statement, sqlstate, fault):
    holder = await AsyncConnection.connect(database)
    await holder.execute("LOCK device_state")
    conn = await AsyncConnection.connect(database)
    try:
        with pytest.raises(psycopg.Error) as caught:
            for part in statement.split("; "):
                await conn.execute(part.encode())
        assert caught.value.sqlstate == sqlstate
        assert fault_of(caught.value) is fault
        assert sqlstate in name_of(caught.value)
    finally:
        await conn.close()
        await holder.close()
