"""Waiting no longer than said, even for work that will not be cancelled quickly."""

import asyncio

import pytest

from core.runtime.patience import at_most


async def test_the_result_or_the_failure_of_work_that_is_done_in_time():
    async def answer() -> int:
        return 7

    async def fail() -> int:
        raise KeyError("x")

    assert await at_most(5, answer()) == 7
    with pytest.raises(KeyError):
        await at_most(5, fail())


async def test_work_that_clings_to_life_is_left_to_itself():
    let_go, ended = asyncio.Event(), asyncio.Event()

    async def cling() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await let_go.wait()  # as a cancelled query waits for its silent server
            ended.set()

    with pytest.raises(TimeoutError):
        await at_most(0.01, cling())
    assert not ended.is_set()
    let_go.set()
    await ended.wait()


async def test_who_is_cancelled_while_waiting_takes_the_work_along():
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(at_most(60, work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await ended.wait()
