"""The ready file as simulators read it, of this version's demo and of an earlier one's."""

import json
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from simulators.ready import read_ready

EARLIER = {
    "api_url": "http://127.0.0.1:8080",
    "mqtt_host": "127.0.0.1",
    "mqtt_port": 1883,
    "database_url": "postgresql://nobody@127.0.0.1/town",
    "accounts": {"admin": {"username": "a", "password": "b"}},
    "spare_device": {"id": "x", "username": "x", "password": "y", "elder_id": "e"},
}


def read(tmp_path: Path, document: dict):
    file = tmp_path / "ready.json"
    file.write_text(json.dumps(document))
    return read_ready(file)


def test_the_live_stream_is_where_the_ready_file_says_or_where_an_earlier_demo_has_it(tmp_path: Path):
    assert read(tmp_path, EARLIER | {"live_url": "ws://elsewhere/live"}).live_url == "ws://elsewhere/live"
    assert read(tmp_path, EARLIER).live_url == "ws://127.0.0.1:8080/api/v1/live"


def test_a_ready_file_without_an_api_is_refused_with_a_sentence(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="is not a ready file of this version"):
        read(tmp_path, {name: value for name, value in EARLIER.items() if name != "api_url"})
