"""What the pages written by hand say about commands, metrics, topics and files is true of the code."""

import ast
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml

from anxin.published.mqtt_schemas import mqtt_schemas
from anxin.published.settings_page import OTHERS, own_fields, settings_models
from core.runtime.settings import PREFIX
from tests.unit.docs.documents import ROOT, check_command, command_lines, committed_files

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOLDERS = ("anxin", "core", "registry", "gateway", "ingest", "alerts", "history", "api", "simulators", "stack")
SOURCES = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
DECLARED = {f"{PREFIX}{name.upper()}" for model in settings_models() for name in own_fields(model)}
# A name of no setting: the text tells how a variable and its file are called in general.
PLACEHOLDERS = {"ANXIN_NAME"}


def commands_of(page: Path) -> list[list[str]]:
    return list(command_lines(page.read_text(encoding="utf-8")))


def anxin_commands() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES:
        for words in commands_of(page):
            name = words[0].removeprefix(".venv/bin/")
            if "|" in words:
                words = words[words.index("|") + 1 :]
                name = words[0]
            if name == "anxin":
                yield page.name, ["anxin", *words[1:]]
            elif words[:3] == ["docker", "compose", "run"]:
                service, rest = after_options(words[3:])
                assert service in SERVICES, f"{page.name}: compose has no service {service}"
                if rest:
                    yield page.name, ["anxin", *rest]


def after_options(words: list[str]) -> tuple[str, list[str]]:
    """The service and what follows it, behind `--rm`, `-v X` and `--user X`."""
    while words[0].startswith("-"):
        words = words[1:] if words[0] == "--rm" else words[2:]
    return words[0], words[1:]


@pytest.mark.parametrize(
    ("page", "words"), list(anxin_commands()), ids=lambda part: part if isinstance(part, str) else None
)
def test_every_anxin_command_of_the_pages_is_understood(page: str, words: list[str]):
    if words[1:2] != ["--help"]:
        check_command(words)


def test_the_pages_do_show_commands():
    shown = {words[1] for _, words in anxin_commands()}
    assert {"stack", "migrate", "ingest", "alerts", "api", "broker-sync", "device", "account", "replay"} <= shown


def test_every_script_of_the_pages_exists():
    used = {word for page in PAGES for words in commands_of(page) for word in words if word.startswith("scripts/")}
    assert {"scripts/demo", "scripts/test", "scripts/secrets"} <= used
    assert all((ROOT / script).stat().st_mode & 0o100 for script in used)


def mosquitto_publishes() -> Iterator[tuple[str, str, str]]:
    for page in PAGES:
        for words in commands_of(page):
            if words[0] == "mosquitto_pub":
                options = dict(zip(words[1::2], words[2::2], strict=False))
                yield page.name, options["-t"], options["-m"]


@pytest.mark.parametrize(("page", "topic", "payload"), list(mosquitto_publishes()))
def test_every_message_of_the_pages_is_one_the_contract_takes(page: str, topic: str, payload: str):
    end = re.fullmatch(r"anxin/v1/[^/]+/up/(\w+)", topic)
    assert end is not None, topic
    schema = mqtt_schemas()[end[1]]
    jsonschema.Draft202012Validator(schema).validate(json.loads(payload))


def test_the_topics_page_shows_a_message_of_every_upward_topic():
    shown = {topic.rsplit("/", 1)[1] for page, topic, _ in mosquitto_publishes() if page == "topics.md"}
    assert shown == {"alarm", "telemetry", "status", "result"}


def strings_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_every_variable_the_code_names_is_a_declared_setting_or_a_listed_exception():
    known = DECLARED | {f"{name}_FILE" for name in DECLARED} | set(OTHERS) | PLACEHOLDERS
    named = {(name, str(path.relative_to(ROOT))) for path in SOURCES for text in strings_of(path)
             for name in re.findall(r"ANXIN_[A-Z][A-Z_]*[A-Z]", text)}  # fmt: skip
    scripts = [*(ROOT / "scripts").iterdir(), ROOT / ".ci/run"]
    for script in (path for path in scripts if path.is_file()):
        text = script.read_text()
        named |= {(name, script.name) for name in re.findall(r"ANXIN_[A-Z][A-Z_]*[A-Z]", text)}
    assert len(named) > 10
    assert sorted((name, path) for name, path in named if name not in known) == []


