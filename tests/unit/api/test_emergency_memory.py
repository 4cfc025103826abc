"""What an API process knows by itself while the database is away: since when, who may, and the live alerts."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from alerts.fold import Book, apply
from alerts.model import as_contract
from alerts.store import FeedEvent
from api.emergency.accounts import RememberedScopes
from api.emergency.pulse import DatabasePulse
from api.live.mirror import LiveMirror
from api.tokens import AccessToken
from registry.access import Role, Scope
from tests.unit.api.emergency_words import CENTRE, NOW, OTHER_CENTRE, press

KEPT = timedelta(minutes=15)
OPERATOR = Scope(UUID(int=5), "op", "坐席 1", "zh-CN", frozenset({Role.OPERATOR}), centre_ids=(CENTRE,))
TOKEN = AccessToken(UUID(int=5), UUID(int=50), 1, NOW + KEPT)


def pulse_after(answered_at: float | None, *looks: float) -> DatabasePulse:
    pulse = DatabasePulse()
    pulse.feed = SimpleNamespace(answered_at=answered_at)  # type: ignore[assignment]
    for look in looks:
        pulse.look(look, NOW + timedelta(seconds=look), 0.5)
    return pulse


def test_the_database_is_away_once_the_feed_has_read_nothing_for_two_seconds_and_two_polls():
    assert not pulse_after(10, 12.5, 13).away
    assert pulse_after(10, 12.5, 13, 13.1).away
    assert not pulse_after(None, 0, 1, 2, 3, 4, 5).away  # only just started


def test_a_process_that_stood_still_does_not_take_the_database_for_dead():
    assert not pulse_after(10, 10, 40).away
    assert pulse_after(10, 10, 40, 40.5).away


def test_tokens_are_judged_by_the_databases_last_sign_of_life():
    later = NOW + timedelta(hours=1)
    assert pulse_after(10, 12, 12.9).token_time(lambda: later) == later
    assert pulse_after(10, 12, 12.9, 14).token_time(lambda: later) == NOW + timedelta(seconds=12.9)


def test_an_account_is_known_for_a_tokens_life_and_a_refused_session_never():
    scopes = RememberedScopes(KEPT)
    assert scopes.scope_of(TOKEN, NOW) is None
    scopes.remember(OPERATOR, NOW)
    assert scopes.scope_of(TOKEN, NOW + KEPT) is OPERATOR
    assert scopes.scope_of(TOKEN, NOW + KEPT + timedelta(seconds=1)) is None
    assert scopes.scope_of(replace(TOKEN, account_id=UUID(int=6)), NOW) is None
    scopes.refuse(TOKEN)
    assert scopes.scope_of(TOKEN, NOW) is None
    assert scopes.scope_of(replace(TOKEN, session_id=UUID(int=51)), NOW) is OPERATOR


def event(seq: int, **changes: Any) -> FeedEvent:
    [opened] = apply(Book(()), [press("a").hit], NOW)
    alert = replace(opened.alert, id=UUID(int=7), seq=seq)
    data = {**as_contract(alert, NOW), **changes}
    return FeedEvent(seq, "alert.opened", NOW, "device", None, {}, data, CENTRE, alert.region_code, alert.elder_ids)


def test_the_mirror_shows_each_scope_its_live_alerts_as_the_last_frame_left_them():
    mirror = LiveMirror()
    mirror.begin([], 3, NOW)
    mirror.follow(event(4))
    mirror.follow(event(5, presses=2))
    mirror.follow(event(5, presses=9))  # told twice
    [(alert, elders)] = mirror.seen_by(OPERATOR)
    assert (mirror.seq, alert["presses"], len(elders)) == (5, 2, 1)
    assert list(mirror.seen_by(replace(OPERATOR, centre_ids=(OTHER_CENTRE,)))) == []
    mirror.follow(event(6, status="resolved"))
    assert list(mirror.seen_by(OPERATOR)) == []
