"""Who may read vitals and alerts of an elder: every role, in its own centre and outside it."""

from uuid import UUID, uuid4

import pytest

from api.history.access import may_read_alerts, may_read_vitals, require_any, require_vitals
from api.history.store import Place
from core.errors import Forbidden, NotFound
from registry.access import Role, Scope, build_scope

CENTRE, ELDER = uuid4(), uuid4()
PLACE = Place(ELDER, CENTRE, "990102100001", "Asia/Shanghai", None, True)


def _scope(role: Role, *, centre: UUID = CENTRE, region: str = "990102000000", views: list[str] | None = None) -> Scope:
    account = {"id": uuid4(), "username": "x", "display_name": "x", "locale": "en", "scope_version": 1}
    grant = {"role": role, "centre_id": centre, "region_code": region}
    links = [] if views is None else [{"elder_id": ELDER, "can_view": views}]
    return build_scope(account, [grant], links)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.OPERATOR, Role.SHIFT_SUPERVISOR])
def test_those_who_answer_alerts_read_vitals_and_alerts(role: Role) -> None:
    scope = _scope(role)
    assert may_read_vitals(scope, PLACE)
    assert may_read_alerts(scope, PLACE)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.SHIFT_SUPERVISOR, Role.VISITOR, Role.RESPONDER])
def test_another_centre_is_as_good_as_nowhere(role: Role) -> None:
    scope = _scope(role, centre=uuid4())
    with pytest.raises(NotFound):
        require_vitals(scope, PLACE)
    with pytest.raises(NotFound):
        require_any(scope, PLACE)


def test_a_visitor_knows_the_elder_but_neither_vitals_nor_alerts() -> None:
    with pytest.raises(Forbidden):
        require_vitals(_scope(Role.VISITOR), PLACE)
    with pytest.raises(Forbidden):
        require_any(_scope(Role.VISITOR), PLACE)


def test_a_regulator_reads_alerts_of_the_region_and_no_vitals() -> None:
    scope = _scope(Role.REGULATOR)
    with pytest.raises(Forbidden):
        require_vitals(scope, PLACE)
    require_any(scope, PLACE)
    assert may_read_alerts(scope, PLACE)


def test_a_regulator_of_another_region_finds_nothing() -> None:
    with pytest.raises(NotFound):
        require_any(_scope(Role.REGULATOR, region="990200000000"), PLACE)


def test_a_family_member_reads_what_the_link_allows() -> None:
    vitals = _scope(Role.FAMILY_MEMBER, views=["vitals"])
    alerts = _scope(Role.FAMILY_MEMBER, views=["alerts"])
    assert (may_read_vitals(vitals, PLACE), may_read_alerts(vitals, PLACE)) == (True, False)
    assert (may_read_vitals(alerts, PLACE), may_read_alerts(alerts, PLACE)) == (False, True)


def test_vitals_that_a_family_link_does_not_show_do_not_exist() -> None:
    with pytest.raises(NotFound):
        require_vitals(_scope(Role.FAMILY_MEMBER, views=["alerts", "visits"]), PLACE)
    with pytest.raises(NotFound):
        require_any(_scope(Role.FAMILY_MEMBER, views=["visits"]), PLACE)


def test_a_responder_reads_no_history() -> None:
    with pytest.raises(NotFound):
        require_any(_scope(Role.RESPONDER), PLACE)
