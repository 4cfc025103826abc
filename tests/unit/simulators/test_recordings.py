"""Adapters: from lines of a recording to readings, bad lines named and good neighbours kept."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.domain.event_types import EVENT_TYPE_BY_NAME
from simulators.recordings.find import find
from simulators.recordings.items import Left, Reading, RecordingError
from simulators.recordings.survey import survey, walk

CASAS = """\
2020-01-01 01:03:39.14962 Bedroom Bedroom ON Sleep
2020-01-01 01:03:40.284526 Bedroom Bedroom OFF Sleep
2020-01-01 07:00:00.5 OutsideDoor OutsideDoor OPEN Leave_Home
2020-01-01 07:00:02 OutsideDoor OutsideDoor ON Leave_Home
2020-01-01 07:00:09.1 OutsideDoor OutsideDoor CLOSE Leave_Home
2020-01-01 08:00:00.1 LoungeChair LivingRoom ON Relax
"""
HEART = "1600000000.000000\n1.000000\n80.00\n80.50\n0.00\n81.00\n"
TAGS = "1600000002\n1600000003.5\n"
SPO2 = "dateTime,spo2_value\n6/25/2024 10:15,97.3\n6/25/2024 10:16,50\n6/25/2024 10:17,96\n"
SLEEP = "dateTime,bpm,level\n6/25/2024 10:15,61,deep\n6/25/2024 10:16,62,deep\n"
JOINED = "dateTime,bpm,spo2_value,level\n6/25/2024 10:15,61,97.3,deep\n"


@pytest.fixture
def file(tmp_path):
    def write(name: str, content: str | bytes) -> Path:
        path: Path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def items(path: Path):
    found = find(path)
    return [item for one in found.files for item in found.format.read(one)]


def test_a_casas_home_becomes_motion_and_contacts_by_room(file):
    readings = items(file("data.txt", CASAS))
    assert [(r.sensor, r.type, r.value, r.zone) for r in readings] == [
        ("bedroom-motion", "motion", True, "bedroom"),
        ("bedroom-motion", "motion", False, "bedroom"),
        ("outsidedoor-contact", "contact", {"open": True}, "entrance"),
        ("outsidedoor-motion", "motion", True, "entrance"),
        ("outsidedoor-contact", "contact", {"open": False}, "entrance"),
        ("loungechair-motion", "motion", True, "living"),
    ]
    assert readings[0].at == datetime(2020, 1, 1, 1, 3, 39, 149620, tzinfo=UTC)


def test_a_tab_separated_casas_file_with_an_empty_last_column_is_read(file):
    readings = items(
        file("tm.txt", "2016-02-07 08:14:36.15\tKitchenASink\tON\t\n2016-02-07 08:14:37\tKitchenASink\tOFF\t\n")
    )
    assert [r.value for r in readings] == [True, False]


def test_bad_lines_are_named_with_their_number_and_their_neighbours_are_kept(file):
    bad = (
        CASAS.encode()
        + b"2020-01-01 25:00:00 Kitchen Kitchen ON\n\xff\xfe\nhalf a li\n2020-01-01 09:00:00 Stove Stove HOT x\n"
    )
    left = [item for item in items(file("data.txt", bad)) if isinstance(item, Left)]
    assert [(item.line, item.reason) for item in left] == [(n, "unreadable") for n in (7, 8, 9, 10)]
    assert sum(isinstance(item, Reading) for item in items(file("data.txt", bad))) == 6


def test_a_wristband_reads_once_a_second_and_its_button_is_a_cry_for_help(file, tmp_path):
    file("S01_HR.csv", HEART)
    file("S01_tags.csv", TAGS)
    file("README.md", "# text")
    found = find(tmp_path)
    assert [path.name for path, _ in found.left_out] == ["README.md"]
    surveyed = survey(found)
    assert surveyed.left == {"no reading": 1}
    played = [(p.offset.total_seconds(), p.reading.type, p.reading.value) for p in walk(found, surveyed)]
    assert played == [
        (0, "heart_rate", 80.0),
        (1, "heart_rate", 80.5),
        (2, "sos", None),
        (3, "heart_rate", 81.0),
        (3.5, "sos", None),
    ]


def test_wearers_recorded_in_different_weeks_are_played_side_by_side(file, tmp_path):
    file("S01_HR.csv", HEART)
    file("S02_HR.csv", HEART.replace("1600000000", "1607000000"))
    surveyed = survey(find(tmp_path))
    assert surveyed.span == timedelta(seconds=3)
    assert {sensor.subject for sensor in surveyed.sensors} == {"s01", "s02"}


def test_spo2_of_50_is_no_reading_and_is_counted_as_such(file):
    surveyed = survey(find(file("spo2.csv", SPO2)))
    assert (surveyed.readings, surveyed.left) == (2, {"no reading": 1})


def test_a_joined_export_beside_its_parts_is_left_out_and_alone_it_is_played(file, tmp_path):
    file("a_spo2.csv", SPO2)
    file("b_heart.csv", SLEEP)
    joined = file("c_joined.csv", JOINED)
    assert [path.name for path, _ in find(tmp_path).left_out] == ["c_joined.csv"]
    assert [item.type for item in items(joined)] == ["heart_rate", "spo2"]


def test_ids_are_the_same_in_every_walk_and_differ_between_readings(file):
    found = find(file("joined.csv", JOINED + "6/25/2024 10:16,62,97,deep\n"))
    first, second = ([played.id for played in walk(found, survey(found))] for _ in range(2))
    assert first == second
    assert len(set(first)) == 4


def test_what_is_played_is_what_the_contract_takes(file, tmp_path):
    for path in (file("c.txt", CASAS), file("S01_HR.csv", HEART), file("f.csv", SPO2)):
        for item in items(path):
            if isinstance(item, Reading):
                shape = EVENT_TYPE_BY_NAME[item.type].shape
                assert shape is None or shape.check(item.value) is None


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.txt", "", "is empty"),
        ("text.txt", "hello\nworld\n", "not a recording of a known format"),
        ("blob.bin", bytes(range(256)) * 40, "not a recording of a known format"),
        ("x_HR.csv", "1600000000.0\n1.0\n", "Nothing in x_HR.csv can be played"),
    ],
)
def test_what_is_no_recording_is_refused_with_one_sentence(file, name, content, sentence):
    with pytest.raises(RecordingError, match=sentence):
        survey(find(file(name, content)))


def test_a_missing_path_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(RecordingError, match="no recording at"):
        find(tmp_path / "nowhere")
    with pytest.raises(RecordingError, match="no recording of a known format"):
        find(tmp_path)


@pytest.mark.parametrize("folder", ["casas_al_month", "stress_predict_hr", "elder_fitbit_edt", "casas_tm000_week"])
def test_every_line_of_the_real_recordings_is_read(folder):
    root = os.environ.get("ANXIN_RECORDINGS")
    if not root or not (Path(root) / folder).is_dir():
        pytest.skip(f"ANXIN_RECORDINGS names no folder with {folder}: real recordings are not part of the project")
    surveyed = survey(find(Path(root) / folder))
    assert surveyed.readings > 200
    assert surveyed.left["unreadable"] == 0, surveyed.left_lines
