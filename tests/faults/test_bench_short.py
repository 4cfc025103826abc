"""The short form of every bench, on real servers: the contract's object, and nothing lost or doubled.

Never how fast: a bench ends with an error when a reading or a press is lost, which is what is asked here.
"""

import json
import math
import os
import subprocess
import sys

import pytest

from simulators.bench_cli import BENCHES, find

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]


def measured(*words: str) -> dict:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANXIN_")}
    environment |= {key: os.environ[key] for key in ("ANXIN_CACHE_DIR",) if key in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "anxin", "bench", *words, "--short", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=380,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", BENCHES)
def test_the_short_form_measures_every_asked_figure_and_loses_nothing(name: str):
    document = measured(name)
    assert list(document) == ["name", "figures", "limits", "peers", "repeats", "machine", "versions", "commit"]
    assert (document["name"], document["repeats"]) == (name, 1)
    figures = document["figures"]
    assert find(name).asked.keys() <= figures.keys()
    assert document["limits"].keys() <= figures.keys()
    assert all(math.isfinite(value) for part in ("figures", "limits", "peers") for value in document[part].values())
    for zero in ("lost_readings", "presses_without_provisional", "backlog_other_alerts"):
        assert figures.get(zero, 0) == 0, zero
    assert "postgresql" in document["versions"]
