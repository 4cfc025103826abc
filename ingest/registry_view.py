"""The directory as a lane sees it: a device created a moment ago is known, an invented one costs little."""

import time
from collections.abc import Callable

from registry.directory import Directory, DirectoryCache

_LEAST_PAUSE_S = 1.0


class RegistryView:
    """Shared by the lanes of a worker."""

    def __init__(self, cache: DirectoryCache, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._cache, self._monotonic = cache, monotonic
        self._refreshed = -_LEAST_PAUSE_S

    @property
    def current(self) -> Directory:
        return self._cache.current

    @property
    def loaded(self) -> bool:
        """Before that every device would be a stranger."""
        return self._cache.loaded.is_set()

    async def renewed(self) -> bool:
        """Called about a stranger: True after a fresh look at the registry, False when the last one is too recent.

        Raises what the database raises: while it is away a stranger cannot be told from a device created a moment ago.
        """
        if self._monotonic() - self._refreshed < _LEAST_PAUSE_S and self.loaded:
            return False
        await self._cache.refresh()
        self._refreshed = self._monotonic()
        return True
