"""Every service has one shape: a task that ends early ends the process with a reason."""

import asyncio
import os
import signal

import pytest

from core.errors import SchemaMismatch
from core.runtime.service import Service, TaskEnded, run_service, wait_or_stop


async def test_a_task_that_fails_stops_the_service_and_its_error_is_the_reason():
    async def broken() -> None:
        raise ValueError("no")

    async def main(service: Service) -> None:
        service.spawn(broken(), name="broken")
        await service.stop.wait()

    with pytest.raises(ValueError, match="no"):
        await Service("test").run(main)


async def test_a_task_that_simply_ends_is_a_failure_too():
    async def short() -> None:
        return None

    async def main(service: Service) -> None:
        service.spawn(short(), name="short")
        await service.stop.wait()

    with pytest.raises(TaskEnded, match="task short ended by itself"):
        await Service("test").run(main)


async def test_sigterm_sets_the_stop_and_ends_well_with_every_task_cancelled():
    ended = []

    async def patient() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("patient")

    async def main(service: Service) -> None:
        service.spawn(patient(), name="patient")
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)
        await service.stop.wait()

    await Service("test").run(main)
    assert ended == ["patient"]


def test_exit_codes_tell_a_refusal_from_a_failure():
    async def refuses(_: Service) -> None:
        raise SchemaMismatch

    async def fails(_: Service) -> None:
        raise ValueError("no")

    async def ends(_: Service) -> None:
        return None

    assert [run_service("test", main) for main in (refuses, fails, ends)] == [2, 1, 0]


async def test_waiting_ends_early_when_the_stop_comes():
    stop = asyncio.Event()
    assert not await wait_or_stop(stop, 0.01)
    stop.set()
    assert await wait_or_stop(stop, 60)
