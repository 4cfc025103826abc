"""The password file: what it holds, and how it is replaced."""

import os
from pathlib import Path

from registry import broker_file


def test_the_file_holds_every_credential_and_the_kept_lines_and_nothing_else():
    present = "platform:$7$101$a$b\nintruder:$7$1$c$d\nw1:old\nbroken\n:empty\nw9:\n"
    text = broker_file.wanted_text({"w2": "h2", "w1": "h1"}, present, {"platform"})
    assert text == "platform:$7$101$a$b\nw1:h1\nw2:h2\n"


def test_a_row_of_the_platform_user_wins_over_its_line():
    assert broker_file.wanted_text({"platform": "new"}, "platform:old\n", {"platform"}) == "platform:new\n"


def test_an_empty_registry_keeps_the_platform_in():
    assert broker_file.wanted_text({}, "platform:x\nw1:y\n", {"platform"}) == "platform:x\n"
    assert broker_file.wanted_text({}, "", {"platform"}) == ""


def test_a_replaced_file_is_closed_to_others_and_its_mark_tells_a_later_edit(tmp_path: Path):
    file = tmp_path / "passwd"
    file.write_text("before\n")
    file.chmod(0o644)
    (tmp_path / ".passwd.sync").write_text("what a crash left")
    mark = broker_file.replace(file, "a:b\n")
    assert file.read_text() == "a:b\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["passwd"]
    assert broker_file.mark(file) == mark
    file.write_text("a:c\n")
    os.utime(file, ns=(0, mark.modified_ns + 1))
    assert broker_file.mark(file) != mark


def test_a_missing_file_reads_as_empty_and_is_made(tmp_path: Path):
    file = tmp_path / "passwd"
    assert (broker_file.read(file), broker_file.mark(file)) == ("", None)
    broker_file.replace(file, "a:b\n")
    assert broker_file.read(file) == "a:b\n"
