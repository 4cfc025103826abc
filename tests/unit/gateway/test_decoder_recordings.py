"""What real devices and bridges sent is understood. The recordings are not part of the project (ANXIN_RECORDINGS)."""

import json
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.decoders.coverage import coverage, decoded_lines
from tests.unit.gateway.words import NOW, Sayings

LEAST_UNDERSTOOD = 0.9
FILES = {
    "zigbee2mqtt": ("zigbee2mqtt",),
    "homeassistant": ("homeassistant_discovery",),
    "owntracks": ("owntracks",),
    "tasmota": ("tasmota_docs",),
    "shelly": ("shelly_status_dumps",),
    "theengs": ("theengs_ble",),
    "chirpstack": ("chirpstack_events", "lorawan_milesight"),
    "watch": ("traccar_watch",),
    "iw_watch": ("traccar_trv",),
    "minifinder2": ("traccar_minifinder2",),
    "gt06": ("traccar_gt06",),
    "h02": ("traccar_h02",),
    "jt808": ("traccar_jt808",),
}
# Frames whose check sum their publisher broke by masking digits.
MASKED = {"minifinder2": {1}}
ALARMS = {
    "sos": "sos",
    "general": "sos",
    "removing": "worn",
    "lowBattery": "battery",
    "fallDown": "fall",
    "fall": "fall",
}


def lines_of(name: str) -> list[dict[str, Any]]:
    root = os.environ.get("ANXIN_RECORDINGS")
    path = Path(root or "/nowhere") / "payloads" / f"{name}.jsonl"
    if not path.is_file():
        pytest.skip(
            f"ANXIN_RECORDINGS names no folder with payloads/{name}.jsonl: recordings are not part of the project"
        )
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


@pytest.mark.parametrize("family", FILES)
def test_nine_lines_of_ten_are_events_or_named_and_every_refusal_has_its_reason(family, capsys):
    lines = [line for name in FILES[family] for line in lines_of(name)]
    counted = coverage(family, lines, NOW)
    with capsys.disabled():
        print(f"\n{counted.text()}")
    assert counted.lines == len(lines)
    assert counted.understood >= LEAST_UNDERSTOOD
    assert counted.refused_lines <= sum(counted.refusals.values())


def decoded_with_key(family: str, start: Any) -> list[tuple[dict[str, Any], Sayings]]:
    """Each line of the key with what its frame came to, heard a second after the time that the key knows."""
    frames = {line["n"]: line for line in lines_of(f"traccar_{family}")}
    pairs = []
    for key in lines_of(f"expected/{family}_decoded"):
        now = (start(key) or NOW) + timedelta(seconds=1)
        [decoded] = decoded_lines(family, [frames[key["n"]]], now)
        pairs.append((key, Sayings(decoded)))
    return pairs


def time_of(key: dict[str, Any]) -> datetime | None:
    return datetime.fromisoformat(key["time_utc"]) if "time_utc" in key else None


def test_every_watch_frame_is_read_as_the_key_says():
    for key, said in decoded_with_key("watch", time_of):
        events = dict(said.events)
        assert said.reasons == [], key["n"]
        assert said.devices == [key.get("device", said.devices[0])]
        placed = key.get("gps_valid") and (key["lat"], key["lon"]) != (0, 0)
        assert ("position" in events) == bool(placed), key["n"]
        if placed:
            place = events["position"]
            assert (place["lat"], place["lng"]) == pytest.approx((key["lat"], key["lon"]))
            assert all(datetime.fromisoformat(event["at"]) == time_of(key) for event in said.raw)
        if "battery_pct" in key:
            low = key.get("alarm") == "lowBattery"
            assert events["battery"] == (min(10, key["battery_pct"]) if low else key["battery_pct"])
        assert events.get("steps") == key.get("steps")
        assert events.get("body_temperature") == key.get("body_temp_c")
        assert events.get("heart_rate") == (key.get("heart_rate") or None)
        expected = {ALARMS[key["alarm"]]} - {"battery"} if key.get("alarm") else set()
        assert events.keys() & {"sos", "fall", "worn"} == expected, key["n"]


def first_time(key: dict[str, Any]) -> datetime | None:
    times = [record["time"] for record in key["records"] if "time" in record]
    return datetime.fromtimestamp(max(times), UTC) if times else None


def test_every_pendant_record_is_read_as_the_key_says():
    for key, said in decoded_with_key("minifinder2", first_time):
        if key["n"] in MASKED["minifinder2"]:
            assert said.reasons == ["the check sum is wrong"]
            continue
        records = key["records"]
        assert said.reasons == [], key["n"]
        assert said.devices == [key.get("imei")]
        wanted = Counter(record["battery_pct"] for record in records if "battery_pct" in record)
        assert Counter(value for kind, value in said.events if kind == "battery") == wanted, key["n"]
        fixed = [record for record in records if "lat" in record and record.get("hdop", 1) > 0]
        places = [value for kind, value in said.events if kind == "position"]
        seen = [degrees for place in places if place["source"] == "gnss" for degrees in (place["lat"], place["lng"])]
        keyed = [degrees for record in fixed if "sat" in record for degrees in (record["lat"], record["lon"])]
        assert seen == pytest.approx(keyed), key["n"]
        kinds = Counter(kind for kind, _ in said.events)
        alarms = [alarm for record in records for alarm in record.get("alarms", ())]
        assert kinds["sos"] == alarms.count("sos")
        assert kinds["fall"] == alarms.count("fall")
        assert kinds["steps"] == sum("steps" in record for record in records)
        assert kinds["heart_rate"] == sum(record.get("heart_rate", 0) > 1 for record in records)
