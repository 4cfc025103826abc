"""Scope in Python: who sees what, and which roles hold where."""

from typing import Any
from uuid import UUID

import pytest

from registry.access import Role, Scope, build_scope, permissions_of, scope_sql, scoped

CENTRE, OTHER, ELDER = UUID(int=10), UUID(int=11), UUID(int=20)
ACCOUNT = {"id": UUID(int=1), "username": "u", "display_name": "坐席", "locale": "en", "scope_version": 4}


def scope_of(*assignments: dict[str, Any], links: tuple[dict[str, Any], ...] = ()) -> Scope:
    rows = [{"centre_id": None, "region_code": None, **row} for row in assignments]
    return build_scope(ACCOUNT, rows, links)


@pytest.mark.parametrize("role", ["operator", "shift_supervisor", "visitor"])
def test_the_staff_of_a_centre_see_what_belongs_to_it(role):
    scope = scope_of({"role": role, "centre_id": CENTRE})
    assert scope.sees(CENTRE, "990102100001", [])
    assert not scope.sees(OTHER, "990102100001", [ELDER])


def test_a_responder_sees_nothing_through_the_centre_it_works_at():
    scope = scope_of({"role": "responder", "centre_id": CENTRE})
    assert not scope.sees(CENTRE, "990102100001", [ELDER])
    assert scope.holds(CENTRE, Role.RESPONDER)


def test_an_operator_here_who_visits_there_is_no_operator_there():
    scope = scope_of({"role": "operator", "centre_id": CENTRE}, {"role": "visitor", "centre_id": OTHER})
    assert scope.sees(OTHER, "360000000000", [])
    assert scope.holds(CENTRE, Role.OPERATOR)
    assert not scope.holds(OTHER, Role.OPERATOR, Role.SHIFT_SUPERVISOR)


def test_a_regulator_sees_its_region_and_below_but_not_the_neighbour_with_a_like_number():
    scope = scope_of({"role": "regulator", "region_code": "361000000000"})
    assert scope.sees(OTHER, "361000000000", [])
    assert scope.sees(OTHER, "361002100001", [])
    assert not scope.sees(OTHER, "361100000000", [])
    assert not scope.sees(OTHER, "360000000000", [])


def test_a_family_member_sees_the_linked_elder_and_each_view_only_as_granted():
    links = ({"elder_id": ELDER, "can_view": ["alerts"]},)
    scope = scope_of({"role": "family_member"}, links=links)
    assert scope.sees(CENTRE, "990102100001", [UUID(int=21), ELDER])
    assert scope.sees(CENTRE, "990102100001", [ELDER], view="alerts")
    assert not scope.sees(CENTRE, "990102100001", [ELDER], view="vitals")
    assert not scope.sees(CENTRE, "990102100001", [])
    assert scope.sql_params(view="vitals")["scope_elders"] == []


def test_a_link_without_the_role_shows_nothing():
    assert scope_of(links=({"elder_id": ELDER, "can_view": ["alerts"]},)).elder_ids == ()


def test_an_admin_sees_everything_and_nobody_sees_anything_by_default():
    assert scope_of({"role": "admin"}).sees(OTHER, "360000000000", [])
    assert not scope_of().sees(OTHER, "360000000000", [ELDER])


def test_permissions_grow_with_the_role_and_only_operators_may_act():
    assert "alerts.act" in permissions_of([Role.OPERATOR])
    assert permissions_of([Role.OPERATOR]) < permissions_of([Role.SHIFT_SUPERVISOR])
    for role in (Role.RESPONDER, Role.VISITOR, Role.FAMILY_MEMBER, Role.REGULATOR):
        assert not permissions_of([role]) & {"alerts.act", "elders.reveal", "elders.write", "devices.command"}
    assert permissions_of([]) == frozenset()


def test_the_predicate_is_put_at_the_mark_and_a_statement_without_one_is_refused():
    assert scoped("SELECT 1 FROM elder e WHERE :scope(e.centre_id, e.region_code, e.id)") == (
        f"SELECT 1 FROM elder e WHERE {scope_sql('e.centre_id', 'e.region_code', 'e.id')}"
    )
    assert "a.ids && %(scope_elders)s" in scoped(":scope(a.c, a.r, a.ids[])")
    with pytest.raises(ValueError, match="scope"):
        scoped("SELECT * FROM elder")
