"""Who takes a device's telemetry when several workers read all of it."""

from collections import Counter
from types import SimpleNamespace

import pytest

from core.errors import ConfigurationError
from ingest.partition import Partition, part_of
from ingest.settings import IngestSettings

TOPICS = [f"anxin/v1/hub-{n}/up/{kind}" for n in range(2000) for kind in ("telemetry", "status", "result")]


def test_every_message_is_exactly_one_workers_and_the_others_acknowledge_it():
    messages = [SimpleNamespace(topic=topic) for topic in TOPICS]
    taken: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    for worker in (1, 2, 3):
        Partition(
            worker,
            3,
            ours=lambda mine: taken.update(each.topic for each in mine),
            others=lambda foreign: passed.update(each.topic for each in foreign),
        ).take(messages)  # type: ignore[arg-type]
    assert taken == Counter(TOPICS)
    assert passed == Counter(dict.fromkeys(TOPICS, 2))


def test_all_topics_of_a_device_have_one_worker_and_the_parts_are_about_equal():
    parts = Counter(part_of(f"anxin/v1/hub-{n}/up/telemetry", 4) for n in range(2000))
    assert all(
        part_of(f"anxin/v1/hub-{n}/up/status", 4) == part_of(f"anxin/v1/hub-{n}/up/telemetry", 4) for n in range(2000)
    )
    assert min(parts.values()) > 400


def test_a_worker_beyond_the_number_of_workers_is_refused_with_a_sentence():
    with pytest.raises(ConfigurationError, match="worker 3 of 2 would take nothing"):
        IngestSettings.load(
            database_url="postgresql://x@localhost/x", mqtt_url="mqtt://localhost", ingest_worker=3, ingest_workers=2
        )
