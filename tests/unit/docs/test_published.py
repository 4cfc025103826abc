"""The published documents are what the code says today, and valid by the standards they name."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from alerts.model import Alert, as_contract
from alerts.vocabulary import EventKind, Severity, Status, SubjectKind
from anxin.published.asyncapi import TOPICS
from anxin.published.documents import documents
from anxin.published.live_schemas import RECEIVED, alert_schema, client_schemas, live_schemas
from anxin.published.mqtt_schemas import REASONS, mqtt_schemas
from api.live import frames
from api.live.client import read_first, read_frame
from core.contract.event import Reason
from core.domain.event_types import EVENT_TYPES
from tests.unit.docs.documents import ROOT

NOW = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
ALERT_ID = UUID("0198c0de-0000-7000-8000-000000000001")
ASYNCAPI_SCHEMA = Path(__file__).parent / "asyncapi-specs/3.0.0.json"
DOCUMENTS = documents()
SCHEMAS: dict[str, dict[str, Any]] = {**mqtt_schemas(), **live_schemas(), **client_schemas()}


def checked(schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def alert_object() -> dict[str, Any]:
    alert = Alert(
        id=ALERT_ID,
        subject_kind=SubjectKind.DEVICE,
        subject_id="dv-7f3k9q2m",
        elder_id=None,
        elder_ids=(),
        centre_id=ALERT_ID,
        region_code="990101001001",
        rule="sos",
        rule_version=1,
        severity=Severity.P0,
        status=Status.OPEN,
        opened_at=NOW,
        event_at=NOW,
        last_pressed_at=NOW,
        evidence=({"type": "sos", "at": "2026-03-01T08:30:00.000Z"},),
    )
    return {**as_contract(alert, NOW), "elder": None, "residents": []}


@pytest.mark.parametrize("path", DOCUMENTS)
def test_each_published_document_is_current(path: str):
    stands = ROOT / path
    assert stands.exists() and stands.read_text(encoding="utf-8") == DOCUMENTS[path], (
        f"{path} is stale; run: python -m anxin.published"
    )


def test_no_document_of_the_past_is_left_in_the_contract_folder():
    kept = {str(path.relative_to(ROOT)) for path in (ROOT / "docs/contract").iterdir()}
    assert kept == {path for path in DOCUMENTS if path.startswith("docs/contract/")}


def test_the_asyncapi_document_is_valid_by_the_asyncapi_initiatives_own_schema():
    schema = json.loads(ASYNCAPI_SCHEMA.read_text(encoding="utf-8"))
    document = json.loads(DOCUMENTS["docs/contract/asyncapi.json"])
    jsonschema.Draft7Validator(schema).validate(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate({**document, "channels": {"alarm": {"adress": "x"}}})


def test_every_reference_of_the_asyncapi_document_leads_somewhere():
    document = json.loads(DOCUMENTS["docs/contract/asyncapi.json"])
    found = list(references(document))
    assert len(found) > 20
    for reference in found:
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in place, reference
            place = place[part]


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for item in node for found in references(item)] if isinstance(node, list) else []


def test_the_asyncapi_document_has_every_topic_and_both_sides_of_the_stream():
    document = json.loads(DOCUMENTS["docs/contract/asyncapi.json"])
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert addresses == {topic for _, topic, _, _ in TOPICS} | {"/api/v1/live"}
    assert {operation["action"] for operation in document["operations"].values()} == {"send", "receive"}
    assert document["operations"]["alarm"]["action"] == "receive"


def test_the_openapi_document_is_valid_openapi_3_1():
    document = json.loads(DOCUMENTS["docs/contract/openapi.json"])
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()
    assert "/api/v1/alerts/{alert_id}/acknowledge" in document["paths"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_a_schema(name: str):
    assert SCHEMAS[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    checked(SCHEMAS[name])


def test_every_event_type_of_the_code_is_in_exactly_one_lane_of_the_schemas():
    lanes = {
        name: [event["properties"]["type"]["const"] for event in mqtt_schemas()[name]["$defs"]["event"]["oneOf"]]
        for name in ("alarm", "telemetry")
    }
    assert sorted(lanes["alarm"] + lanes["telemetry"]) == sorted(event.name for event in EVENT_TYPES)


def test_the_alert_schema_takes_the_alert_the_code_makes_and_misses_nothing_of_it():
    alert = alert_object()
    checked(alert_schema()).validate(alert)
    assert set(alert) == set(alert_schema()["properties"])
    with pytest.raises(jsonschema.ValidationError):
        checked(alert_schema()).validate({**alert, "severity": "urgent"})


def test_the_stream_schemas_take_the_texts_the_api_sends():
    alert = alert_object()
    provisional = {**alert, "stored": False, "provisional_id": str(ALERT_ID)}
    sent = {
        "live_hello": frames.hello(7, NOW, "0.1.0", reset=False, alerts=[alert], degraded=True),
        "live_alert": frames.alert_frame(EventKind.OPENED, 7, NOW, alert, ALERT_ID).text(6),
        "live_provisional": frames.provisional_frame(ALERT_ID, NOW, provisional).text,
        "live_heartbeat": frames.signal_text(frames.Signal.HEARTBEAT, 7, NOW, "0.1.0", degraded=True),
        "live_pong": frames.signal_text(frames.Signal.PONG, 7, NOW, "0.1.0", degraded=True),
        "live_error": frames.error_text("bad_json"),
    }
    assert set(sent) == set(live_schemas())
    for name, text in sent.items():
        frame = json.loads(text)
        checked(live_schemas()[name]).validate(frame)
        assert set(frame) == set(live_schemas()[name]["properties"]), name
        for missing in live_schemas()[name]["required"]:
            with pytest.raises(jsonschema.ValidationError):
                checked(live_schemas()[name]).validate({key: value for key, value in frame.items() if key != missing})


def test_what_a_client_may_say_by_the_schemas_is_what_the_api_reads():
    said: dict[str, dict[str, Any]] = {
        "live_client_first": {"token": "t", "after": 4},
        "live_client_token": {"token": "t"},
        "live_client_ping": {"type": "ping"},
        "live_client_shown": {"type": "shown", "alert": str(ALERT_ID), "seq": 3},
        "live_client_seat": {"type": "seat", "audible": True, "visible": False, "idle_s": 4},
    }
    for name, frame in said.items():
        checked(client_schemas()[name]).validate(frame)
        read = read_first if name == "live_client_first" else read_frame
        assert type(read(json.dumps(frame))) is RECEIVED[name]


def test_the_receipts_reasons_are_the_codes_ingest_gives():
    assert get_args(Reason) == REASONS
