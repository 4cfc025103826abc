"""Token buckets and floods: who may send how much, with time as an argument."""

import json
import struct
from typing import Any

from core.contract.event import Event, Rejection
from core.contract.event_time import SECOND
from ingest.dead_letters import dead_letter_rows
from ingest.limits import FloodNews, RateLimits
from ingest.throttle import throttle
from tests.unit.ingest.words import RECEIVED, delivery

NO, ID = 7, "watch-7"


def limits(**changes):
    return RateLimits(**{"events_per_s": 50, "burst_events": 3000, "flood_s": 60, **changes})


def allowed(of, count, at=RECEIVED, device_no=NO):
    return sum(of.allows(device_no, ID, at) for _ in range(count))


def test_the_burst_passes_at_once_and_then_fifty_a_second():
    of = limits()
    assert allowed(of, 4000) == 3000
    assert allowed(of, 100, RECEIVED + SECOND) == 50
    assert allowed(of, 4000, RECEIVED + 1000 * SECOND) == 3000


def test_a_hub_that_replays_its_backlog_at_its_rate_is_never_held_up():
    of = limits()
    assert all(of.allows(NO, ID, RECEIVED + n * 20_000) for n in range(20_000))


def test_each_device_has_a_bucket_of_its_own():
    of = limits(burst_events=10)
    assert allowed(of, 20) == 10
    assert allowed(of, 20, device_no=8) == 10


def test_two_workers_give_half_each():
    of = limits()
    of.share_with(2)
    assert allowed(of, 4000) == 1500
    assert allowed(of, 100, RECEIVED + 2 * SECOND) == 50
    of.share_with(1)
    assert allowed(of, 4000, RECEIVED + 1000 * SECOND) == 3000


def test_what_piled_up_while_the_platform_was_away_is_taken_when_it_is_back():
    of = limits()
    away = 100 * SECOND
    of.catch_up(RECEIVED + away)
    assert allowed(of, 10_000) == 8000  # the burst, and what fifty a second made of a hundred seconds
    assert allowed(of, 10_000, RECEIVED + 1000 * SECOND) == 3000


def test_full_buckets_are_forgotten():
    of = limits()
    for number in range(1000):
        of.allows(number, ID, RECEIVED)
    of.news(RECEIVED + 3600 * SECOND)
    assert of._full_at == {}


def flood(of, seconds, *, start=0, per_s=1000):
    """News of so many seconds of a device at `per_s`."""
    heard = []
    for n in range(seconds):
        now = RECEIVED + (start + n) * SECOND
        allowed(of, per_s, now)
        heard += of.news(now)
    return heard


def test_a_device_above_its_rate_for_a_minute_is_named_once_a_minute_until_it_kept_quiet_for_one():
    of = limits()
    heard = flood(of, 200)
    assert [(news.device_id, news.flooding) for news in heard] == [(ID, True)] * 3
    assert [news.first for news in heard] == [True, False, False]
    assert of.flooding == 1
    calm = [news for n in range(200, 300) for news in of.news(RECEIVED + n * SECOND)]
    assert [(news.device_no, news.flooding) for news in calm] == [(NO, False)]
    assert of.flooding == 0


def test_one_heap_is_no_flood_and_waves_are():
    of = limits()
    assert allowed(of, 10_000) == 3000
    assert [news for n in range(1, 200) for news in of.news(RECEIVED + n * SECOND)] == []
    heard = []
    for wave in range(12):
        heard += flood(of, 2, start=1000 + 8 * wave, per_s=5000)
    assert [news.flooding for news in heard] == [True]


def test_many_floods_leave_nothing_behind():
    of = limits(burst_events=1)
    for number in range(1000):
        allowed(of, 3, device_no=number)
    of.news(RECEIVED + 3600 * SECOND)
    assert of._floods == {}


# --- a message


def telemetry(*events, **options):
    return delivery("telemetry", {"events": list(events)}, **options)


