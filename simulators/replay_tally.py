"""The accounting of a replay: what was read is accepted, duplicate, rejected or skipped, and the sum must close."""

from collections import Counter
from dataclasses import dataclass, field

from rich.table import Table

from simulators.receipts import Receipt


@dataclass(slots=True)
class Tally:
    """Of readings. `skipped` holds lines that could not be read as well, by reason."""

    read: int = 0
    published: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    def settle(self, events: int, receipt: Receipt) -> None:
        self.published += events
        self.accepted += receipt.accepted
        self.duplicate += receipt.duplicate
        self.rejected.update(receipt.reasons(events))

    @property
    def answered(self) -> int:
        return self.accepted + self.duplicate + self.rejected.total()

    @property
    def missing(self) -> int:
        """Readings whose fate is not known; negative when more was answered than was read."""
        return self.read - self.answered - self.skipped.total()

    @property
    def closes(self) -> bool:
        return self.missing == 0 and self.published == self.answered

    def table(self) -> Table:
        table = Table(box=None, padding=(0, 2), show_header=False)
        table.add_column()
        table.add_column(justify="right")
        rows = [("read", self.read), ("published", self.published), ("accepted", self.accepted)]
        rows += [("duplicate", self.duplicate), ("rejected", self.rejected.total())]
        rows += [(f"  {reason}", count) for reason, count in sorted(self.rejected.items())]
        rows += [("skipped", self.skipped.total())]
        rows += [(f"  {reason}", count) for reason, count in sorted(self.skipped.items())]
        rows += [("no receipt", self.missing)] if self.missing else []
        for name, count in rows:
            table.add_row(name, f"{count:,}")
        return table
