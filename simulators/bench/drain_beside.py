"""One repeat of a drain bench: limits and peers on the same load, then the platform with one and two workers."""

from dataclasses import dataclass, replace

from simulators.bench.contenders import PEERS, SINK, drained_per_s
from simulators.bench.copy_limit import copied_rows_per_s
from simulators.bench.drain import drained_readings_per_s
from simulators.bench.load_plan import LoadPlan
from simulators.bench.shape import Say
from simulators.bench.town import Town
from simulators.bench.workers import Workers

_LEAST_MESSAGES = 200


@dataclass(frozen=True, slots=True)
class Drained:
    """Readings a second. `peers` by name; `copied_rows_per_s` is bare COPY's."""

    by_workers: dict[int, float]
    received_per_s: float
    copied_rows_per_s: float
    peers: dict[str, float]

    @property
    def best(self) -> int:
        """The number of workers that was faster."""
        return max(self.by_workers, key=lambda count: self.by_workers[count])

    @property
    def per_s(self) -> float:
        return self.by_workers[self.best]


async def drained_beside(town: Town, workers: Workers, plan: LoadPlan, counts: tuple[int, ...], say: Say) -> Drained:
    """Peers and limit go first, while no session of the platform would queue their messages too."""
    batch = plan.batch
    received = await drained_per_s(town, SINK, replace(plan, run=f"{plan.run}s")) * batch
    say(f"do-nothing subscriber: {received:,.0f} readings/s received")
    peers = {}
    for peer in PEERS:
        messages = max(_LEAST_MESSAGES, int(plan.messages * peer.share))
        peers[peer.name] = batch * await drained_per_s(town, peer, replace(plan, run=f"{plan.run}p", messages=messages))
        say(f"{peer.name} script: {peers[peer.name]:,.0f} readings/s ({messages} messages)")
    by_workers = {}
    for count in counts:
        by_workers[count] = await drained_readings_per_s(town, workers, count, replace(plan, run=f"{plan.run}w{count}"))
        say(f"platform, {count} worker{'s' * (count > 1)}: {by_workers[count]:,.0f} readings/s committed")
    copied = await copied_rows_per_s(town.ready.database_url)
    say(f"bare COPY: {copied:,.0f} rows/s")
    return Drained(by_workers, received, copied, peers)
