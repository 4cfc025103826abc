"""The engine's part in watching the platform: what it tells of its own machine, the accounting, and the rounds.

What an engine sees travels in its pulse, and whichever engine has the round judges all of them: two side by side raise
once, and each machine's disk is watched by the engine that runs there.
"""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from alerts.metrics import EngineMetrics
from alerts.modules import Module
from alerts.platform import accounting, probes
from alerts.platform.checks import RULES, Limits
from alerts.platform.rounds import Patience, watch_round
from alerts.settings import PlatformSettings
from core.store.pool import Pool

_DISK_PERIOD_S = 5.0
_CERTIFICATE_PERIOD_S = 300.0
# Once around in the background; older keys are what `anxin audit accounting` counts.
_ACCOUNTING_WINDOW = timedelta(days=1)


class PlatformWatch:
    """Give `modules` to the engine, and put `told` into its pulse."""

    def __init__(self, settings: PlatformSettings, pool: Pool, metrics: EngineMetrics) -> None:
        self._settings, self._pool, self._metrics = settings, pool, metrics
        self._limits = Limits(
            silent=timedelta(seconds=settings.platform_silent_seconds),
            grace=timedelta(seconds=settings.platform_grace_seconds),
            spool_age=timedelta(seconds=settings.platform_spool_age_seconds),
            dropped_quiet=timedelta(seconds=settings.platform_dropped_quiet_seconds),
        )
        self._patience = Patience(
            settle=timedelta(seconds=settings.platform_settle_seconds),
            repeat=timedelta(seconds=settings.platform_repeat_seconds),
        )
        self._walk = accounting.Walk(_ACCOUNTING_WINDOW)
        self.told: dict[str, Any] = {}
        self.modules = [
            Module("platform", settings.platform_period_seconds, self._round),
            Module("disk", _DISK_PERIOD_S, self._disk),
            Module("certificates", _CERTIFICATE_PERIOD_S, self._certificates),
            Module("accounting", settings.platform_accounting_period_seconds, self._account),
        ]

    async def _round(self, now: datetime) -> bool:
        troubles = await watch_round(self._pool, self._limits, self._patience, now)
        if troubles is not None:
            counts = Counter(verdict.rule for verdict in troubles)
            for rule in RULES:
                self._metrics.troubles.labels(rule).set(counts[rule])
        return False

    async def _disk(self, _: datetime) -> bool:
        folders = [Path(name) for name in _names(self._settings.platform_disk_folders)]
        self.told["disk_free_pct"] = await asyncio.to_thread(probes.free_pct, folders)
        return False

    async def _certificates(self, _: datetime) -> bool:
        files = [Path(name) for name in _names(self._settings.platform_certificate_files)]
        addresses = _names(self._settings.platform_tls_addresses)
        found = await asyncio.to_thread(probes.certificate_ends, files, addresses)
        # What does not answer now keeps its last word: a broker that is away has not got a new certificate.
        self.told["certificates"] = {
            **self.told.get("certificates", {}),
            **{name: end.isoformat() for name, end in found.items()},
        }
        return False

    async def _account(self, now: datetime) -> bool:
        async with self._pool.connection() as conn:
            found = await self._walk.step(conn, now)
        self._metrics.differences.set(len(found))
        first = found[0].sentence() if found else None
        self.told["accounting"] = {"differences": len(found), "first": first, "complete": self._walk.complete}
        return False


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
