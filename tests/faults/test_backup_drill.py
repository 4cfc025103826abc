"""The drill of the runbook on real processes: a database is lost, and what had a receipt comes back."""

import json

import pytest

from stack import drill

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]


@pytest.mark.parametrize("synchronous", [False, True], ids=["streamed", "synchronous"])
def test_a_lost_database_comes_back_with_nothing_doubled_and_every_press_rung(synchronous: bool, capsys):
    words = ["--json", "--seconds", "5", "--per-second", "100", "--homes", "5"]
    assert drill.main([*words, "--synchronous"] if synchronous else words) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["promised"] > 300
    assert facts["presses"] > 10
    if synchronous:
        assert facts["missing"] == 0
    else:
        assert facts["rpo_seconds"] < 5
