"""Every command of the table exists and explains itself with an example."""

import pytest

from anxin.__main__ import COMMANDS, main


def test_without_a_word_the_commands_are_listed(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {word} " in shown for word in COMMANDS)


def test_an_unknown_command_is_one_sentence_and_exit_code_2(capsys):
    assert main(["fly"]) == 2
    error = capsys.readouterr().err
    assert "no command 'fly'" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("word", COMMANDS)
def test_every_command_has_help_with_an_example(word, capsys):
    with pytest.raises(SystemExit) as stop:
        main([word, "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert "example:" in shown
    assert f"anxin {word}" in shown


@pytest.mark.parametrize(
    "words",
    [
        "account create",
        "account grant",
        "account list",
        "audit accounting",
        "audit verify",
        "backup drill",
        "bench outage",
        "device create",
        "place add-centre",
        "replay dead-letters",
        "stack start",
        "town seed",
    ],
)
def test_a_word_below_a_command_explains_itself_with_an_example_too(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*words.split(), "--help"])
    assert stop.value.code == 0
    assert f"anxin {words.split()[0]}" in capsys.readouterr().out.partition("example:")[2]
