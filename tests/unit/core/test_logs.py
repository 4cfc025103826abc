"""Log lines are for machines first: one JSON object with a stable action."""

import json
import logging
from datetime import UTC, datetime
from uuid import UUID

from core.runtime.logs import JsonFormatter, TextFormatter


def _record(**extra) -> logging.LogRecord:
    return logging.getLogger("x").makeRecord(
        "alerts.intake", logging.INFO, "f", 1, "alert opened", (), None, extra=extra
    )


def test_a_line_is_one_object_with_action_component_and_ids():
    alert_id = UUID(int=7)
    line = json.loads(JsonFormatter("engine").format(_record(action="alert.opened", alert_id=alert_id)))
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info",
        "component": "engine",
        "action": "alert.opened",
        "text": "alert opened",
        "alert_id": str(alert_id),
    }


def test_a_line_without_an_action_falls_back_to_the_logger_name():
    assert json.loads(JsonFormatter("engine").format(_record()))["action"] == "alerts.intake"


def test_the_text_form_keeps_the_ids():
    assert "alert opened alert_id=7" in TextFormatter("engine").format(_record(action="a", alert_id=7))


def test_times_are_utc():
    record = _record()
    record.created = datetime(2026, 11, 23, 2, 40, tzinfo=UTC).timestamp()
    assert json.loads(JsonFormatter("x").format(record))["at"] == "2026-11-23T02:40:00.000+00:00"
