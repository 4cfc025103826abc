"""The plain page as files: whole, strict, and with a text for everything it says."""

import re
from importlib.resources import files

import pytest

from api.routes import plain
from core.errors import NotFound

PAGE = files("api").joinpath("plain")
FILES = {entry.name: entry.read_text(encoding="utf-8") for entry in PAGE.iterdir() if entry.is_file()}
SCRIPTS = {name: text for name, text in FILES.items() if name.endswith(".js")}
WORDS = set(re.findall(r'^\s*"?([\w.]+)"?: \[\s*"', SCRIPTS["words.js"], re.MULTILINE)) | {
    match for line in SCRIPTS["words.js"].splitlines() for match in re.findall(r'"?([\w.]+)"?: \["', line)
}


async def test_the_page_and_each_of_its_files_is_served_with_the_strict_policy() -> None:
    for name in FILES:
        response = await plain.file(name)
        assert response.status_code == 200
        assert "unsafe" not in response.headers["content-security-policy"]
        assert response.headers["cache-control"] == "no-cache"
    assert (await plain.page()).body == FILES["index.html"].encode()


async def test_an_unchanged_file_is_not_sent_again() -> None:
    tag = (await plain.page()).headers["etag"]
    assert (await plain.page(tag)).status_code == 304


@pytest.mark.parametrize("name", ["../settings.py", "..", "plain.py", "index.html.bak", ""])
async def test_nothing_but_the_page_is_served(name: str) -> None:
    with pytest.raises(NotFound):
        await plain.file(name)


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    page = FILES["index.html"]
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    for name, text in FILES.items():
        assert not re.search(r"https?://(?!www\.w3\.org/)", text), name
        assert "innerHTML" not in text, name


def test_every_file_a_script_or_the_page_names_is_there() -> None:
    named = {found for text in SCRIPTS.values() for found in re.findall(r'from "\./([\w.]+)"', text)}
    named |= {found for text in FILES.values() for found in re.findall(r'"/plain/([\w.]+)"', text)}
    assert named <= set(FILES)
    assert set(FILES) - {"index.html"} <= named


def test_every_text_asked_for_is_in_the_catalogue() -> None:
    asked = {found for text in SCRIPTS.values() for found in re.findall(r'\bword\("([\w.]+)"', text)}
    asked |= set(re.findall(r'data-t="([\w.]+)"', FILES["index.html"]))
    assert asked <= WORDS
    assert len(asked) > 40


def test_every_text_has_both_languages() -> None:
    body = SCRIPTS["words.js"]
    pairs = re.findall(r'"?([\w.]+)"?: \[\s*"((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)"\]', body)
    assert {key for key, _, _ in pairs} == WORDS
    for key, chinese, english in pairs:
        if key == "other_language":
            continue
        assert re.search(r"[\u4e00-\u9fff{]", chinese), key
        assert not re.search(r"[\u4e00-\u9fff]", english), key
        assert set(re.findall(r"{(\w+)}", chinese)) == set(re.findall(r"{(\w+)}", english)), key


def test_tokens_are_never_written_to_the_browser() -> None:
    for name, text in SCRIPTS.items():
        assert not re.search(r"localStorage|sessionStorage|indexedDB|document\.cookie", text), name
