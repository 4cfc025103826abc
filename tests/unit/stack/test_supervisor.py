"""The supervisor keeps programs running and stops them in order."""

import asyncio
import sys
from pathlib import Path

from stack.supervisor import Program, Supervisor, next_wait

PYTHON = sys.executable


def _program(name: str, code: str, stop_s: float = 5.0) -> Program:
    return Program(name, (PYTHON, "-c", code), stop_s=stop_s)


async def _eventually(condition, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def test_waits_grow_while_a_program_keeps_failing_and_start_over_after_a_healthy_run():
    waits = [next_wait(0.0, 0.1)]
    for _ in range(8):
        waits.append(next_wait(waits[-1], 0.1))
    assert waits == sorted(waits)
    assert waits[-1] == 5.0
    assert next_wait(waits[-1], 31.0) == waits[0]


async def test_a_program_that_ends_is_started_again_and_the_report_names_its_log(tmp_path: Path):
    said: list[str] = []
    supervisor = Supervisor(tmp_path, said.append)
    marks = tmp_path / "marks"
    await supervisor.start(_program("part", f"open({str(marks)!r}, 'a').write('x')"))
    await _eventually(lambda: marks.exists() and len(marks.read_text()) >= 3)
    await supervisor.stop("part")
    assert "part ended with code 0" in said[0]
    assert str(tmp_path / "part.log") in said[0]


async def test_a_program_killed_hard_comes_back_as_another_process(tmp_path: Path):
    supervisor = Supervisor(tmp_path, lambda _: None)
    await supervisor.start(_program("part", "import time; time.sleep(60)"))
    first = supervisor.processes["part"]
    first.kill()
    await _eventually(lambda: supervisor.processes["part"].pid != first.pid)
    await supervisor.stop("part")


async def test_stop_asks_first_and_kills_only_a_program_that_does_not_listen(tmp_path: Path):
    said: list[str] = []
    supervisor = Supervisor(tmp_path, said.append)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    await supervisor.start(_program("polite", "import time; time.sleep(60)"))
    await supervisor.start(_program("deaf", deaf, stop_s=0.3))
    await _eventually(lambda: "up" in (tmp_path / "deaf.log").read_text())
    polite, stubborn = supervisor.processes["polite"], supervisor.processes["deaf"]
    await supervisor.stop_all(("polite", "deaf"))
    assert (polite.returncode, stubborn.returncode) == (-15, -9)
    assert said == ["deaf did not stop in 0.3 s and was killed"]


async def test_output_of_a_program_goes_to_its_own_private_log(tmp_path: Path):
    supervisor = Supervisor(tmp_path, lambda _: None)
    await supervisor.start(_program("part", "print('hello', flush=True); import time; time.sleep(60)"))
    log = tmp_path / "part.log"
    await _eventually(lambda: log.exists() and log.read_text() == "hello\n")
    assert log.stat().st_mode & 0o777 == 0o600
    await supervisor.stop("part")
