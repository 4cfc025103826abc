"""Winning and losing the election: duplicates, echoes, and what each is told."""

import json

import pytest

from core.contract.event import Rejection
from core.domain.event_types import EVENT_TYPES, Lane, Storage
from core.errors import ConfigurationError
from ingest.accounting import count
from ingest.classify import SeenKeys, candidates, outcomes, scoped_key
from ingest.delivery import Outcome
from ingest.poison import Fault, condemn, fault_of, name_of
from ingest.receipts import receipt_body, wants_receipt
from tests.unit.ingest.words import NOW, delivery, only_piece

ALARM = {"type": "sos", "id": "a"}


def classify(deliveries, losers, *, worker=1, seen=None):
    pieces = [piece for made in deliveries for piece in made.pieces]
    return outcomes(pieces, candidates(pieces), losers, worker=worker, seen=seen or SeenKeys())


def test_the_second_copy_within_a_batch_is_a_duplicate():
    copies = [delivery("alarm", ALARM), delivery("alarm", ALARM)]
    assert classify(copies, {}) == [Outcome.ACCEPTED, Outcome.DUPLICATE]


def test_candidates_are_sorted_by_key_so_that_workers_lock_in_one_order():
    made = [delivery("telemetry", {"type": "heartbeat", "id": str(n)}) for n in range(50)]
    keys = list(candidates([only_piece(one) for one in made]).first)
    assert keys == sorted(keys)


def test_an_alarm_that_another_worker_stored_is_an_echo_once_and_then_a_duplicate():
    seen = SeenKeys()
    alarm = delivery("alarm", ALARM)
    assert classify([alarm], {0: 2}, seen=seen) == [Outcome.ECHO]
    key = scoped_key(only_piece(alarm))
    assert key is not None
    seen.add([key])
    assert classify([alarm], {0: 2}, seen=seen) == [Outcome.DUPLICATE]


def test_what_this_worker_stored_before_and_telemetry_of_any_worker_is_a_duplicate():
    assert classify([delivery("alarm", ALARM)], {0: 1}) == [Outcome.DUPLICATE]
    assert classify([delivery("telemetry", {"type": "heartbeat", "id": "a"})], {0: 2}) == [Outcome.DUPLICATE]


def test_the_memory_of_keys_is_bounded_and_forgets_the_oldest():
    seen = SeenKeys(limit=2)
    seen.add([b"a", b"b", b"a", b"c"])
    assert [name in seen for name in (b"a", b"b", b"c")] == [True, False, True]


def test_every_piece_is_counted_as_received_and_once_as_something_else():
    made = [
        delivery("telemetry", {"events": [{"type": "heartbeat", "id": "a"}, {"type": "heartbeat"}, {"type": "?"}]}),
        delivery("alarm", ALARM),
        delivery("alarm", ALARM, retain=True),
        delivery("status", {"status": "online"}),
    ]
    settled = classify(made, {0: 1})
    counts = count(zip((piece for one in made for piece in one.pieces), settled, strict=True))
    for lane in ("alarm", "telemetry", "control"):
        received = counts[lane, "received"]
        assert received == sum(n for (of, outcome), n in counts.items() if of == lane and outcome != "received")
    assert counts["telemetry", "duplicate"] == counts["telemetry", "rejected"] == counts["alarm", "ignored"] == 1


# --- receipts


def settled(made, *given):
    for piece, outcome in zip(made.pieces, given, strict=True):
        piece.outcome = outcome
    return made


def test_a_receipt_counts_all_events_of_the_message_and_names_the_refused():
    events = [{"type": "sos", "id": "a"}, {"type": "?"}, {"type": "sos", "id": "b"}, {"type": "sos", "id": "c"}]
    made = delivery("alarm", {"events": events})
    # Pieces: the events in their order, then the refused.
    settled(made, Outcome.ACCEPTED, Outcome.ECHO, Outcome.DUPLICATE, Outcome.ECHO)
    body = receipt_body(made, NOW)
    assert body is not None
    assert json.loads(body) == {
        "accepted": 2,
        "duplicate": 1,
        "rejected": [{"index": 1, "reason": "unknown_type"}],
        "server_time": "2026-08-01T12:00:00.000Z",
    }