def test_the_environment_is_read_nowhere_else_than_where_settings_are():
    """A variable built from pieces would escape the test above; such code lives in these files only."""
    builders = {
        "core/runtime/settings.py",
        "stack/settings.py",
        "stack/demo_secrets.py",
        "anxin/published/settings_page.py",
    }
    builds = re.compile(
        r"f\"ANXIN_\{|^PREFIX = \"ANXIN_\"|^from core.runtime.settings import .*\bPREFIX\b", re.MULTILINE
    )
    found = {str(path.relative_to(ROOT)) for path in SOURCES if builds.search(path.read_text(encoding="utf-8"))}
    assert found == builders


def test_every_variable_of_the_pages_is_known():
    known = DECLARED | {f"{name}_FILE" for name in DECLARED} | set(OTHERS) | PLACEHOLDERS | {"ANXIN_NAME_FILE"}
    for page in PAGES:
        for name in re.findall(r"ANXIN_[A-Z][A-Z_]*[A-Z]", page.read_text(encoding="utf-8")):
            assert name in known, f"{page.name} names {name}"


def test_every_setting_is_described_and_declared_once():
    seen: dict[str, str] = {}
    for model in settings_models():
        for name, info in own_fields(model).items():
            assert info.description and info.description.endswith("."), f"{model.__name__}.{name}"
            assert name not in seen, f"{name} is declared by {seen[name]} and {model.__name__}"
            seen[name] = model.__name__
    assert len(seen) > 40


def test_every_metric_of_the_code_is_explained_in_the_runbook_and_none_else():
    page = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"`(anxin_[a-z_]+)", page))
    made = {text for path in SOURCES for text in strings_of(path) if re.fullmatch(r"anxin_[a-z_]+", text)}
    assert explained == made


def test_every_link_between_the_pages_leads_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_path_of_the_repository_that_a_page_names_exists():
    for page in PAGES:
        for name in re.findall(r"`((?:docs|docker|scripts|tests|core|stack|registry|api)/[\w./-]*)`", page.read_text()):
            if name != "docker/secrets/" and not name.startswith("docker/secrets"):
                assert (ROOT / name).exists(), f"{page.name} names {name}"


def test_the_glossary_has_each_word_once_in_both_languages():
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    words = [word.strip() for row in rows[1:] for word in row[0].split(",")]
    assert len(words) > 30
    assert len(words) == len(set(words))
    for word, chinese, meaning in rows[1:]:
        assert re.search(r"[一-鿿]", chinese) or word == "---", word
        assert meaning.strip(), word


def test_the_changelog_begins_with_what_is_not_released_and_says_something():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = re.search(r"^## (.+)\n\n((?:- .+\n)+)", text, re.MULTILINE)
    assert first is not None and first[1] == "Unreleased"


def test_every_decision_record_has_its_number_a_title_and_the_four_parts():
    records = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    assert [record.name[:4] for record in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    index = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    for record in records:
        text = record.read_text(encoding="utf-8")
        assert text.startswith(f"# {record.name[:4]} · "), record.name
        assert f"({record.name})" in index, record.name
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings[:2] == ["Context", "Decision"], record.name


def test_every_dependency_has_its_reason_in_the_first_decision_record():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {re.split(r"[\[<>=]", each)[0] for each in
              [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]}  # fmt: skip
    text = (ROOT / "docs/adr/0001-dependencies.md").read_text(encoding="utf-8")
    assert {name for name in wanted if f"`{name}`" not in text} == set()


def test_the_readme_names_every_folder_and_shows_the_picture_and_both_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {folder for folder in FOLDERS if f"`{folder}/`" not in text} == set()
    blocks = re.findall(r"```bash\n(.+)\n```", text)
    assert blocks[:2] == ["scripts/demo", "scripts/test"]
    assert "](docs/picture.svg)" in text
    assert re.search(r"[一-鿿]{10}", text)


def test_no_file_names_a_path_of_the_machine_it_was_written_on():
    own = {str(ROOT), str(Path.home())} - {"/root", "/"}
    # Assembled, so that this file does not name it either.
    workplace = "/" + "work" + "/"
    for path in committed_files():
        content = path.read_bytes()
        if b"\0" in content or path.name.endswith(".lock"):
            continue
        text = content.decode("utf-8", errors="replace")
        for machine in own | {workplace}:
            assert machine not in text, f"{path.relative_to(ROOT)} names {machine}"


def test_shell_words_of_the_pages_can_be_read():
    assert all(shlex.join(words) for page in PAGES for words in commands_of(page))
