"""The database dies or freezes under the whole platform; a press by a real client rings all the same, once."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from websockets.sync.client import ClientConnection

from tests.e2e.test_press import finish, frames_of_each, next_frame, open_console, press
from tests.fixtures.demo import Demo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def family(pid: int) -> list[int]:
    """A process and its children."""
    found = [pid]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == pid:
                found.append(int(entry.name))
    return found


@contextmanager
def frozen(demo: Demo) -> Iterator[None]:
    """Half-open: every query hangs, nothing fails. The postmaster first, so that it starts no further process."""
    pids = family(database_pid(demo))
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def killed(demo: Demo) -> Iterator[None]:
    """Gone at once, as by a power cut, until the demo looks after it again."""
    demo.process.send_signal(signal.SIGSTOP)
    try:
        for pid in family(database_pid(demo)):
            os.kill(pid, signal.SIGKILL)
        yield
    finally:
        demo.process.send_signal(signal.SIGCONT)


def database_pid(demo: Demo) -> int:
    return int((demo.data_dir / "postgresql/postmaster.pid").read_text().split()[0])


def call(demo: Demo, token: str, path: str) -> tuple[int, dict]:
    """A POST with a token from before the outage."""
    request = urllib.request.Request(
        f"{demo.api}{path}", method="POST", headers={"Authorization": f"Bearer {token}"}, data=b""
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def degraded(console: ClientConnection) -> None:
    """Wait until the server says that its database does not answer."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        console.send(json.dumps({"type": "ping"}))
        if next_frame(console, "pong").get("degraded"):
            return
        time.sleep(0.2)
    raise AssertionError("never degraded")


@pytest.mark.parametrize("outage", [frozen, killed])
def test_a_press_while_the_database_is_away_rings_is_taken_and_becomes_one_alert(demo: Demo, outage: Callable):
    token, me = demo.token("operator"), demo.call("operator", "GET", "/me")[1]["id"]
    with open_console(demo) as console:
        with outage(demo):
            began = time.monotonic()
            press(demo)
            told = next_frame(console, "alert.provisional")
            assert time.monotonic() - began < 10  # loosely: docs/benchmarks.md has the figure
            id = told["provisional_id"]
            assert (told["seq"], told["stored"]) == (None, False)
            assert (told["data"]["elder_id"], told["data"]["presses"]) == (demo.ready["spare_device"]["elder_id"], 1)
            degraded(console)
            press(demo, {"type": "sos"})  # as most devices say it, without id and time
            again = next_frame(console, "alert.provisional")
            assert (again["provisional_id"], again["data"]["presses"]) == (id, 2)
            status, taken = call(demo, token, f"/alerts/{id}/acknowledge")
            assert (status, taken["status"], taken["stored"]) == (200, "acknowledged", False)

        # The acknowledgement is owed from the first stored press on, so it may come before the second one.
        frames = frames_of_each(console, "alert.opened", "alert.pressed", "alert.acknowledged")
        opened, pressed = frames["alert.opened"], frames["alert.pressed"]
        acknowledged = frames["alert.acknowledged"]
        alert = opened["data"]
        assert opened["provisional_id"] == pressed["provisional_id"] == id
        assert (pressed["data"]["id"], pressed["data"]["presses"]) == (alert["id"], 2)
        assert (acknowledged["data"]["id"], acknowledged["data"]["owner"]["id"]) == (alert["id"], me)
        with psycopg.connect(demo.ready["database_url"]) as database:
            rows = database.execute(
                "SELECT id::text, presses FROM alert WHERE status NOT IN ('resolved', 'closed') AND rule = 'sos'"
            ).fetchall()
        assert rows == [(alert["id"], 2)]
        finish(demo, alert["id"])
