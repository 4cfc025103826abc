"""What a batch says of the state of devices."""

from datetime import timedelta

from core.contract.event_time import micros
from ingest.liveness import news_of
from tests.unit.ingest.words import NOW, RECEIVED, delivery


def news(*deliveries):
    return dict(news_of(piece for made in deliveries for piece in made.pieces))


def ago(seconds):
    return (NOW - timedelta(seconds=seconds)).isoformat()


def test_a_childs_event_is_a_sign_of_life_of_the_child_and_of_its_hub():
    told = news(delivery("telemetry", {"type": "motion", "value": True, "at": ago(5), "device": "child-1"}))
    assert {no: (state.last_seen, state.last_at) for no, state in told.items()} == {
        1: (RECEIVED, None),
        2: (RECEIVED, micros(NOW - timedelta(seconds=5))),
    }


def test_refused_content_is_a_sign_of_life_of_the_one_that_published_it_only():
    assert list(news(delivery("telemetry", b"rubbish"))) == [1]
    assert list(news(delivery("telemetry", {"type": "heartbeat", "device": "nobody"}))) == [1]
    assert list(news(delivery("telemetry", {"type": "heartbeat"}, device_id="hub-gone"))) == [6]


def test_strangers_and_stored_replays_are_no_sign_of_life():
    assert news(delivery("telemetry", {"type": "heartbeat"}, device_id="nobody")) == {}
    assert news(delivery("alarm", {"type": "sos"}, retain=True)) == {}


def test_the_newest_battery_and_worn_of_a_batch_count_whatever_their_order():
    events = [
        {"type": "battery", "value": 50, "at": ago(1)},
        {"type": "battery", "value": 90, "at": ago(60)},
        {"type": "worn", "value": False, "at": ago(1)},
        {"type": "worn", "value": True, "at": ago(60)},
    ]
    state = news(delivery("telemetry", {"events": events}))[1]
    assert (state.battery_pct, state.worn, state.last_at) == (50, False, micros(NOW - timedelta(seconds=1)))


def test_devices_come_sorted_so_that_workers_lock_in_one_order():
    made = [delivery("telemetry", {"type": "heartbeat"}, device_id=name) for name in ("hub-gone", "hub-2", "hub-1")]
    assert [no for no, _ in news_of(piece for one in made for piece in one.pieces)] == [1, 4, 6]


def test_a_last_will_is_the_brokers_word_and_no_sign_of_life():
    online = delivery("status", {"status": "online", "session": "a"})
    offline = delivery("status", {"status": "offline", "session": "a"}, at=NOW + timedelta(seconds=1))
    state = news(online, offline)[1]
    assert (state.link, state.last_seen) == ("offline", RECEIVED)
    assert news(offline)[1].last_seen == 0


def test_the_late_will_of_an_earlier_session_is_no_news():
    birth = delivery("status", {"status": "online", "session": "b"})
    will = delivery("status", {"status": "offline", "session": "a"}, at=NOW + timedelta(seconds=1))
    assert news(birth, will)[1].link == "online"
