"""When the demo is ready, and the ready file that outside programs and tests read (contract §4)."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from stack.demo_parts import Addresses

_POLL_S = 0.1
_TELL_AFTER_S = 10.0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own loopback address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


async def wait_until_ready(addresses: Addresses, asked_to_stop: asyncio.Event, say: Callable[[str], None]) -> None:
    """Until every part says it is ready, or the demo is asked to stop. Every ten seconds it tells what it waits for."""
    waiting = {name: f"{url}/readyz" for name, url in addresses.status_urls.items()}
    waited = 0.0
    while waiting and not asked_to_stop.is_set():
        for name, url in list(waiting.items()):
            if await asyncio.to_thread(_answers, url):
                del waiting[name]
                say(f"{name} is ready")
        await asyncio.sleep(_POLL_S)
        waited += _POLL_S
        if waiting and waited >= _TELL_AFTER_S:
            say(f"still waiting for {' and '.join(waiting)}; logs: {addresses.stack.data_dir / 'logs'}")
            waited = 0.0


def ready_document(addresses: Addresses, town: dict[str, Any]) -> dict[str, Any]:
    return {
        "api_url": addresses.api_url,
        "live_url": addresses.live_url,
        "mqtt_host": addresses.stack.mqtt_host,
        "mqtt_port": addresses.stack.mqtt_port,
        "database_url": addresses.stack.database_url,
        "accounts": town["accounts"],
        "spare_device": town["spare_device"],
    }