def test_excess_telemetry_is_refused_by_index_and_the_child_is_meant():
    of = limits(burst_events=2)
    beat = {"type": "heartbeat", "device": "child-1"}
    made = telemetry(*({**beat, "id": str(n)} for n in range(4)), {"type": "heartbeat", "id": "own"})
    throttle(made, of)
    refused = [piece.content for piece in made.pieces if isinstance(piece.content, Rejection)]
    assert [(rejection.index, rejection.reason) for rejection in refused] == [(2, "rate_limited"), (3, "rate_limited")]
    assert [rejection.cries for rejection in refused] == [[], []]


def test_nothing_that_may_call_a_person_is_ever_limited():
    of = limits(burst_events=1)
    telling = [{"type": kind} for kind in ("fall_suspected", "elder_ok", "help_request")]
    made = telemetry({"type": "heartbeat", "id": "1"}, {"type": "heartbeat", "id": "2"}, *telling)
    throttle(made, of)
    assert [type(piece.content) for piece in made.pieces] == [Event, Rejection, Event, Event, Event]
    for kind, body in (("alarm", {"type": "sos"}), ("status", {"status": "online"})):
        many = [delivery(kind, body) for _ in range(5)]
        for each in many:
            throttle(each, of)
        assert not any(isinstance(piece.content, Rejection) for each in many for piece in each.pieces)


def test_news_of_a_flood_comes_with_any_message():
    of = limits()
    allowed(of, 5000)
    for n in range(61):
        allowed(of, 1000, RECEIVED + n * SECOND)
    made = delivery("alarm", {"type": "sos"})
    made.received = RECEIVED + 61 * SECOND
    throttle(made, of)
    assert made.floods == [FloodNews(ID, NO, flooding=True, at=made.received, first=True)]


# --- their dead letters


def letters(*deliveries):
    """(event index, payload, events) of the rows."""
    packed = dead_letter_rows(
        (piece, piece.content) for made in deliveries for piece in made.pieces if isinstance(piece.content, Rejection)
    )
    return [_columns(row) for row in packed]


def _columns(row):
    fields: list[Any] = []
    at = 2
    while at < len(row):
        (size,) = struct.unpack_from(">i", row, at)
        at += 4
        fields.append(None if size < 0 else row[at : at + size])
        at += max(size, 0)
    index = None if fields[5] is None else struct.unpack(">i", fields[5])[0]
    return index, json.loads(fields[8]), struct.unpack(">i", fields[9])[0]


def test_the_excess_of_a_device_is_one_letter_that_reads_as_a_message():
    of = limits(burst_events=1)
    beats = [delivery("telemetry", {"type": "heartbeat", "id": str(n)}) for n in range(1201)]
    for each in beats:
        throttle(each, of)
    found = letters(*beats)
    assert [events for _, _, events in found] == [500, 500, 200]
    assert all(index is None and len(body["events"]) == events for index, body, events in found)
    assert [each["id"] for _, body, _ in found for each in body["events"]] == [str(n) for n in range(1, 1201)]


def test_a_letter_keeps_the_time_of_its_message():
    of = limits(burst_events=1)
    body = {"sent_at": "2026-08-01T11:00:00.000Z", "events": [{"type": "heartbeat", "zone": str(n)} for n in range(3)]}
    made = delivery("telemetry", body)
    throttle(made, of)
    ((_, kept, _),) = letters(made)
    assert kept["sent_at"] == "2026-08-01T11:00:00+00:00"


def test_any_other_refusal_is_a_letter_of_its_own():
    made = telemetry({"type": "?"}, {"type": "??"})
    assert letters(made) == [(0, {"type": "?"}, 1), (1, {"type": "??"}, 1)]


def test_a_clock_that_is_set_back_refuses_nothing_and_forgets_no_flood():
    of = limits(burst_events=10, flood_s=20)
    back = 3600 * SECOND
    for second in range(21):
        allowed(of, 100, RECEIVED + second * SECOND)
    now = RECEIVED + 21 * SECOND
    assert [news.flooding for news in of.news(now)] == [True]
    assert allowed(of, 1, now - back, device_no=8) == 1
    assert allowed(of, 100, now - back) == 10, "full again after a second, as if no hour had been taken away"
    assert [news.flooding for news in of.news(now - back + 21 * SECOND)] == [False]
