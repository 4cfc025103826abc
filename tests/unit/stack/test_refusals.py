"""Each refusal is one sentence that says what to do."""

import errno
import os
import socket
from pathlib import Path

import pytest

from stack import errors, fetch, state
from stack.identity import Identity, require_reachable
from stack.paths import default_cache_dir, default_data_dir


def test_a_full_disk_is_named_whatever_failed_on_it(tmp_path: Path) -> None:
    with pytest.raises(errors.DiskFull, match=r"is full; free some space"), errors.disk_errors_named(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_error_that_is_no_matter_of_disk_passes_unchanged(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), errors.disk_errors_named(tmp_path):
        raise ConnectionResetError(errno.ECONNRESET, "reset")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["E: You don't have enough free space in /c."], errors.DiskFull),
        (["E: Write error - write (28: No space left on device)"], errors.DiskFull),
        (["W: a warning", "E: Failed to fetch http://m/InRelease  Could not resolve 'm'"], errors.FetchFailed),
    ],
)
def test_apts_own_words_become_the_reason(said: list[str], expected: type[Exception]) -> None:
    assert type(fetch.apt_failure(said, Path("/c"))) is expected


def test_a_failed_fetch_quotes_apt_and_names_the_setting() -> None:
    text = str(fetch.apt_failure(["E: Could not resolve 'm'"], Path("/c")))
    assert "(Could not resolve 'm')" in text
    assert "ANXIN_DEBIAN_MIRROR" in text


def test_a_machine_without_apt_is_told_of_the_two_settings_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(errors.AptMissing, match=r"apt-get .* ANXIN_DATABASE_URL and ANXIN_MQTT_URL"):
        fetch.require_tools()


def test_a_machine_without_debians_keyring_is_told_its_package(tmp_path: Path) -> None:
    with pytest.raises(errors.AptMissing, match="install debian-archive-keyring"):
        fetch.require_tools((tmp_path / "none.gpg",))


def test_a_port_asked_for_and_taken_is_refused_with_its_option() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(errors.PortTaken, match=rf"port {port} for Mosquitto is taken .* --mqtt-port"):
            state.choose_port(port, 0, "Mosquitto", "--mqtt-port")
        assert state.choose_port(0, port, "Mosquitto", "--mqtt-port") != port


def test_a_chosen_port_lies_outside_the_range_of_outgoing_connections() -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    for _ in range(50):
        assert not low <= state.choose_port(0, 0, "Mosquitto", "--mqtt-port") <= high


def test_a_folder_closed_to_the_servers_user_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    stranger = Identity("anxin", 54321, 54321, switch=True)
    with pytest.raises(errors.DataFolder, match="is closed to it; choose another folder"):
        require_reachable(closed / "data", stranger)
    require_reachable(closed / "data", Identity("me", os.getuid(), os.getgid(), switch=False))


def test_a_half_written_state_is_refused_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text('{"pg_port": 1')
    with pytest.raises(errors.DataFolder, match="restore it from a backup"):
        state.load_state(tmp_path)


def test_the_state_comes_back_as_saved_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    saved = state.StackState(15432, 11883, "p", "m")
    state.save_state(tmp_path, saved)
    assert state.load_state(tmp_path) == saved
    assert (tmp_path / "stack.json").stat().st_mode & 0o777 == 0o600


def test_every_error_of_the_stack_is_drawn_in_the_tree() -> None:
    kinds = {kind.__name__ for kind in errors.StackError.__subclasses__()}
    assert kinds == {line.split()[1] for line in (errors.__doc__ or "").splitlines() if line[:1] in "├└" and line}


@pytest.mark.parametrize(
    ("environ", "root", "cache", "data"),
    [
        ({}, True, "/var/cache/anxin", "/var/lib/anxin"),
        ({"HOME": "/home/li"}, False, "/home/li/.cache/anxin", "/home/li/.local/share/anxin"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/c", "XDG_DATA_HOME": "/d"}, False, "/c/anxin", "/d/anxin"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "c", "XDG_DATA_HOME": ""}, False, "/h/.cache/anxin", "/h/.local/share/anxin"),
        ({"HOME": "/h", "ANXIN_CACHE_DIR": "/mine"}, True, "/mine", "/var/lib/anxin"),
    ],
)
def test_the_folders_follow_the_user_and_the_settings(
    environ: dict[str, str], root: bool, cache: str, data: str
) -> None:
    assert default_cache_dir(environ, root=root) == Path(cache)
    assert default_data_dir(environ, root=root) == Path(data)
