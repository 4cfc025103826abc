"""Waiting for the first of several things."""

import asyncio


async def any_of(*events: asyncio.Event) -> None:
    """Return when at least one of them is set."""
    if any(event.is_set() for event in events):
        return
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
