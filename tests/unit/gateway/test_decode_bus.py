"""OwnTracks, Tasmota, Shelly, Theengs and Home Assistant's descriptions."""

import pytest

from tests.unit.gateway.words import NOW, Bus

MAC = "AABBCCDDEE01"


@pytest.fixture
def phone():
    return Bus("owntracks", "owntracks/anyone/phone")


@pytest.fixture
def tag():
    return Bus("theengs", f"home/hall/BTtoMQTT/{MAC}")


# -- OwnTracks


def test_a_phone_tells_where_it_is_and_its_battery(phone):
    when = int(NOW.timestamp()) - 20
    said = phone.says({"_type": "location", "lat": 31.2, "lon": 121.5, "acc": 12, "batt": 46, "tst": when})
    assert said.value("position") == {"lat": 31.2, "lng": 121.5, "accuracy_m": 12}
    assert said.value("battery") == 46
    assert said.raw[0]["at"] == "2026-07-01T02:39:40+00:00"
    assert said.devices == ["anyone/phone"]


def test_zero_zero_is_no_place_and_minus_one_no_battery(phone):
    said = phone.says({"_type": "location", "lat": 0, "lon": 0, "batt": -1, "tst": int(NOW.timestamp())})
    assert (said.events, said.names) == ([], {"stale fix", "no reading"})


@pytest.mark.parametrize(
    ("kind", "name"), [("transition", "own rule"), ("lwt", "availability"), ("card", "configuration")]
)
def test_other_messages_of_a_phone_are_named(phone, kind, name):
    assert phone.says({"_type": kind}).names == {name}


def test_an_encrypted_phone_is_refused_with_what_to_do(phone):
    assert "secret" in phone.says({"_type": "encrypted", "data": "x"}).reasons[0]


# -- Tasmota


def test_a_board_speaks_for_each_sensor_it_hears():
    board = Bus("tasmota", "tele/hall/SENSOR")
    said = board.says(
        {"DS18B20": {"Temperature": 20.6}, "ATC-a1b2c3": {"Temperature": 70, "Battery": 80}, "TempUnit": "F"}
    )
    assert said.devices == ["hall", "hall/ATC-a1b2c3"]
    assert said.events == [("temperature", -6.33), ("temperature", 21.11), ("battery", 80)]


def test_a_movement_published_by_a_rule_holds_for_a_minute():
    board = Bus("tasmota", "stat/hall/PIR1")
    assert board.says(b"ON").events == [("motion", True)]
    assert board.says(b"ON", after_s=20).names == {"repeat"}
    assert board.says(b"ON", after_s=50).events == [("motion", True)]


def test_a_wired_switch_and_a_relay_say_nothing_of_the_elder():
    board = Bus("tasmota", "tele/hall/SENSOR")
    assert board.says({"Switch1": "ON"}).names == {"input"}
    assert board.says({"POWER": "ON"}, topic="stat/hall/RESULT").names == {"output"}
    assert board.says(b"Offline", topic="tele/hall/LWT").names == {"availability"}
    assert board.says({"UptimeSec": 9, "Wifi": {"RSSI": 90}}, topic="tele/hall/STATE").names == {"heartbeat"}


def test_a_zigbee_sensor_behind_tasmota_that_fell_off_is_tampered_with():
    board = Bus("tasmota", "tele/hub/SENSOR")
    said = board.says({"ZbReceived": {"0x0A0B": {"Name": "wardrobe", "AqaraVibrationMode": "drop"}}})
    assert (said.devices, said.events) == (["hub/wardrobe"], [("tamper", True)])


@pytest.mark.parametrize(
    ("field", "event"), [("Fire", ("smoke", True)), ("Panic", ("sos", None)), ("CO", ("carbon_monoxide_alarm", True))]
)
def test_alarms_behind_tasmota_ring_once_while_they_stand(field, event):
    board = Bus("tasmota", "tele/hub/SENSOR")
    assert board.says({"ZbReceived": {"0x3": {field: 1}}}).events == [event]
    assert board.says({"ZbReceived": {"0x3": {field: 1}}}, after_s=3600).events == []


