"""A transaction that waits only where the caller needs an answer (docs/adr/0014-alarm-pipeline.md).

BEGIN leaves with the first statements and COMMIT with the last. Each wait for the server is also a wait for the event
loop, which other work of the process keeps busy: it is these that an emergency must have few of.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
from psycopg import AsyncPipeline
from psycopg.errors import InFailedSqlTransaction, PipelineAborted

from core.store.pool import Connection

# Each gives up at least one failed answer; a connection that is still not clean after so many is closed by its owner.
_DRAIN_TRIES = 4


class Pipelined:
    """An open transaction in pipeline mode: `conn.execute` only sends, and `fetch…` after `answers` does not wait.

    COPY is not possible, and a cursor's `rowcount` says nothing before `answers`.
    """

    __slots__ = ("_pipeline", "conn")

    def __init__(self, conn: Connection, pipeline: AsyncPipeline) -> None:
        self.conn, self._pipeline = conn, pipeline

    async def answers(self) -> None:
        """Wait for what was sent so far; raises the first error of it, and nothing after that statement was done.

        A sync and not the flush that a fetch does: without it a client that stops here would not be "idle in
        transaction" for the server, which would never take from it the locks that others wait for.
        """
        await self._pipeline.sync()


@asynccontextmanager
async def pipelined_transaction(conn: Connection) -> AsyncIterator[Pipelined]:
    """READ COMMITTED, on a connection in autocommit; every statement has a snapshot of its own, as without a pipeline.

    At the end what was sent since the last `answers` and the COMMIT have one answer: a statement that fails takes the
    COMMIT with it, and its error is the one raised. Any exception rolls back. Only after a clean end is it committed,
    and the cursors of the last statements have their answers.
    """
    try:
        async with conn.pipeline() as pipeline:
            try:
                await conn.execute("BEGIN", prepare=False)
                yield Pipelined(conn, pipeline)
                commit = await conn.execute("COMMIT", prepare=False)
            except BaseException:
                await _drain(conn, pipeline)
                raise
        _check(commit.statusmessage)
    except BaseException as error:
        with suppress(psycopg.Error, OSError):
            await conn.rollback()
        if (first := _first(error)) is not error:
            raise first from None
        raise


def _check(ended: str | None) -> None:
    """Whoever swallowed an error leaves a failed transaction, whose COMMIT "succeeds" by rolling back."""
    if ended != "COMMIT":
        raise InFailedSqlTransaction(f"the transaction ended with {ended}")


async def _drain(conn: Connection, pipeline: AsyncPipeline) -> None:
    """Take the answers to what else was sent. They are no news, and psycopg would log them, values of rows included."""
    for _ in range(_DRAIN_TRIES):
        if conn.closed:
            return
        with suppress(psycopg.Error, OSError):
            await pipeline.sync()
            return


def _first(error: BaseException) -> BaseException:
    """Leaving a pipeline may raise what became of the statements after the one that failed."""
    while isinstance(error, PipelineAborted) and isinstance(error.__context__, psycopg.Error):
        error = error.__context__
    return error
