"""What the tests of documents share: the repository's files, and a command line checked without running it."""

import argparse
import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from anxin.__main__ import COMMANDS

ROOT = Path(__file__).resolve().parents[3]


def committed_files() -> list[Path]:
    """Every file git knows or would take, so that a test also holds for what is about to be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


def code_blocks(text: str, language: str = "bash") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def command_lines(text: str) -> Iterator[list[str]]:
    """Each shell command of the bash blocks as words: continuation lines joined, comments and assignments left out."""
    for block in code_blocks(text):
        for line in block.replace("\\\n", " ").splitlines():
            # What a shell would put in for `$(…)` is one word here, too.
            words = shlex.split(re.sub(r"\$\([^)]*\)", "SUBSTITUTED", line), comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            if words:
                yield words


class _Parsed(Exception):
    """The command line was understood; nothing was done."""


def check_command(words: list[str]) -> None:
    """Parse `words` (`anxin …`) with the command's own parser and stop there. Raises AssertionError naming what the
    parser refused."""
    assert words[1] in COMMANDS, f"there is no command anxin {words[1]}"
    check_parser(COMMANDS[words[1]].load(), words[2:])


def check_module(words: list[str]) -> None:
    """The same for `python -m module …`, given from `module` on."""
    check_parser(import_module(words[0] if "." in words[0] else f"{words[0]}.__main__").main, words[1:])


def check_parser(main: Any, words: list[str]) -> None:
    original = argparse.ArgumentParser.parse_args

    def parse_and_stop(parser: argparse.ArgumentParser, *arguments: Any, **named: Any) -> None:
        original(parser, *arguments, **named)
        raise _Parsed

    def refuse(parser: argparse.ArgumentParser, message: str) -> None:
        raise AssertionError(f"{parser.prog}: {message}")

    with (
        patch.object(argparse.ArgumentParser, "parse_args", parse_and_stop),
        patch.object(argparse.ArgumentParser, "error", refuse),
    ):
        try:
            main(words)
        except _Parsed:
            return
        except SystemExit as stop:
            assert stop.code == 0 and "--help" in words, f"{words} ended with {stop.code}"
            return
    raise AssertionError(f"{words} was run without being parsed")
