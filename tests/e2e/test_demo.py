"""The demo as a newcomer runs it."""

import json
import socket
import urllib.request
from pathlib import Path

import pytest

from tests.fixtures.demo import Demo, stop_demo

pytestmark = pytest.mark.e2e

ACCOUNTS = {
    "admin", "operator", "operator2", "supervisor", "foreign_operator", "responder", "visitor", "family", "regulator",
}  # fmt: skip


def test_the_ready_file_is_private_and_complete_and_every_account_signs_in(demo: Demo):
    assert demo.ready_file.stat().st_mode & 0o777 == 0o600
    assert set(demo.ready["accounts"]) == ACCOUNTS
    assert set(demo.ready["spare_device"]) == {"id", "username", "password", "elder_id"}
    for account in ACCOUNTS:
        status, me = demo.call(account, "GET", "/me")
        assert status == 200, account
        assert me["roles"], account


def test_only_this_machine_can_reach_it(demo: Demo):
    port = int(demo.ready["api_url"].rpartition(":")[2])
    for taken in (port, demo.ready["mqtt_port"]):
        with socket.socket() as other:
            # Another loopback address: a server on 0.0.0.0 would answer here too.
            assert other.connect_ex(("127.0.0.2", taken)) != 0


def test_the_plain_page_and_the_status_pages_answer(demo: Demo):
    for path, expected in (("/plain", b"<html"), ("/healthz", b"alive"), ("/metrics", b"# HELP")):
        with urllib.request.urlopen(f"{demo.ready['api_url']}{path}", timeout=10) as response:
            assert expected in response.read(), path
    with urllib.request.urlopen(f"{demo.ready['api_url']}/readyz", timeout=10) as response:
        assert json.load(response)["ready"] is True


def test_it_stops_in_order_starts_again_with_the_same_people_and_runs_the_towns_first_minute(started_demo):
    first = started_demo("--homes", "5", "--no-fleet")
    assert stop_demo(first) == 0
    assert not first.ready_file.exists()

    second = started_demo("--homes", "5")
    assert second.ready["accounts"] == first.ready["accounts"]
    assert second.ready["spare_device"] == first.ready["spare_device"]
    seen = _first_rule(second)
    assert seen in {"sos", "fall", "smoke"}
    assert stop_demo(second) == 0
    log = (Path(second.data_dir).parent / "demo.log").read_text()
    assert "killed" not in log
    assert "restarting" not in log


def _first_rule(demo: Demo) -> str:
    from tests.e2e.test_press import next_frame, open_console

    with open_console(demo, "admin") as console:
        status, page = demo.call("admin", "GET", "/alerts?status=live")
        assert status == 200
        if page["items"]:
            return page["items"][0]["rule"]
        return next_frame(console, "alert.opened")["data"]["rule"]
