"""Zigbee2MQTT's habits: none of them may become a second alert, a false movement, or a lost one."""

import pytest

from tests.unit.gateway.words import Bus


@pytest.fixture
def button():
    return Bus("zigbee2mqtt", "zigbee2mqtt/bedside button")


@pytest.fixture
def sensor():
    return Bus("zigbee2mqtt", "zigbee2mqtt/0xfeedfacecafe0001")


def test_a_press_is_a_cry_for_help_of_the_button_by_its_name(button):
    said = button.says({"action": "emergency", "battery": 90, "linkquality": 18})
    assert said.devices == ["bedside button"]
    assert ("sos", None) in said.events
    assert said.value("battery") == 90


def test_an_action_that_is_null_or_empty_or_missing_is_no_press(button):
    for payload in ({"action": None, "battery": 100}, {"action": "", "battery": 100}, {"battery": 100}):
        assert "sos" not in dict(button.says(payload).events)


def test_one_press_told_as_action_as_click_and_on_its_own_topic_rings_once(button):
    first = button.says({"action": "single", "battery": 90})
    rest = [
        button.says({"click": "single"}, after_s=0.1),
        button.says(b"single", topic="zigbee2mqtt/bedside button/action", after_s=0.1),
        button.says({"action": "", "battery": 90}, after_s=0.1),
        button.says({"action": "release"}, after_s=0.1),
    ]
    assert [name for name, _ in first.events].count("sos") == 1
    assert not any(said.events for said in rest)


def test_a_second_press_after_a_few_seconds_rings_again(button):
    button.says({"action": "single"})
    assert button.says({"action": "single"}, after_s=3).events == [("sos", None)]


def test_a_double_press_is_one_cry(button):
    button.says({"action": "single"})
    assert button.says({"action": "double"}, after_s=0.5).names == {"repeat"}


@pytest.mark.parametrize("action", ["on", "off", "toggle", "brightness_step_up", "1_single", "dial_rotate_left_step"])
def test_the_keys_of_a_lamps_remote_do_not_call_for_help(button, action):
    assert button.says({"action": action}).events == []


def test_the_installers_word_on_a_button_goes_before_its_name():
    lamp = Bus("zigbee2mqtt", "zigbee2mqtt/lamp", call_button=False)
    pull_cord = Bus("zigbee2mqtt", "zigbee2mqtt/cord", call_button=True)
    assert lamp.says({"action": "single"}).events == []
    assert pull_cord.says({"action": "on"}).events == [("sos", None)]


def test_a_sensor_that_fell_off_its_door_is_tampered_with_and_nobody_has_fallen(sensor):
    assert sensor.says({"action": "drop"}).events == [("tamper", True)]


def test_a_shaken_sensor_is_a_doubtful_movement(sensor):
    assert sensor.says({"action": "vibration"}).suspect == ["motion"]


def test_a_sensor_that_shakes_is_one_doubtful_movement_until_it_is_still(sensor):
    assert sensor.says({"vibration": True}).suspect == ["motion"]
    assert sensor.says({"vibration": True, "battery": 90}, after_s=5).events == [("battery", 90)]
    sensor.says({"vibration": False}, after_s=60)
    assert sensor.says({"vibration": True}, after_s=60).suspect == ["motion"]


def test_cached_occupancy_in_a_report_of_the_light_is_no_new_movement(sensor):
    sensor.says({"illuminance": 12, "occupancy": False})
    assert ("motion", True) in sensor.says({"illuminance": 12, "occupancy": True}, after_s=60).events
    for after_s, light in ((20, 13), (3600, 14), (30, 14)):
        said = sensor.says({"illuminance": light, "occupancy": True}, after_s=after_s)
        assert "motion" not in dict(said.events)
    assert ("motion", False) in sensor.says({"illuminance": 14, "occupancy": False}, after_s=60).events
    assert ("motion", True) in sensor.says({"illuminance": 14, "occupancy": True}, after_s=60).events


def test_occupancy_already_on_when_first_heard_is_doubtful(sensor):
    assert sensor.says({"occupancy": True}).suspect == ["motion"]


def test_the_old_state_before_the_new_opens_no_door_twice(sensor):
    sensor.says({"contact": True, "battery": 60})
    opening = [sensor.says({"contact": closed, "battery": 60}, after_s=0.2) for closed in (True, False)]
    closing = [sensor.says({"contact": closed, "battery": 60}, after_s=0.2) for closed in (False, True)]
    assert [said.events for said in opening] == [[], [("contact", {"open": True})]]
    assert [said.events for said in closing] == [[], [("contact", {"open": False})]]


def test_smoke_told_again_with_every_report_is_one_alarm_until_it_clears(sensor):
    assert ("smoke", True) in sensor.says({"smoke": True, "battery_low": False}).events
    assert sensor.says({"smoke": True, "battery_low": False}, after_s=30).events == []
    assert sensor.says({"smoke": False}, after_s=30).events == [("smoke", False)]
    assert sensor.says({"smoke": True}, after_s=30).events == [("smoke", True)]


