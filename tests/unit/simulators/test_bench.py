"""What a bench says: schedules that do not wait, ranks, medians, and the contract's object."""

import asyncio
import itertools

import pytest

from simulators.bench.report import medians, report, table
from simulators.bench.schedule import on_schedule, percentile


async def test_a_slow_answer_does_not_move_the_next_start():
    started: list[tuple[int, float]] = []
    gate = asyncio.Event()

    async def start(n: int, scheduled: float) -> None:
        started.append((n, scheduled))
        if n == 4:
            gate.set()
        await gate.wait()  # with a closed loop the first would wait for ever

    await on_schedule(5, 500, start)
    assert [n for n, _ in started] == [0, 1, 2, 3, 4]
    gaps = [later[1] - earlier[1] for earlier, later in itertools.pairwise(started)]
    assert gaps == pytest.approx([1 / 500] * 4)


def test_percentiles_are_values_that_were_measured():
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, p) for p in (0, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7.0], 99) == 7.0
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)


def test_repeats_are_told_by_their_median():
    assert medians([{"a_ms": 1.0}, {"a_ms": 100.0}, {"a_ms": 3.0}]) == {"a_ms": 3.0}


def test_the_object_has_the_contracts_members_and_limits_carry_the_figures_names():
    document = report("sos-latency", [{"idle_p99_ms": 40.0}], [{"idle_p99_ms": 9.0}], {"postgresql": "17"})
    assert list(document) == ["name", "figures", "limits", "peers", "repeats", "machine", "versions", "commit"]
    assert document["limits"].keys() <= document["figures"].keys()
    assert "idle_p99_ms" in table(document)
