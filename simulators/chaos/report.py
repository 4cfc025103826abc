"""What a chaos run prints: one JSON object (contract §4), or a table and a verdict for a person."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from simulators.chaos.book import Settings
from simulators.chaos.compare import ZERO

_COUNTS = (*ZERO, "puback_missing", "unanswered", "rejected", "stream_gaps")
_ONLY_THERE = "broker"
"""The one part whose death may lose what only a PUBACK promised: Mosquitto acknowledges what it holds in memory."""
_IN_FLIGHT_LEAST_PCT = 75


@dataclass(frozen=True, slots=True)
class Round:
    """One fault and what became of everything published around it. Times in seconds.

    `counts`: the differences, and `stream_gaps`: frames that did not follow on the one before. `provisional`: presses
    the console heard of before they were stored.
    """

    kind: str
    number: int
    fault: str
    in_flight: bool
    published: int
    asked_per_s: int
    per_s: float
    recovery_s: float
    counts: Mapping[str, int]
    provisional: int = 0

    @property
    def failures(self) -> list[str]:
        """What must be nought and is not. A puback without a row is no failure where the broker was killed."""
        names = [
            *ZERO,
            "unanswered",
            "rejected",
            "stream_gaps",
            *(("puback_missing",) if self.kind != _ONLY_THERE else ()),
        ]
        return [name for name in names if self.counts[name]]


def document(
    rounds: Sequence[Round],
    asked: int,
    kinds: Sequence[str],
    skipped: Mapping[str, str],
    settings: Settings,
    commit: str,
) -> dict[str, Any]:
    """The contract's object; `skipped` kinds carry their reason, `log` tells each round."""
    return {
        "rounds": asked,
        "kinds": {kind: _of_kind([r for r in rounds if r.kind == kind], skipped.get(kind)) for kind in kinds},
        "settings": asdict(settings),
        "commit": commit,
        "log": [asdict(each) for each in rounds],
    }


def _of_kind(rounds: Sequence[Round], skipped: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "faults": len(rounds),
        "in_flight": sum(each.in_flight for each in rounds),
        "published": sum(each.published for each in rounds),
        **{name: sum(each.counts[name] for each in rounds) for name in _COUNTS},
        "provisional": sum(each.provisional for each in rounds),
        "below_rate": sum(each.per_s < each.asked_per_s for each in rounds),
        "slowest_per_s": round(min((each.per_s for each in rounds), default=0.0)),
        "recovery_max_s": round(max((each.recovery_s for each in rounds), default=0.0), 1),
    }
    return told if skipped is None else {**told, "skipped": skipped}


def table(told: Mapping[str, Any]) -> Table:
    """A column for each kind: the names of the figures are long, those of the kinds short."""
    shown = Table(title=f"{told['rounds']} rounds of each kind, commit {told['commit']}")
    shown.add_column("")
    for kind in told["kinds"]:
        shown.add_column(kind, justify="right")
    for name in (
        "faults",
        "in_flight",
        "published",
        *_COUNTS,
        "provisional",
        "below_rate",
        "slowest_per_s",
        "recovery_max_s",
    ):
        cells = ("skipped" if "skipped" in figures else f"{figures[name]:,}" for figures in told["kinds"].values())
        shown.add_row(name.replace("_", " "), *cells)
    for kind, figures in told["kinds"].items():
        if "skipped" in figures:
            shown.caption = f"{kind} skipped: {figures['skipped']}"
    return shown


def weaknesses(rounds: Sequence[Round]) -> list[str]:
    """Why a run without a loss proves little, a sentence each: faults that met no batch, or less load than asked."""
    told = []
    for kind in dict.fromkeys(each.kind for each in rounds):
        own = [each for each in rounds if each.kind == kind]
        met = sum(each.in_flight for each in own)
        if met * 100 < _IN_FLIGHT_LEAST_PCT * len(own):
            told.append(
                f"{kind}: {met} of {len(own)} faults met a batch in flight, at least {_IN_FLIGHT_LEAST_PCT} % must."
            )
    if slow := sum(each.per_s < each.asked_per_s for each in rounds):
        told.append(
            f"{slow} of {len(rounds)} rounds began below the rate asked for: this machine was too busy; ask for less "
            "with --per-second."
        )
    return told


def verdict(rounds: Sequence[Round]) -> str:
    bad = [f"{each.kind} {each.number} ({each.fault}): {', '.join(each.failures)}" for each in rounds if each.failures]
    told = "".join(f" {sentence}" for sentence in weaknesses(rounds))
    if not bad:
        return "Nothing with a receipt was lost, nothing doubled, every emergency rang once." + told
    return "What must be nought is not: " + "; ".join(bad) + "." + told
