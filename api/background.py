"""What an API process does beside answering: follow the alert feed and the alarm lane, beat, watch access, tidy up.

A task that ends by itself ends the process: a console that is connected to a feed that stands still looks fine and
is blind, the worst thing this program could do.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from socket import gethostname
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from alerts import store as alert_store
from alerts.feed import AlertFeed
from alerts.housekeeping import beat
from alerts.scope import NOTHING
from api import store
from api.live.frames import provisional_frame
from api.live.watch import AccessWatch
from api.services import ApiServices
from api.sign_in import FORGET_AFTER
from core.runtime.service import TaskEnded, wait_or_stop
from core.store.pool import is_retryable, transaction

log = logging.getLogger(__name__)

TIDY_PAUSE_S = 3600.0
# Longer than an access token can live: a revoked session must stay known until its last token has run out.
TOKENS_KEPT = timedelta(hours=2)
STOP_WAIT_S = 5.0
PULSE_PAUSE_S = 2.0


@asynccontextmanager
async def background(services: ApiServices, failed: Callable[[BaseException], None]) -> AsyncIterator[None]:
    """Run the tasks while the block runs. `failed` is called once, with why, when one of them ended by itself."""
    stop = asyncio.Event()
    settings = services.settings
    async with services.pool.connection() as conn:
        # Before any socket can have read a snapshot: so whatever is newer than a snapshot is published to it.
        alerts, beginning = await alert_store.live(conn, {**NOTHING, "scope_everything": True})
    services.hub.mirror.begin(alerts, beginning, services.now())
    feed = AlertFeed(services.live_pool, settings.live_poll_seconds)
    watch = AccessWatch(services.live_pool, services.hub, services.now)
    work: dict[str, Coroutine[Any, Any, None]] = {
        "feed": feed.run(stop),
        "follow": _follow(services, feed, beginning),
        "beat": services.hub.beat(stop, settings.live_heartbeat_seconds),
        "watch": watch.run(stop, settings.live_access_check_seconds),
        "tidy": _tidy(services, stop),
        "emergency": services.emergency.run(stop, feed),
        "scope map": services.emergency.places.run(stop),
        "debts": services.emergency.debts.run(stop),
        "pulse": _pulse(services, feed, stop),
    }

    def ended(task: asyncio.Task[None]) -> None:
        if not stop.is_set():
            failed(task.exception() or TaskEnded(f"task {task.get_name()} ended by itself"))

    tasks = {name: asyncio.create_task(coroutine, name=name) for name, coroutine in work.items()}
    for task in tasks.values():
        task.add_done_callback(ended)
    try:
        yield
    finally:
        stop.set()
        for name in ("follow", "debts"):  # they wait for the next event, not for the stop
            tasks[name].cancel()
        _, late = await asyncio.wait(tasks.values(), timeout=STOP_WAIT_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


async def _follow(services: ApiServices, feed: AlertFeed, after: int) -> None:
    """Hand each event to the consoles; first to the emergency path, which may have rung it before it was stored."""
    emergency = services.emergency
    async for event in feed.subscribe(after):
        match = emergency.saw(event)
        ended = None
        if match is not None:
            provisional = match.provisional
            ended = provisional_frame(provisional.id, services.now(), emergency.ended(provisional))
        await services.hub.publish(event, ended)


async def _tidy(services: ApiServices, stop: asyncio.Event) -> None:
    """Old failures and dead sessions; an error is logged and the next round tries again."""
    while True:
        now = services.now()
        try:
            async with transaction(services.pool) as conn:
                await store.forget_old(conn, sign_ins_before=now - FORGET_AFTER, tokens_before=now - TOKENS_KEPT)
        except (psycopg.Error, PoolTimeout, OSError) as error:
            if not (isinstance(error, PoolTimeout) or is_retryable(error)):
                raise
            log.warning("not tidied", extra={"action": "api.tidy_failed", "error": type(error).__name__})
        if await wait_or_stop(stop, TIDY_PAUSE_S):
            return


async def _pulse(services: ApiServices, feed: AlertFeed, stop: asyncio.Event) -> None:
    """The process's sign of life, so that consoles without an API are noticed; none while its feed stands still."""
    # The host and the port it was given: the same name after a restart. With a free port nobody counts on it.
    port = services.settings.api_port
    component = f"api-{gethostname()}-{port}" if port else None
    while component and not await wait_or_stop(stop, PULSE_PAUSE_S):
        if feed.connected:
            await _beat(services, component, {"sockets": len(services.hub.connections)})
    if component:
        await _beat(services, component, {"stopped": True})
    await stop.wait()


async def _beat(services: ApiServices, component: str, detail: Mapping[str, Any]) -> None:
    try:
        async with asyncio.timeout(PULSE_PAUSE_S):
            await beat(services.live_pool, component, detail, services.now())
    except (psycopg.Error, PoolTimeout, OSError) as error:  # TimeoutError is one of them
        if not (isinstance(error, PoolTimeout | TimeoutError) or is_retryable(error)):
            raise
        log.debug("no pulse", extra={"action": "api.no_pulse", "error": type(error).__name__})
