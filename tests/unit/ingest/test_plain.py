"""Plain readings: both ways through ingest say the same of every message."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.contract.event import Rejection
from core.contract.keys import CopyCounter
from core.domain.event_types import EVENT_TYPES
from ingest.accounting import count, count_plain, minutes
from ingest.admission import admit, assign_keys, delivery_of
from ingest.batch import Batch
from ingest.classify import SeenKeys, candidates, outcomes
from ingest.delivery import Delivery
from ingest.limits import RateLimits
from ingest.liveness import news_of
from ingest.plain import dissolve
from ingest.rows import key_row
from ingest.sightings import Sightings
from ingest.tables import add_plain, tables_of
from ingest.throttle import throttle
from tests.unit.ingest.words import DIRECTORY, RECEIVED, message

NUMBERS = [each.name for each in EVENT_TYPES if each.storage == "reading"]
TIMES = ["2026-08-01T11:59:58.500Z", "2026-08-01T19:59:58+08:00", "2026-07-31T23:59:60Z", "2026-07-01T00:00:00Z"]
ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1e300,
    "",
    "good",
    "suspect",
    "x" * 65,
    "a\x00b",
    "\ud800",
    [],
    {},
    [1],
    {"a": 1},
]

# Mostly well: an event that is wrong in two ways shows nothing.
well, odd = st.integers(51, 85), st.one_of(st.integers(-50, 300), st.floats(-50, 300), st.sampled_from(ODD))
values = st.one_of(well, well, well, st.floats(51, 85), odd)
events = st.fixed_dictionaries(
    {"type": st.sampled_from([*NUMBERS * 2, "worn", "motion", "elder_ok", "sos", "unheard_of"])},
    optional={
        "id": st.one_of(
            st.sampled_from([*ODD, "a", "b", "01K1J5XB3M0000000000000000"]),
            st.text(alphabet="ab é中\x00\u200b", max_size=66),
        ),
        "at": st.sampled_from([*TIMES, *TIMES, *TIMES, "2020-01-01T00:00:00Z", "soon", 5, None]),
        "device": st.sampled_from([*["child-1"] * 8, "child-gone", "child-2", "hub-1", "nobody", 7, None, []]),
        "value": values,
        "zone": st.sampled_from([None, None, "bedroom", 3]),
        "quality": st.sampled_from([None, None, "good", "suspect", "odd"]),
        "unheard_of": st.just(1),
    },
)
bodies = st.one_of(
    events,
    st.fixed_dictionaries(
        {"events": st.lists(st.one_of(events, st.sampled_from(ODD)), max_size=8)},
        optional={"sent_at": st.sampled_from([TIMES[0], "soon", 4])},
    ),
)
publishers = st.sampled_from(["hub-1", "hub-1", "hub-1", "hub-2", "hub-gone", "nobody"])
said = st.lists(st.tuples(publishers, bodies), min_size=1, max_size=6)


def judged(messages: list[tuple[str, Any]], *, plainly: bool) -> Batch:
    batch, copies = Batch(), CopyCounter(0)
    for publisher, body in messages:
        made = delivery_of(message(f"anxin/v1/{publisher}/up/telemetry", body))
        admit(made, DIRECTORY, plainly=plainly)
        assign_keys(made, copies)
        batch.deliveries.append(made)
    batch.gather()
    return batch


def told(batch: Batch) -> dict[str, Any]:
    """All that a batch makes of its events, whichever way they went; the first of two equal keys wins."""
    pieces, plain, closed_up_to = batch.pieces, batch.plain, RECEIVED - 3600 * 1_000_000
    running = candidates(pieces)
    repeated = plain.repeated({key_row(key) for key in running.first})
    settled = list(zip(pieces, outcomes(pieces, running, {}, worker=1, seen=SeenKeys()), strict=True))
    tables = tables_of(settled, closed_up_to)
    add_plain(tables, plain, repeated, closed_up_to)
    news = Sightings(0).plan(news_of(pieces), plain.seen, RECEIVED, busy=True).write
    return {
        "readings": Counter(tables.reading),
        "late": tables.late,
        "events": Counter(tables.event),
        "positions": Counter(tables.position),
        "refused": Counter((p.content.index, p.content.reason) for p, _ in settled if isinstance(p.content, Rejection)),
        "keys": {*map(key_row, running.first), *plain.keys},
        "news": news,
        "counts": count(settled) + count_plain(len(plain), len(repeated)),
        "minutes": minutes(settled, RECEIVED, plain=len(plain) - len(repeated)),
    }


def without_repeats(messages: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Which of two events with one key is stored is the one thing in which the two ways may differ."""
    batch, kept = judged(messages, plainly=False), []
    met: set[tuple[int, bytes]] = set()
    for (publisher, body), made in zip(messages, batch.deliveries, strict=True):
        keys = [(made.key_scope, piece.key) for piece in made.pieces if piece.key is not None]
        if len(set(keys)) == len(keys) and met.isdisjoint(keys):
            kept.append((publisher, body))
        met.update(keys)
    return kept