def test_two_doors_behind_one_board_are_two_doors():
    board = Bus("tasmota", "tele/hub/SENSOR")
    for name in ("front", "back"):
        said = board.says({"ZbReceived": {"0x1": {"Name": name, "Contact": 1}}})
        assert (said.devices, said.events) == ([f"hub/{name}"], [("contact", {"open": True})])


def test_a_leak_and_a_door_behind_tasmota():
    board = Bus("tasmota", "tele/hub/SENSOR")
    assert board.says({"ZbReceived": {"0x1": {"Water": 1}}}).events == [("water_leak", True)]
    said = board.says({"LwReceived": {"0x2": {"DoorOpen": 1, "Battery": 3.0}}})
    assert said.events == [("contact", {"open": True})]  # three volts are not three per cent


# -- Shelly


def test_gas_of_the_first_generation_alarms_clears_and_is_tested():
    gas = Bus("shelly", "shellies/shellygas-01/sensor/gas")
    assert gas.says(b"heavy").events == [("gas", True)]
    assert gas.says(b"mild", after_s=5).events == []
    assert gas.says(b"none", after_s=5).events == [("gas", False)]
    assert gas.says(b"test", after_s=5).events == [("self_test", {"ok": True})]
    assert gas.says(b"unknown", after_s=5).names == {"no reading"}
    assert gas.says(b"1200", topic="shellies/shellygas-01/sensor/concentration").events == []


def test_a_later_shelly_tells_what_changed():
    flood = Bus("shelly", "shellyflood-02/events/rpc")
    said = flood.says(
        {"method": "NotifyStatus", "params": {"ts": NOW.timestamp(), "flood:0": {"alarm": True}, "wifi": {"rssi": -60}}}
    )
    assert said.events == [("water_leak", True)]
    status = flood.says({"percent": None, "battery": {"percent": 88}}, topic="shellyflood-02/status/devicepower:0")
    assert status.events == [("battery", 88)]


def test_two_floods_of_one_shelly_are_two():
    box = Bus("shelly", "shellybox-05/events/rpc")
    both = {f"flood:{n}": {"alarm": True} for n in range(2)}
    assert box.says({"method": "NotifyStatus", "params": both}).events == [("water_leak", True)] * 2


def test_shelly_motion_has_a_status_without_components():
    motion = Bus("shelly", "shellies/shellymotionsensor-06/status")
    said = motion.says({"motion": True, "active": True, "vibration": False, "lux": 40, "bat": 91})
    assert dict(said.events) == {"motion": True, "illuminance": 40, "battery": 91}
    assert motion.says({"motion": True, "lux": 40, "bat": 91}, after_s=60).events == []


def test_a_button_calls_and_a_wall_switch_does_not():
    button = Bus("shelly", "shellies/shellybutton1-03/input_event/0")
    assert button.says({"event": "S", "event_cnt": 4}).events == [("sos", None)]
    assert button.says({"event": "S", "event_cnt": 4}, after_s=30).names == {"repeat"}
    assert button.says({"event": "L", "event_cnt": 5}, after_s=30).events == [("sos", None)]
    wall = Bus("shelly", "shellies/shellyswitch-04/input_event/0")
    assert wall.says({"event": "S", "event_cnt": 1}).names == {"input"}


def test_a_retained_gas_alarm_is_a_leftover():
    assert Bus("shelly", "shellies/g/sensor/gas").says(b"heavy", retained=True).names == {"retained"}


# -- Theengs


def test_a_thermometer_is_of_the_room_unless_it_is_for_meat(tag):
    assert tag.says({"type": "THB", "tempc": 21.5, "hum": 40, "batt": 90}).events == [
        ("temperature", 21.5),
        ("humidity", 40),
        ("battery", 90),
    ]
    assert tag.says({"type": "BBQ", "tempc": 85}).names == {"unrelated"}


