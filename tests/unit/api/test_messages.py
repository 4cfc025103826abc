import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from api.messages import FIRST, PROBLEMS, RULES, choose_language, problem_text, rule_text
from api.validation import _RULES

ROOT = Path(__file__).parents[3]


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_have_the_same_codes_and_the_same_gaps_to_fill():
    assert PROBLEMS["zh-CN"].keys() == PROBLEMS["en"].keys()
    assert RULES["zh-CN"].keys() == RULES["en"].keys()
    for code, (_, detail) in PROBLEMS["en"].items():
        assert names_in(detail) == names_in(PROBLEMS["zh-CN"][code][1]), code
    for rule, text in RULES["en"].items():
        assert names_in(text) == names_in(RULES["zh-CN"][rule]), rule


def test_chinese_sentences_are_chinese_and_english_ones_are_not():
    han = re.compile(r"[\u4e00-\u9fff]")
    for code in PROBLEMS["en"]:
        assert all(han.search(text) for text in PROBLEMS["zh-CN"][code]), code
        assert not any(han.search(text) for text in PROBLEMS["en"][code]), code
    assert all(han.search(text) for text in RULES["zh-CN"].values())


def calls() -> Iterator[ast.Call]:
    """Every call by plain name in what the API may run."""
    for folder in ("api", "alerts", "registry"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    yield node


def literal(node: ast.AST) -> set[str]:
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def codes_in_use() -> set[str]:
    """Every literal code given to a Conflict or a Problem."""
    found = set()
    for call in calls():
        name = getattr(call.func, "id", "")
        if name == "Conflict":
            found |= {code for k in call.keywords if k.arg == "code" for code in literal(k.value)}
        if name == "Problem" and len(call.args) > 1:
            found |= literal(call.args[1])
    return found


def rules_in_use() -> set[str]:
    errors = [call for call in calls() if getattr(call.func, "id", "") == "FieldError" and len(call.args) > 1]
    return {rule for error in errors for rule in literal(error.args[1])}


def test_every_code_the_program_can_answer_has_a_sentence():
    assert "token-missing" in codes_in_use()  # the search itself finds something
    assert codes_in_use() - PROBLEMS["en"].keys() == set()


def test_every_rule_the_program_can_answer_has_a_sentence():
    assert "exactly_one" in rules_in_use()
    assert rules_in_use() - RULES["en"].keys() == set()


def test_every_rule_of_validation_has_a_sentence():
    assert {rule for _, rule in _RULES} | {"type", "not_valid"} <= RULES["en"].keys()


@pytest.mark.parametrize(
    ("header", "locale", "chosen"),
    [
        (None, None, "zh-CN"),
        (None, "en", "en"),
        ("en", "zh-CN", "en"),
        ("zh-TW,zh;q=0.9,en;q=0.8", "en", "zh-CN"),
        ("fr,en;q=0.5", None, "en"),
        ("en;q=0.1, zh;q=0.9", None, "zh-CN"),
        ("de", "en", "en"),
        ("en;q=0", None, FIRST),
        ("en;q=x,;;,", None, FIRST),
    ],
)
def test_the_request_chooses_the_language_then_the_account(header: str | None, locale: str | None, chosen: str):
    assert choose_language(header, locale) == chosen


def test_a_code_without_a_sentence_of_its_own_still_gets_one():
    assert problem_text("something-new", "en") == PROBLEMS["en"]["conflict"]


def test_english_keeps_the_domains_words_and_chinese_never_shows_english():
    assert rule_text("form", "en", "the domain's words") == "the domain's words"
    assert rule_text("form", "zh-CN", "the domain's words") == RULES["zh-CN"]["form"]
    assert rule_text("something_new", "zh-CN", "the domain's words") == RULES["zh-CN"]["not_valid"]
    assert rule_text("choice", "zh-CN", "the domain's words") == RULES["zh-CN"]["not_valid"]  # nothing to fill it with
