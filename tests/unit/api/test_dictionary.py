"""Every code has words in both languages."""

import re

import pytest

from alerts.catalogue import RULE_TEXTS
from alerts.vocabulary import FALSE_CODES, ActorKind, CallResult, CloseCode, EventKind, Severity, Status, Verdict
from api.dictionary import dictionary
from core.domain.event_types import EVENT_TYPES
from core.domain.metrics import METRICS
from registry.access import Role

HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize(
    ("group", "codes"),
    [
        ("statuses", Status),
        ("severities", Severity),
        ("roles", Role),
        ("alert_events", EventKind),
        ("actor_kinds", ActorKind),
        ("call_results", CallResult),
        ("verdicts", Verdict),
        ("close_codes_all", CloseCode),
        ("close_codes_all", FALSE_CODES - {"false"}),
        ("rules", RULE_TEXTS),
        ("event_types", [each.name for each in EVENT_TYPES]),
        ("metrics", [each.name for each in METRICS]),
    ],
)
def test_every_code_of_a_vocabulary_is_labelled(group, codes) -> None:
    assert {str(code) for code in codes} <= set(dictionary()[group])


def test_every_label_is_chinese_first_and_english_second() -> None:
    for group, labels in dictionary().items():
        for code, label in labels.items():
            assert HAN.search(label["zh"]), (group, code)
            assert label["en"].strip(), (group, code)
            assert not HAN.search(label["en"]), (group, code)


def test_nobody_may_choose_the_codes_the_platform_closes_with() -> None:
    assert not {str(code) for code in CloseCode} & set(dictionary()["close_codes"])