def test_an_ignored_message_has_no_receipt():
    assert receipt_body(settled(delivery("alarm", ALARM, retain=True), Outcome.IGNORED), NOW) is None


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (None, None),
        ("anxin/v1/hub-1/down/receipt", True),
        ("anxin/v1/hub-2/down/receipt", False),
        ("anxin/v1/hub-1/down/receipt/x", False),
        ("anxin/v1/hub-1/up/alarm", False),
        ("", False),
    ],
)
def test_a_receipt_goes_only_to_the_devices_own_topic(asked, wanted):
    assert wants_receipt(delivery("alarm", ALARM, response_topic=asked)) is wanted


# --- whose fault


def test_faults_are_told_apart():
    from psycopg import DataError, OperationalError, errors

    assert fault_of(errors.NumericValueOutOfRange()) is Fault.DATA
    assert fault_of(errors.CheckViolation()) is Fault.DATA
    assert fault_of(DataError("a NUL in a text")) is Fault.DATA
    assert fault_of(ValueError()) is Fault.DATA
    for away in (errors.DiskFull(), errors.AdminShutdown(), errors.DeadlockDetected(), OperationalError(), OSError()):
        assert fault_of(away) is Fault.SERVER
    assert fault_of(TimeoutError()) is Fault.SERVER
    assert fault_of(ConfigurationError()) is Fault.SERVER
    assert fault_of(errors.UndefinedTable()) is Fault.OURS


@pytest.mark.parametrize(
    ("sqlstate", "fault"),
    [
        ("08006", Fault.SERVER),  # connection failure
        ("25P02", Fault.SERVER),  # the transaction had failed before
        ("40001", Fault.SERVER),  # serialisation
        ("53100", Fault.SERVER),  # disk full
        ("53200", Fault.SERVER),  # out of memory
        ("53300", Fault.SERVER),  # too many connections
        ("55P03", Fault.SERVER),  # lock not available
        ("57014", Fault.SERVER),  # cancelled, or a statement timeout
        ("57P03", Fault.SERVER),  # cannot connect now
        ("58030", Fault.SERVER),  # input or output error
        ("XX001", Fault.SERVER),  # data corrupted
        ("22021", Fault.DATA),  # not a character
        ("23514", Fault.DATA),  # check
        ("54001", Fault.DATA),  # too complex
        ("42703", Fault.OURS),  # no such column
        ("28P01", Fault.OURS),  # wrong password
    ],
)
def test_each_class_of_error_is_somebodys_fault(sqlstate, fault):
    from psycopg import errors

    assert fault_of(errors.lookup(sqlstate)()) is fault


def test_a_condemned_alarm_rings_and_leaves_the_key_of_the_accepted_free():
    piece = only_piece(delivery("alarm", {**ALARM, "device": "child-1"}))
    before = piece.key
    condemn(piece, ValueError("secret"))
    content = piece.content
    assert isinstance(content, Rejection)
    assert (content.index, content.reason) == (0, "bad_value")
    assert [(cry.type, cry.device_id) for cry in content.cries] == [("sos", "child-1")]
    assert piece.key not in {None, before}
    assert "secret" not in content.detail
    # Once more: the dead letter must be kept even if the ringing is what fails.
    condemn(piece, ValueError())
    assert isinstance(piece.content, Rejection)
    assert piece.content.cries == []


def test_a_condemned_reading_is_quiet_and_an_alarm_whose_value_is_in_doubt_is_an_unreadable_one():
    reading = only_piece(delivery("telemetry", {"type": "heart_rate", "value": 70, "id": "1"}))
    condemn(reading, ValueError())
    assert isinstance(reading.content, Rejection)
    assert (reading.content.cries, reading.key) == ([], None)
    smoke = only_piece(delivery("alarm", {"type": "smoke", "value": True, "id": "1"}))
    condemn(smoke, ValueError())
    assert isinstance(smoke.content, Rejection)
    assert [cry.type for cry in smoke.content.cries] == ["unreadable_alarm"]


def test_an_error_of_our_own_is_named_by_its_place_and_not_by_its_text():
    try:
        int("a person's name")
    except ValueError as error:
        assert name_of(error).startswith("ValueError at ")
        assert "person" not in name_of(error)


def test_every_alarm_is_stored_as_an_event_which_is_all_the_alarm_lane_can_write():
    assert {each.storage for each in EVENT_TYPES if each.lane is Lane.ALARM} == {Storage.EVENT}
