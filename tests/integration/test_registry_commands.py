"""The registry's commands as an administrator types them, on a fresh database."""

import base64
import os
from pathlib import Path

import psycopg
import pytest

from anxin.__main__ import main

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def settings(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANXIN_DATABASE_URL", database)
    monkeypatch.setenv("ANXIN_MASTER_KEY", base64.urlsafe_b64encode(os.urandom(32)).decode())
    monkeypatch.setenv("ANXIN_TOKEN_SECRET", "t" * 32)


def test_a_real_place_grows_from_the_province_to_a_centre_with_an_operator(capsys):
    assert main(["place", "add-region", "360000000000", "--name", "江西省"]) == 0
    assert main(["place", "add-region", "360100000000", "--name", "南昌市"]) == 0
    capsys.readouterr()
    assert main(["place", "add-centre", "--name", "救援中心", "--region", "360100000000", "--takes-unidentified"]) == 0
    centre = capsys.readouterr().out.strip()
    assert main(["account", "create", "seat.1", "--role", "operator", "--centre", centre]) == 0
    assert capsys.readouterr().out.startswith("seat.1\t")
    assert main(["place", "list", "360000000000"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "360000000000\tAsia/Shanghai\t江西省",
        "360100000000\tAsia/Shanghai\t南昌市",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["add-region", "36", "--name", "x"],
        ["add-region", "990000000000", "--name", "x"],
        ["add-region", "360000000000", "--name", "x", "--time-zone", "Mars/Base"],
        ["add-centre", "--name", "x", "--region", "360100000000"],
    ],
)
def test_a_wrong_place_is_one_sentence_and_changes_nothing(words, capsys, database: str):
    assert main(["place", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("anxin place: ")
    assert "Traceback" not in error
    with psycopg.connect(database) as conn:
        assert conn.execute("SELECT (SELECT count(*) FROM region) + (SELECT count(*) FROM centre)").fetchone() == (0,)


def test_a_region_or_a_second_default_centre_that_is_there_already_is_refused_in_a_sentence(capsys):
    region = ["place", "add-region", "360000000000", "--name", "江西省"]
    centre = ["place", "add-centre", "--name", "救援中心", "--region", "360000000000", "--takes-unidentified"]
    assert [main(region), main(region), main(centre), main(centre)] == [0, 2, 0, 2]
    assert capsys.readouterr().err.count("already exists") == 2


def test_a_whole_access_log_is_said_to_be_whole(tmp_path: Path, capsys):
    assert main(["audit", "verify", "--head-file", str(tmp_path / "head")]) == 0
    assert "whole" in capsys.readouterr().out