@given(said)
def test_a_batch_becomes_the_same_rows_keys_news_and_counts_either_way(messages):
    messages = without_repeats(messages)
    assert told(judged(messages, plainly=True)) == told(judged(messages, plainly=False))


@given(said)
def test_repeats_are_counted_alike_either_way(messages):
    plain, usual = told(judged(messages, plainly=True)), told(judged(messages, plainly=False))
    assert [plain[name] for name in ("keys", "counts", "news")] == [usual[name] for name in ("keys", "counts", "news")]


@given(said)
def test_dissolved_a_batch_has_the_pieces_it_would_have_had(messages):
    batch = judged(messages, plainly=True)
    batch.dissolve()
    assert not batch.plain and not any(made.readings for made in batch.deliveries)

    def contents(of: Batch) -> list[list[Any]]:
        return [
            sorted(((repr(p.content), p.device_no, p.device_id, p.key) for p in d.pieces), key=repr)
            for d in of.deliveries
        ]

    assert contents(batch) == contents(judged(messages, plainly=False))


def a_reading(**more: Any) -> dict[str, Any]:
    return {"type": "heart_rate", "at": TIMES[0], "value": 61, **more}


def one(body: Any, **options: Any) -> Delivery:
    made = delivery_of(message("anxin/v1/hub-1/up/telemetry", body, **options))
    admit(made, DIRECTORY, plainly=True)
    return made


def test_an_ordinary_reading_is_plain_with_an_id_or_without_the_hubs_or_a_childs():
    for more in ({}, {"id": "a"}, {"device": "child-1"}, {"device": "hub-1"}, {"value": 61.5}):
        made = one(a_reading(**more))
        assert (len(made.readings), made.pieces) == (1, [])


def test_what_a_rule_reads_or_a_devices_state_is_made_of_is_never_plain():
    for name, value in (("battery", 50), ("worn", True), ("motion", True)):
        assert not one({"type": name, "at": TIMES[0], "value": value}).readings


def test_readings_above_the_rate_are_refused_like_other_events():
    rates = RateLimits(events_per_s=1, burst_events=2, flood_s=60)
    made = one({"events": [a_reading(id=str(n)) for n in range(5)]})
    throttle(made, rates)
    assert len(made.readings) == 2
    refused = [piece.content for piece in made.pieces if isinstance(piece.content, Rejection)]
    assert [(each.index, each.reason, each.id) for each in refused] == [(n, "rate_limited", str(n)) for n in (2, 3, 4)]
    assert [piece.key for piece in made.pieces] == [None] * 3


def test_a_receipt_counts_plain_readings_and_their_repeats():
    topic = "anxin/v1/hub-1/down/receipt"
    first, second = (one({"events": [a_reading(id="a"), a_reading(id=name)]}, response_topic=topic) for name in "bc")
    batch = Batch([first, second])
    batch.gather()
    batch.plain.settle(batch.plain.repeated(set()))
    assert (first.repeated, second.repeated) == (0, 1)


def test_dissolving_leaves_messages_without_plain_readings_alone():
    made = one({"type": "motion", "at": TIMES[0], "value": True})
    assert dissolve([made]) == []
    assert len(made.pieces) == 1


def test_a_number_that_json_cannot_hold_and_a_time_of_any_length_are_refused_like_other_events():
    body = b'{"events":[{"type":"heart_rate","at":"%s","value":61},{"type":"heart_rate","at":"%s","value":1e400}]}'
    made = one(body % (b"2" * 100_000, TIMES[0].encode()))
    assert not made.readings and all(isinstance(piece.content, Rejection) for piece in made.pieces)
