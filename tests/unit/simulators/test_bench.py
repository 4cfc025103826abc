"""What a bench says: schedules that do not wait, ranks, medians, and the contract's object."""

import argparse
import asyncio
import itertools

import pytest

from core.errors import Unavailable
from simulators import bench_cli
from simulators.bench.report import medians, report, table
from simulators.bench.schedule import on_schedule, percentile
from simulators.bench.shape import Bench, Document, Say


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


def test_peers_stand_beside_the_figures():
    document = report("x", [{"a_per_s": 9.0}], [{"a_per_s": 20.0}], {}, [{"tutorial_a_per_s": 1.0}])
    assert document["peers"] == {"tutorial_a_per_s": 1.0}
    lines = table(document, {"a_per_s": "≥ 8"}).splitlines()
    assert lines[1].split() == ["a_per_s", "9.0", "20.0", "≥", "8"]
    assert "(peer)" in lines[2]


async def test_what_one_of_several_tasks_could_not_do_is_said_as_one_sentence():
    def bench(error: Exception) -> Bench:
        async def run(options: argparse.Namespace, say: Say) -> Document:
            async with asyncio.TaskGroup() as outer, asyncio.TaskGroup() as inner:
                outer.create_task(asyncio.sleep(60))
                inner.create_task(asyncio.sleep(60))
                raise error

        return Bench("x", "", (), run)

    with pytest.raises(Unavailable, match="Three presses"):
        await bench_cli._measured(bench(Unavailable("Three presses never rang.")), argparse.Namespace())
    with pytest.raises(ExceptionGroup):
        await bench_cli._measured(bench(ValueError("a bug")), argparse.Namespace())


@pytest.mark.parametrize("name", bench_cli.BENCHES)
def test_every_bench_of_the_table_explains_itself_and_asks_only_for_figures_of_its_own(name, capsys):
    bench = bench_cli.find(name)
    assert bench.name == name
    assert all(number.low <= number.short <= number.usual <= number.high for number in bench.settings)
    with pytest.raises(SystemExit) as stop:
        bench_cli.main([name, "--help"])
    assert stop.value.code == 0
    assert f"anxin bench {name} --short" in capsys.readouterr().out
