"""What rings in an alarm message, and that it is named as ingest names it."""

import json
from datetime import timedelta

import pytest

from core.contract.keys import CopyCounter
from ingest.admission import admit, assign_keys, delivery_of
from ingest.delivery import Outcome
from ingest.occurrences import occurrences_of
from registry.directory import DeviceEntry, Directory
from registry.scope_map import ScopeMap
from tests.unit.api.emergency_words import CENTRE, ELDER, NOW, OTHER_CENTRE, TOWN, hear, press
from tests.unit.ingest.words import message

MESSAGES = [
    {"type": "sos", "id": "a"},
    {"type": "sos", "at": "2026-05-04T04:00:00Z"},
    {"type": "sos"},
    {"type": "fall", "value": {"confidence": 0.3}, "zone": "bathroom"},
    {"type": "smoke", "value": True, "id": "s"},
    {"type": "smoke", "value": False, "id": "s"},
    {"type": "sos", "id": "b", "device": "child"},
    {"type": "sos", "id": "c", "device": "stranger"},
    {"type": "sos", "device": "stranger"},
    {"type": "sos", "quality": "?", "id": "d"},
    {"type": "heart_rate", "value": 70},
    {"type": "nonsense", "id": "e"},
    {"events": [{"type": "sos"}, {"type": "sos"}, {"type": "fall", "id": "f"}, {"type": "sos", "id": 7}]},
    b"{",
    b'"sos"',
    b"",
]


@pytest.mark.parametrize("device", ["watch", "hub", "old", "nobody"])
@pytest.mark.parametrize("body", MESSAGES, ids=lambda body: str(body)[:40])
def test_every_cry_is_judged_attributed_to_a_device_and_keyed_as_ingest_does_it(device, body):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    directory = Directory(
        DeviceEntry(each.id, each.device_no, each.lifecycle, each.hub_id, None, "watch")
        for each in TOWN.devices.values()
    )
    delivery = delivery_of(message(f"anxin/v1/{device}/up/alarm", raw, at=NOW))
    admit(delivery, directory)
    assign_keys(delivery, CopyCounter(0))
    outcomes = {True: Outcome.REJECTED, False: Outcome.ACCEPTED}
    told = occurrences_of((piece, outcomes[hasattr(piece.content, "reason")]) for piece in delivery.pieces)
    ringing = [each for each in told if each.value is not False]
    assert [heard.hit.occurrence for heard in hear(raw, device)] == ringing
    assert {heard.key_scope for heard in hear(raw, device)} <= {delivery.key_scope}


def test_a_press_is_its_elders_and_a_foreign_childs_is_the_hubs_centres_and_no_familys():
    subject = press("a").hit.subject
    assert (subject.kind, subject.elder_id, subject.elder_ids, subject.centre_id) == (
        "elder",
        ELDER,
        (ELDER,),
        CENTRE,
    )
    [heard] = hear({"type": "sos", "device": "stranger"}, "hub")
    subject = heard.hit.subject
    assert (subject.kind, subject.id, subject.elder_ids, subject.centre_id) == ("device", "hub", (), OTHER_CENTRE)
    assert heard.devices == ("hub", "stranger")


def test_an_unknown_device_rings_at_the_default_centre():
    subject = press("a", "nobody").hit.subject
    assert (subject.kind, subject.id, subject.centre_id) == ("device", "nobody", OTHER_CENTRE)


def test_only_a_named_cry_of_a_known_device_is_certain_of_its_key():
    assert press("a").certain
    assert press("a", "old").certain
    assert not press().certain
    assert not press("a", "nobody").certain  # it may be a device created a moment ago, which ingest knows


def test_other_topics_and_good_news_do_not_ring_and_before_the_first_map_nothing_does():
    assert hear({"type": "smoke", "value": False}) == []
    assert hear({"type": "sos", "id": "a"}, town=ScopeMap()) == []
    assert press("a", after_s=3).hit.occurrence.received_at == NOW + timedelta(seconds=3)
