"""ChirpStack's events, and Milesight's payloads in them."""

import base64

import pytest

from tests.unit.gateway.words import NOW, Bus

EUI = "feedc0de00000001"


def device(model: str) -> "Device":
    return Device(model)


class Device(Bus):
    def __init__(self, model: str) -> None:
        super().__init__("chirpstack", f"application/a/device/{EUI}/event/up")
        self.model, self.count = model, 0

    def sends(self, payload_hex: str, *, port: int = 85, after_s: float = 0, same: bool = False, **more):
        self.count += not same
        data = base64.b64encode(bytes.fromhex(payload_hex)).decode()
        profile = {"deviceProfileName": f"Milesight {self.model}"}
        body = {"deduplicationId": str(self.count), "deviceInfo": profile, "fPort": port, "data": data, **more}
        return self.says(body, after_s=after_s)


def test_a_button_of_any_press_calls_for_help():
    button = device("WS101")
    for index, press in enumerate(("01", "02", "03")):
        said = button.sends(f"01755fff2e{press}", after_s=index * 10)
        assert ("sos", None) in said.events
        assert said.value("battery") == 95
    assert said.devices == [EUI]


def test_the_broker_handing_an_uplink_over_twice_rings_once():
    button = device("WS101")
    button.sends("ff2e01")
    assert button.sends("ff2e01", same=True, after_s=30).names == {"resent"}


@pytest.mark.parametrize(
    ("model", "payload", "events"),
    [
        ("WS202", "030001040001", [("motion", True)]),
        ("WS301", "030001", [("contact", {"open": True})]),
        ("WS303", "030001", [("water_leak", True)]),
        ("VS340", "030001", [("presence", True)]),
        ("EM300-MLD", "050001", [("water_leak", True)]),
        ("AM102", "0367d70004685a", [("temperature", 21.5), ("humidity", 45.0)]),
    ],
)
def test_one_channel_means_another_thing_in_another_model(model, payload, events):
    assert device(model).sends(payload).events == events


def test_without_a_model_the_meaning_is_refused_and_the_rest_is_read():
    said = device("thing").sends("01755f030001")
    assert said.events == [("battery", 95)]
    assert "model" in said.reasons[0]


def test_a_state_sent_again_with_each_report_is_told_once():
    leak = device("WS303")
    assert leak.sends("030001").events == [("water_leak", True)]
    assert leak.sends("030001", after_s=600).names == {"repeat"}
    assert leak.sends("030000", after_s=600).events == [("water_leak", False)]


def test_a_radars_fall_is_told_once_by_whichever_channel_and_again_when_it_was_over():
    radar = device("VS373")
    assert ("fall", None) in radar.sends("03f8040000000000").events
    assert "fall" not in dict(radar.sends("06fb01000001ff", after_s=5).events)
    radar.sends("06fb01000002ff", after_s=60)
    assert radar.sends("06fb02000001ff", after_s=5).events == [("fall", None)]


def test_the_radar_knows_the_bed():
    radar = device("VS373")
    assert ("bed", {"occupied": True}) in radar.sends("03f8020000000000").events
    assert ("bed", {"occupied": False}) in radar.sends("03f8030000000000", after_s=60).events


def test_a_stored_leak_is_told_with_its_own_time():
    stored = (int(NOW.timestamp()) - 3600).to_bytes(4, "little").hex()
    said = device("EM300-MLD").sends(f"20ce{stored}00000001")
    assert said.raw == [{"type": "water_leak", "value": True, "at": "2026-07-01T01:40:00+00:00"}]


def test_another_makers_fields_are_read_where_the_server_decoded_them():
    said = device("other").sends("00", port=2, object={"temperature": 20.5, "smoke": True})
    assert dict(said.events) == {"temperature": 20.5, "smoke": True}


def test_a_payload_that_nobody_reads_is_a_sign_of_life_and_refused():
    said = device("other").sends("00", port=2)
    assert (said.names, len(said.reasons)) == ({"heartbeat"}, 1)


@pytest.mark.parametrize(
    ("kind", "content", "name"),
    [
        ("join", {}, "login"),
        ("ack", {"acknowledged": True}, "acknowledgement"),
        ("txack", {}, "acknowledgement"),
        ("log", {"level": "ERROR"}, "availability"),
        ("status", {"batteryLevel": 255}, "no reading"),
        ("status", {"batteryLevel": 10, "externalPowerSource": True}, "no reading"),
        ("location", {"location": {"latitude": 0, "longitude": 0}}, "stale fix"),
    ],
)
def test_the_servers_other_events_are_named(kind, content, name):
    said = device("x").says(content, topic=f"application/a/device/{EUI}/event/{kind}")
    assert (said.events, said.names) == ([], {name})


def test_a_status_has_the_battery():
    said = device("x").says({"batteryLevel": 88.3}, topic=f"application/a/device/{EUI}/event/status")
    assert said.events == [("battery", 88.3)]