def test_a_retained_leftover_is_nothing_and_the_next_live_message_is_news(sensor):
    left = sensor.says({"smoke": True, "action": "emergency"}, retained=True)
    assert (left.events, left.names, left.heard[0].alive) == ([], {"retained"}, False)
    assert ("smoke", True) in sensor.says({"smoke": True}).events


def test_numbers_and_booleans_as_text_are_read(sensor):
    said = sensor.says({"battery": "100.00", "temperature": "21.5", "contact": "false"})
    assert dict(said.events) == {"battery": 100, "temperature": 21.5, "contact": {"open": True}}


def test_nulls_and_partial_updates_change_nothing(sensor):
    sensor.says({"presence": True, "illuminance": 20, "target_distance": None})
    assert sensor.says({"presence": None, "illuminance": 21}, after_s=1).events == [("illuminance", 21)]
    assert sensor.says({"presence": True}, after_s=1).events == []


@pytest.mark.parametrize("nonsense", [255, -1, "255"])
def test_a_battery_of_255_or_minus_1_is_no_reading(sensor, nonsense):
    said = sensor.says({"battery": nonsense})
    assert (said.events, said.names) == ([], {"no reading"})


def test_a_battery_that_is_only_called_low_is_told_as_ten_per_cent(sensor):
    assert sensor.says({"battery_low": True}).events == [("battery", 10)]
    assert sensor.says({"battery_low": True, "battery": 5}).events == [("battery", 5)]
    assert sensor.says({"battery_low": True, "battery": 100}, after_s=60).events == [("battery", 10)]


def test_a_reading_that_stays_the_same_is_told_again_after_an_hour(sensor):
    sensor.says({"temperature": 21.5})
    assert sensor.says({"temperature": 21.5}, after_s=600).events == []
    assert sensor.says({"temperature": 21.5}, after_s=3000).events == [("temperature", 21.5)]


def test_a_radars_fall_is_told_once_and_a_perhaps_waits_for_an_answer(sensor):
    assert sensor.says({"fall_down_status": "maybe_fall"}).events == [("fall_suspected", None)]
    assert sensor.says({"fall_down_status": "fall"}, after_s=60).events == [("fall", None)]
    assert sensor.says({"fall_down_status": "fall", "illuminance": 3}, after_s=60).events == [("illuminance", 3)]
    assert sensor.says({"fall_down_status": "fall", "illuminance": 3}, after_s=1800).events == []
    sensor.says({"fall_down_status": "none"}, after_s=60)
    assert sensor.says({"fall_down_status": "fall"}, after_s=60).events == [("fall", None)]


def test_last_seen_is_the_time_of_what_is_said(sensor):
    said = sensor.says({"contact": False, "last_seen": "2026-07-01T10:39:58+08:00"})
    assert said.raw[0]["at"] == "2026-07-01T02:39:58+00:00"


def test_a_bridge_with_an_impossible_clock_still_brings_the_cry(button):
    said = button.says({"action": "sos", "last_seen": "1970-01-01T00:00:09Z"})
    assert "at" not in said.raw[0]
    assert said.names == {"wrong clock"}


def test_carbon_monoxide_is_an_alarm_or_a_concentration(sensor):
    assert sensor.says({"carbon_monoxide": True}).events == [("carbon_monoxide_alarm", True)]
    assert sensor.says({"co": 42}).events == [("carbon_monoxide", 42)]


@pytest.mark.parametrize("payload", [b'{"action": "emergen', b'{"action":"emergency"', b'\xff{"sos"'])
def test_a_cut_off_cry_is_refused_and_rings_as_doubtful(button, payload):
    said = button.says(payload)
    assert len(said.reasons) == 1
    assert said.suspect == ["sos"]


def test_a_cut_off_reading_is_refused_and_rings_nothing(sensor):
    said = sensor.says(b'{"occupancy":true,"batt')
    assert (said.events, len(said.reasons)) == ([], 1)


def test_a_cut_off_fire_alarm_rings_as_doubtful(sensor):
    assert sensor.says(b'{"smoke":true,"batt').raw == [{"type": "smoke", "value": True, "quality": "suspect"}]


@pytest.mark.parametrize(
    ("topic", "payload", "name"),
    [
        ("zigbee2mqtt/bridge/state", b"online", "availability"),
        ("zigbee2mqtt/bridge/state", {"state": "offline"}, "availability"),
        ("zigbee2mqtt/bridge/devices", [], "configuration"),
        ("zigbee2mqtt/hall door/availability", {"state": "offline"}, "availability"),
        ("zigbee2mqtt/hall door/set", {"state": "ON"}, "acknowledgement"),
    ],
)
def test_what_the_bridge_says_is_named_and_no_sign_of_life_of_a_device(topic, payload, name):
    said = Bus("zigbee2mqtt", topic).says(payload)
    assert (said.events, said.names, said.heard[0].alive) == ([], {name}, False)


def test_a_sign_of_life_without_news_is_a_heartbeat(sensor):
    said = sensor.says({"linkquality": 80})
    assert (said.events, said.names, said.heard[0].alive) == ([], {"heartbeat"}, True)
