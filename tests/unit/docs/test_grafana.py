"""The dashboard and the rules of docs/grafana name metrics that the programs really have."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.unit.docs.documents import ROOT
from tests.unit.docs.test_pages import SOURCES, strings_of

FOLDER = ROOT / "docs/grafana"
DASHBOARD = json.loads((FOLDER / "anxin.json").read_text(encoding="utf-8"))
MADE = {text for path in SOURCES for text in strings_of(path) if re.fullmatch(r"anxin_[a-z0-9_]+", text)}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]:
        yield from group["rules"]


def expressions() -> list[str]:
    return [target["expr"] for panel in PANELS for target in panel["targets"]] + [rule["expr"] for rule in rules()]


@pytest.mark.parametrize("expression", expressions())
def test_every_metric_of_an_expression_is_made_by_the_code(expression: str):
    found = re.findall(r"\banxin_[a-z0-9_]+", expression)
    for name in found:
        assert re.sub(r"_(bucket|sum|count)$", "", name) in MADE, name
    assert found or expression.startswith("up{")
    assert expression.count("(") == expression.count(")") and expression.count("{") == expression.count("}")


def test_the_panels_have_ids_of_their_own_lie_side_by_side_and_ask_something():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids)) > 15
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not cells & taken, panel["title"]
        taken |= cells
    assert all(target["expr"] and target["refId"] for panel in PANELS for target in panel["targets"])
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in PANELS)
    assert DASHBOARD["templating"]["list"][0]["name"] == "datasource"


def test_each_rule_has_a_name_a_severity_and_a_sentence():
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 5
    assert all(rule["labels"]["severity"] and rule["annotations"]["summary"] for rule in rules())


def test_the_scrape_example_asks_the_usual_ports_of_every_kind_of_part():
    example = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    targets = {
        target for job in example["scrape_configs"] for each in job["static_configs"] for target in each["targets"]
    }
    assert {"127.0.0.1:9101", "127.0.0.1:9102", "127.0.0.1:8080"} <= targets
    assert example["rule_files"] == ["alerts.yml"]
