"""The main job, on real processes: a press by a real MQTT client reaches a live console, and a person answers it."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from websockets.sync.client import ClientConnection, connect

from tests.fixtures.demo import Demo

pytestmark = pytest.mark.e2e


def press(demo: Demo, event: dict | None = None) -> None:
    """What `mosquitto_pub` does: connect as the spare device, publish once with QoS 1, wait for the PUBACK, leave."""
    spare = demo.ready["spare_device"]
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"any-{uuid4().hex}")
    client.username_pw_set(spare["username"], spare["password"])
    client.connect(demo.ready["mqtt_host"], demo.ready["mqtt_port"])
    client.loop_start()
    payload = json.dumps(event or {"type": "sos", "id": uuid4().hex})
    client.publish(f"anxin/v1/{spare['id']}/up/alarm", payload, qos=1).wait_for_publish(20)
    client.disconnect()
    client.loop_stop()


@contextmanager
def open_console(demo: Demo, account: str = "operator") -> Iterator[ClientConnection]:
    with connect(demo.live, additional_headers={"Authorization": f"Bearer {demo.token(account)}"}) as console:
        assert json.loads(console.recv(20))["type"] == "hello"
        yield console


def next_frame(console: ClientConnection, kind: str) -> dict:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        frame = json.loads(console.recv(30))
        if frame["type"] == kind:
            return frame
    raise AssertionError(f"no {kind} within 30 s")


def frames_of_each(console: ClientConnection, *kinds: str) -> dict[str, dict]:
    """The first frame of each kind, in whatever order they come: two people and a device may be quicker or slower."""
    found: dict[str, dict] = {}
    deadline = time.monotonic() + 60
    while missing := set(kinds) - found.keys():
        assert time.monotonic() < deadline, f"no {missing} within 60 s"
        frame = json.loads(console.recv(30))
        if frame["type"] in missing:
            found[frame["type"]] = frame
    return found


def finish(demo: Demo, alert_id: str) -> None:
    """Take the alert through to its end, the way a shift does: the holder resolves, a colleague closes a real one."""
    assert demo.call("operator", "POST", f"/alerts/{alert_id}/resolve", {"outcome": "helped"})[0] == 200
    status, alert = demo.call("operator2", "POST", f"/alerts/{alert_id}/close", {"code": "real", "note": "drill"})
    assert (status, alert["status"]) == (200, "closed")


def test_a_press_rings_at_the_console_is_stored_acknowledged_and_closed(demo: Demo):
    elder = demo.ready["spare_device"]["elder_id"]
    with open_console(demo) as console, open_console(demo, "foreign_operator") as foreign:
        press(demo)
        opened = next_frame(console, "alert.opened")
        alert = opened["data"]
        assert (alert["rule"], alert["severity"], alert["status"]) == ("sos", "p0", "open")
        assert (alert["elder_id"], alert["presses"]) == (elder, 1)

        press(demo)
        pressed = next_frame(console, "alert.pressed")
        assert (pressed["data"]["id"], pressed["data"]["presses"]) == (alert["id"], 2)
        assert pressed["prev"] == opened["seq"]

        status, taken = demo.call("operator", "POST", f"/alerts/{alert['id']}/acknowledge")
        assert (status, taken["status"]) == (200, "acknowledged")
        assert demo.call("operator2", "POST", f"/alerts/{alert['id']}/acknowledge")[0] == 409
        assert demo.call("foreign_operator", "GET", f"/alerts/{alert['id']}")[0] == 404
        finish(demo, alert["id"])
        assert next_frame(console, "alert.closed")["data"]["id"] == alert["id"]
        with pytest.raises(TimeoutError):
            while True:  # heartbeats may come, an alert of another centre may not
                assert json.loads(foreign.recv(2))["type"] == "heartbeat"

    with psycopg.connect(demo.ready["database_url"]) as database:
        kinds = database.execute("SELECT type FROM alert_event WHERE alert_id = %s ORDER BY seq", (alert["id"],))
        assert [kind for (kind,) in kinds][:3] == ["alert.opened", "alert.pressed", "alert.acknowledged"]


def test_the_same_press_sent_again_changes_nothing(demo: Demo):
    event = {"type": "sos", "id": uuid4().hex}
    with open_console(demo) as console:
        press(demo, event)
        alert = next_frame(console, "alert.opened")["data"]
        press(demo, event)
        press(demo)
        assert next_frame(console, "alert.pressed")["data"]["presses"] == 2
        demo.call("operator", "POST", f"/alerts/{alert['id']}/acknowledge")
        finish(demo, alert["id"])


@pytest.mark.parametrize("part", ["ingest", "api", "alerts"])
def test_a_part_killed_hard_comes_back_and_the_next_press_rings(demo: Demo, part: str):
    (victim,) = demo.part_pids(part)
    os.kill(victim, signal.SIGKILL)
    press(demo)
    deadline = time.monotonic() + 60
    while True:
        try:
            status, page = demo.call("operator", "GET", "/alerts?status=live")
        except OSError:
            status, page = 0, {"items": []}
        if page["items"] or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert status == 200
    (alert,) = page["items"]
    assert alert["rule"] == "sos"
    assert demo.part_pids(part) != [victim]
    demo.call("operator", "POST", f"/alerts/{alert['id']}/acknowledge")
    finish(demo, alert["id"])
