"""The first minute of the demo."""

from datetime import UTC, datetime

from core.domain.fleet import Fleet
from simulators.scenario import first_minute, truth_document
from tests.unit.simulators.fleet_example import fleet_of

BEGAN = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


def test_the_first_minute_has_a_press_a_fall_and_smoke_in_three_homes_in_time():
    planned = first_minute(fleet_of(5), seed=1)
    assert [(one.type, one.offset_s) for one in planned] == [("sos", 3), ("fall", 20), ("smoke", 40)]
    assert len({one.home for one in planned}) == 3


def test_the_press_comes_from_a_wall_button_or_a_watch_depending_on_the_seed():
    pressed = {(first_minute(fleet_of(3), seed)[0].device or "watch") for seed in range(20)}
    assert pressed == {"h0001-sos", "watch"}


def test_a_single_home_has_all_three():
    assert {one.home for one in first_minute(fleet_of(1), seed=1)} == {1}


def test_a_fleet_without_watches_has_no_fall_but_still_the_rest():
    fleet = fleet_of(3)
    hubs = Fleet(
        seed=1,
        time_zone=fleet.time_zone,
        homes=fleet.homes,
        members=tuple(member for member in fleet.members if member.kind == "hub"),
    )
    assert [one.what for one in first_minute(hubs, seed=1)] == ["press", "smoke"]


def test_the_truth_names_what_is_published_to_the_millisecond():
    planned = first_minute(fleet_of(5), seed=1)
    truth = truth_document("first-minute", 1, BEGAN, planned)
    for entry, one in zip(truth["expected"], planned, strict=True):
        happening = one.happening(BEGAN)
        assert entry["at"] == happening.at.isoformat(timespec="milliseconds")
        assert (entry["device"], entry["type"]) == (happening.device or happening.member, happening.type)
