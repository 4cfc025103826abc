"""The fictional town: the same from the same seed, complete, and plainly invented."""

from datetime import date

import pytest

from core.domain.fleet import Fleet
from registry import citizen_id, town
from registry.masking import building_of

TODAY = date(2026, 3, 1)
PLAN = town.plan(60, 7, TODAY)
HOMES = (PLAN.spare_home, *PLAN.homes)
PEOPLE = [elder.person for home in HOMES for elder in home.elders]


def test_the_same_seed_gives_the_same_town_and_another_seed_another():
    assert town.plan(60, 7, TODAY) == PLAN
    assert town.plan(60, 8, TODAY) != PLAN


def test_a_bigger_town_of_the_same_seed_begins_with_the_same_homes():
    assert town.plan(80, 7, TODAY).homes[:60] == PLAN.homes


def test_everybody_is_plainly_invented_and_still_passes_the_validators():
    for person in PEOPLE:
        assert citizen_id.problem(person.id_no, TODAY, test_region_allowed=True) is None
        assert citizen_id.problem(person.id_no, TODAY) == "test_region"
        assert citizen_id.birth_date(person.id_no) == person.birth_date
        assert citizen_id.is_female(person.id_no) == (person.gender == "female")
        assert person.phone.startswith("1990000") and len(person.phone) == 11
        assert 65 <= (TODAY - person.birth_date).days // 365 <= 96
    assert len({person.id_no for person in PEOPLE}) == len(PEOPLE)
    assert all(region.code.startswith("99") for region in town.regions())


def test_every_home_has_one_or_two_elders_a_hub_a_watch_and_every_kind_of_sensor():
    assert {len(home.elders) for home in PLAN.homes} == {1, 2}
    for home in PLAN.homes:
        kinds = [child.type for child in home.children]
        assert home.hub_id and home.watch_id
        assert {"sos_button", "smoke", "water_leak", "pir", "door_contact", "bed_sensor"} <= set(kinds)
        assert ("gas" in kinds) != ("co" in kinds)
        assert kinds.count("pir") in (2, 3)
        assert home.elders[0].contacts
        assert building_of(home.address), home.address


def test_device_ids_are_unique_and_the_spare_home_has_nothing_the_fleet_could_play():
    ids = [id for home in PLAN.homes for id in (home.hub_id, home.watch_id, *(c.device_id for c in home.children))]
    assert len(set(ids)) == len(ids)
    assert town.SPARE_DEVICE_ID not in ids
    assert (PLAN.spare_home.hub_id, PLAN.spare_home.children) == (None, ())


def test_both_centres_have_homes_and_the_smallest_town_belongs_to_the_first():
    assert {home.centre for home in PLAN.homes} == {"first", "second"}
    assert town.plan(1, 7, TODAY).homes[0].centre == "first"


def test_the_ready_files_accounts_are_all_planned():
    assert [plan.key for plan in PLAN.accounts] == [
        "admin", "operator", "operator2", "supervisor", "foreign_operator", "responder", "visitor", "family",
        "regulator",
    ]  # fmt: skip


def test_a_fleet_file_with_an_unknown_word_is_refused():
    member = {"device_id": "h", "username": "h", "password": "p", "kind": "hub", "home": 1, "children": []}
    good = {"version": 1, "seed": 1, "time_zone": "Asia/Shanghai", "homes": [{"number": 1, "residents": 1}]}
    assert Fleet.model_validate({**good, "members": [member]}).members[0].kind == "hub"
    for wrong in ({**good, "version": 2, "members": []}, {**good, "members": [{**member, "kind": "drone"}]}):
        with pytest.raises(ValueError, match=r"version|kind"):
            Fleet.model_validate(wrong)