def test_an_advertisement_repeated_is_one_press(tag):
    assert tag.says({"type": "BTN", "packet": 7, "button": 1}).events == [("sos", None)]
    assert tag.says({"type": "BTN", "packet": 7, "button": 1}, after_s=5).names == {"repeat"}
    assert tag.says({"type": "BTN", "packet": 8, "button": 1}, after_s=5).events == [("sos", None)]


def test_a_movement_that_is_never_over_is_told_once_a_minute(tag):
    said = [tag.says({"type": "CTMO", "motion": True}, after_s=after_s) for after_s in (0, 10, 30, 30)]
    assert [bool(one.events) for one in said] == [True, False, False, True]


def test_a_curtains_motor_is_no_movement_and_no_door(tag):
    assert tag.says({"type": "WCVR", "open": 30, "motion": True, "batt": 60}).events == [("battery", 60)]


def test_a_pulse_is_sampled_and_zero_is_none(tag):
    assert tag.says({"type": "BODY", "bpm": 70}).events == [("heart_rate", 70)]
    assert tag.says({"type": "BODY", "bpm": 70}, after_s=1).events == []
    assert tag.says({"type": "BODY", "bpm": 70}, after_s=10).events == [("heart_rate", 70)]
    assert tag.says({"type": "BODY", "bpm": 0}, after_s=1).names == {"no reading"}


def test_an_encrypted_advertisement_is_refused_with_what_to_do(tag):
    assert "bind key" in tag.says({"type": "BTN", "encr": 2, "cipher": "00"}).reasons[0]


def test_a_value_outside_its_range_is_refused_without_telling_it(tag):
    assert tag.says({"type": "THB", "tempc": 127.99, "batt": 50}).reasons == ["temperature is outside its range"]


# -- Home Assistant

DOOR = "homeassistant/binary_sensor/0x01/contact/config"


def described(**more):
    return {
        "device": {"identifiers": ["bridge_0x01"], "sw_version": "1\x00x"},
        "device_class": "door",
        "state_topic": "somebridge/door",
        "value_template": "{{ value_json.contact }}",
        "payload_on": False,
        "payload_off": True,
        **more,
    }


def test_a_description_is_configuration_and_tells_how_to_read_its_topic():
    bus = Bus("homeassistant", DOOR)
    assert bus.says(described(), retained=True).names == {"configuration"}
    said = bus.says({"contact": False}, topic="somebridge/door")
    assert (said.devices, said.events) == (["bridge_0x01"], [("contact", {"open": True})])
    assert bus.says({"contact": False}, topic="somebridge/door").names == {"repeat"}
    assert bus.says({"contact": None}, topic="somebridge/door").events == []
    assert bus.says({"contact": True}, topic="somebridge/door").events == [("contact", {"open": False})]


def test_several_entities_of_one_topic_are_read_together():
    bus = Bus("homeassistant", DOOR)
    bus.says(described(), retained=True)
    battery = described(device_class="battery", value_template="{{ value_json['battery'] }}")
    bus.says(battery, topic="homeassistant/sensor/0x01/battery/config", retained=True)
    said = bus.says({"contact": True, "battery": "77"}, topic="somebridge/door")
    assert dict(said.events) == {"contact": {"open": False}, "battery": 77}


def test_two_doors_of_one_device_are_two_doors():
    bus = Bus("homeassistant", DOOR)
    for door in ("front", "back"):
        topic = f"homeassistant/binary_sensor/0x01/{door}/config"
        bus.says(described(value_template=f"{{{{ value_json.{door} }}}}"), topic=topic, retained=True)
    said = bus.says({"front": False, "back": False}, topic="somebridge/door")
    assert said.events == [("contact", {"open": True})] * 2


def test_a_template_that_computes_is_refused():
    bus = Bus("homeassistant", DOOR)
    said = bus.says(described(value_template="{{ value_json.a + 1 }}"), retained=True)
    assert "template" in said.reasons[0]


def test_a_topic_that_nobody_described_is_no_sign_of_life():
    said = Bus("homeassistant", "some/topic").says(b"ON")
    assert (said.names, said.heard[0].alive) == ({"unrelated"}, False)
