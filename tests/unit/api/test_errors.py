import json
from datetime import UTC, datetime

import psycopg
import pytest

import core.runtime.crypto  # noqa: F401 - defines an error of the tree
from api.errors import MAPPED, problem_of, render, where
from api.messages import PROBLEMS
from api.problems import Problem
from core.errors import AlertHeld, AnxinError, Conflict, FieldError, Invalid, Unavailable
from core.store.pool import is_retryable


def tree(root: type[AnxinError]) -> set[type[AnxinError]]:
    return {root}.union(*(tree(each) for each in root.__subclasses__()))


def test_every_error_of_core_is_mapped_to_a_status_and_a_known_code():
    in_core = {each for each in tree(AnxinError) if each.__module__.startswith(("core.errors", "core.runtime"))}
    assert in_core == set(MAPPED)
    for status, code in MAPPED.values():
        assert 400 <= status < 600
        assert code in PROBLEMS["en"]


def test_a_new_kind_of_error_is_answered_like_its_parent():
    class Fresh(Conflict):
        """A later invention."""

    assert problem_of(Fresh(), "en").status == 409


def test_a_held_alert_says_by_whom_and_since_when_in_the_callers_language():
    held = AlertHeld("坐席 1", datetime(2026, 3, 1, 2, 41, 58, tzinfo=UTC))
    problem = problem_of(held, "zh-CN")
    document = json.loads(bytes(render(problem, "zh-CN", instance="/api/v1/alerts/x/acknowledge", reference="r1").body))
    assert document["type"].endswith("alert-held")
    assert (document["held_by"], document["since"]) == ("坐席 1", "2026-03-01T02:41:58.000Z")
    assert "坐席 1" in document["detail"]
    assert document["status"] == 409


def test_a_conflict_keeps_its_own_code_and_never_the_domains_sentence():
    problem = problem_of(Conflict("secret words", code="binding-overlap"), "en")
    response = render(problem, "en", instance="/x", reference="r1")
    assert json.loads(bytes(response.body))["type"].endswith("binding-overlap")
    assert b"secret words" not in response.body
    assert response.headers["content-type"] == "application/problem+json"


def test_invalid_input_names_field_rule_and_a_sentence():
    problem = problem_of(Invalid(FieldError("birth_date", "missing", "domain words")), "zh-CN")
    document = json.loads(bytes(render(problem, "zh-CN", instance="/x", reference="r1").body))
    assert document["errors"] == [{"field": "birth_date", "rule": "missing", "message": "必填。"}]


def test_a_server_that_is_away_may_be_asked_again():
    assert problem_of(Unavailable(), "en").headers["Retry-After"]
    assert is_retryable(psycopg.OperationalError())


def test_every_sentence_can_be_filled():
    values: dict[str, str | int] = {"limit": 1, "held_by": "x", "since": "y"}
    for code in PROBLEMS["en"]:
        for language in ("zh-CN", "en"):
            response = render(Problem(500, code, values=values), language, instance="/", reference="ref")
            assert "{" not in json.loads(bytes(response.body))["detail"]


def test_where_names_lines_of_ours_and_no_values():
    with pytest.raises(ValueError) as caught:
        int("a secret")
    assert "secret" not in where(caught.value)
    assert where(caught.value).startswith("api/test_errors.py:")
