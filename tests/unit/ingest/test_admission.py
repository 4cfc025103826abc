"""Whose message it is, and what is refused for whom."""

import pytest

from core.contract.control import LinkWord, ResultWord
from core.contract.event import Event, Rejection
from core.contract.topics import parse_topic
from tests.unit.ingest.words import NOW, delivery, only_piece


@pytest.mark.parametrize(
    ("topic", "read"),
    [
        ("anxin/v1/hub-1/up/alarm", ("hub-1", "alarm")),
        ("anxin/v1/hub-1/up/telemetry", ("hub-1", "telemetry")),
        ("anxin/v1/hub-1/up/status", ("hub-1", "status")),
        ("anxin/v1/hub-1/up/result", ("hub-1", "result")),
        ("anxin/v1/hub-1/down/command", None),
        ("anxin/v1/hub-1/up/alarm/more", None),
        ("anxin/v1//up/alarm", None),
        ("anxin/v2/hub-1/up/alarm", None),
        ("", None),
    ],
)
def test_only_uplink_topics_of_the_contract_are_read(topic, read):
    assert parse_topic(topic) == read


def test_an_event_is_the_row_of_the_device_it_names_and_keyed_by_the_one_that_published_it():
    piece = only_piece(delivery("telemetry", {"type": "motion", "value": True, "id": "1", "device": "child-1"}))
    assert (piece.device_id, piece.device_no, piece.delivery.key_scope) == ("child-1", 2, 1)


def test_a_device_that_names_itself_as_the_child_is_itself():
    piece = only_piece(delivery("telemetry", {"type": "heartbeat", "device": "hub-1"}))
    assert piece.device_no == 1


@pytest.mark.parametrize(
    ("child", "reason"), [("child-2", "unknown_child"), ("nobody", "unknown_child"), ("child-gone", "retired_device")]
)
def test_a_foreign_unknown_or_retired_child_is_refused_alone_and_its_cry_rings(child, reason):
    events = [{"type": "sos", "id": "1", "device": child}, {"type": "sos", "id": "2", "device": "child-1"}]
    made = delivery("alarm", {"events": events})
    refused, kept = (piece.content for piece in made.pieces)
    assert isinstance(kept, Event)
    assert isinstance(refused, Rejection)
    assert (refused.index, refused.reason) == (0, reason)
    assert [(cry.type, cry.child) for cry in refused.cries] == [("sos", child)]
    assert made.stranger == (reason == "unknown_child")


@pytest.mark.parametrize(("publisher", "reason"), [("nobody", "unknown_device"), ("hub-gone", "retired_device")])
def test_an_unknown_or_retired_publisher_is_refused_whole_with_every_cry_in_it(publisher, reason):
    events = [
        {"type": "sos", "id": "1"},
        {"type": "smoke", "value": True},
        {"type": "fall", "id": 7},
        {"type": "heart_rate", "value": 70},
    ]
    content = only_piece(delivery("alarm", {"events": events}, device_id=publisher)).content
    assert isinstance(content, Rejection)
    assert (content.index, content.reason) == (None, reason)
    assert sorted(cry.type for cry in content.cries) == ["fall", "sos"]
    quiet = only_piece(delivery("telemetry", {"type": "heartbeat"}, device_id=publisher)).content
    assert isinstance(quiet, Rejection)
    assert quiet.cries == []


def test_an_unreadable_alarm_of_an_unknown_device_keeps_its_own_reason_and_rings():
    content = only_piece(delivery("alarm", b"{", device_id="nobody")).content
    assert isinstance(content, Rejection)
    assert content.reason == "malformed_json"
    assert [cry.type for cry in content.cries] == ["unreadable_alarm"]


def test_a_refused_cry_of_a_known_child_is_the_childs():
    content = only_piece(delivery("telemetry", {"type": "sos", "device": "child-1"})).content
    assert isinstance(content, Rejection)
    assert [(cry.device_id, cry.device_no) for cry in content.cries] == [("child-1", 2)]


def test_a_stored_replay_and_a_foreign_topic_are_ignored():
    assert only_piece(delivery("alarm", {"type": "sos"}, retain=True)).content is None
    assert only_piece(delivery("gossip", {"type": "sos"})).content is None


def test_birth_will_and_result_are_read():
    assert only_piece(delivery("status", {"status": "online", "session": "s"})).content == LinkWord(True, "s")
    word = only_piece(
        delivery("result", {"id": "0190a0a0-0000-7000-8000-000000000000", "outcome": "done", "at": NOW.isoformat()})
    ).content
    assert isinstance(word, ResultWord)
    assert (word.outcome, word.detail) == ("done", None)


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("status", b"[]", "malformed_json"),
        ("status", b"{", "malformed_json"),
        ("status", {"status": "up"}, "bad_value"),
        ("status", {"status": ["online"]}, "bad_value"),
        ("status", {"status": "online", "session": "a\0"}, "bad_value"),
        ("status", {"status": "online", "session": 5}, "bad_value"),
        ("result", {"id": "seven", "outcome": "done"}, "bad_value"),
        ("result", {"outcome": "done"}, "bad_value"),
        ("result", {"id": 5, "outcome": "done"}, "bad_value"),
        ("result", {"id": "0190a0a0-0000-7000-8000-000000000000", "outcome": "maybe"}, "bad_value"),
        ("result", {"id": "0190a0a0-0000-7000-8000-000000000000", "outcome": "done", "detail": "x" * 501}, "bad_value"),
        ("result", b" " * 300_000, "too_large"),
    ],
)
def test_a_bad_word_about_a_link_or_a_command_is_refused(kind, body, reason):
    content = only_piece(delivery(kind, body)).content
    assert isinstance(content, Rejection)
    assert (content.index, content.reason) == (None, reason)
