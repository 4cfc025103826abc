"""Up to when readings may be rolled up without missing one, while others are writing: the order that makes it exact.

1. The roller commits `closed_up_to` = W. Whoever stores a reading before W from now on marks its hour dirty.
2. A transaction that asked before that commit saw an older W and marks nothing. It has a transaction number by then,
   because it entered event keys first (ingest/writer.py), and that number is below the `newest_transaction` that the
   roller reads after its commit. When all below it have ended, every unmarked reading before W is visible.
3. Only then [rolled_up_to, W) is summed up. What is committed later is marked, and repaired.

Without 2 a batch whose commit takes a moment would be missing in the roll-up for ever.
"""

from datetime import datetime, timedelta

from history.resolution import HOUR, MINUTE, floor

LONGEST_STEP = timedelta(days=1)
_QUICK_S = 2.0


def close_at(now: datetime, lateness_s: float) -> datetime:
    """The end of the newest minute that has been over for `lateness_s`."""
    return floor(now - timedelta(seconds=lateness_s), MINUTE)


def next_end(since: datetime, step: timedelta, settled: datetime) -> datetime:
    """How far one transaction rolls from `since`: to `settled`, or to the whole hour (day) before `step` ends."""
    if settled - since <= step:
        return settled
    return floor(since + step, LONGEST_STEP if step >= LONGEST_STEP else HOUR)


def next_step(step: timedelta, took_s: float) -> timedelta:
    """Longer steps while they are quick, to catch up; shorter ones when a transaction takes too long."""
    return min(step * 2, LONGEST_STEP) if took_s < _QUICK_S else max(step / 2, HOUR)
