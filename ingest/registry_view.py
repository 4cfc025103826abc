"""The directory as a lane sees it: a device created a moment ago is known, an invented one costs little."""

import asyncio
import logging
import time
from collections.abc import Callable

from core.store.pool import is_retryable
from registry.directory import Directory, DirectoryCache

log = logging.getLogger(__name__)

_LEAST_PAUSE_S = 1.0


class RegistryView:
    """Shared by the lanes of a worker."""

    def __init__(self, cache: DirectoryCache, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._cache, self._monotonic = cache, monotonic
        self._refreshed = -_LEAST_PAUSE_S

    @property
    def current(self) -> Directory:
        return self._cache.current

    async def renewed(self) -> bool:
        """Called about a stranger: True after a fresh look at the registry, False when the last one is too recent.

        With the database away it waits: a stranger cannot be told from a device created a moment ago, and nothing
        could be committed meanwhile anyway.
        """
        if self._monotonic() - self._refreshed < _LEAST_PAUSE_S and self._cache.loaded.is_set():
            return False
        while True:
            try:
                await self._cache.refresh()
            except Exception as error:
                if not is_retryable(error):
                    raise
                log.warning("the registry does not answer", extra={"action": "ingest.registry_away"})
                await asyncio.sleep(_LEAST_PAUSE_S)
            else:
                self._refreshed = self._monotonic()
                return True
