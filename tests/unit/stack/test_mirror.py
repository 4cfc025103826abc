"""The mirror comes from apt's own configuration, whatever its format, and never from another vendor's entry."""

from pathlib import Path

import pytest

from stack.errors import MirrorUnknown
from stack.mirror import Mirror, find_mirror

STANZAS = """\
Types: deb deb-src
# an older snapshot: http://old.example/debian
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
MIRROR = Mirror("http://mirror.example/debian", "http://mirror.example/debian-security")


def apt_folder(tmp_path: Path, **files: str) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        place = tmp_path if name == "sources_list" else tmp_path / "sources.list.d"
        (place / name.replace("_", ".", 1)).write_text(text)
    return tmp_path


def test_a_stanza_file_gives_the_archive_and_its_security_archive(tmp_path: Path) -> None:
    assert find_mirror({}, apt_folder(tmp_path, debian_sources=STANZAS)) == MIRROR


def test_a_one_line_file_with_options_and_comments_gives_the_same(tmp_path: Path) -> None:
    text = (
        "# deb http://disabled.example/debian bookworm main\n"
        "deb cdrom:[Debian 12]/ bookworm main\n"
        "deb-src http://sources.example/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
        "http://mirror.example/debian bookworm main # the archive\n"
        "deb http://mirror.example/debian-security bookworm-security main\n"
    )
    assert find_mirror({}, apt_folder(tmp_path, sources_list=text)) == MIRROR


def test_another_vendor_who_publishes_below_debian_is_not_debian(tmp_path: Path) -> None:
    vendors = (
        "deb [signed-by=/etc/apt/keyrings/docker.asc] https://docker.example/linux/debian bookworm main\n"
        "deb https://vendor.example/debian bookworm stable\n"
        "deb https://apt.example/pub/repos/apt bookworm main\n"
    )
    with pytest.raises(MirrorUnknown, match="ANXIN_DEBIAN_MIRROR"):
        find_mirror({}, apt_folder(tmp_path, vendors_list=vendors))


def test_a_disabled_stanza_does_not_count(tmp_path: Path) -> None:
    disabled = STANZAS.replace("Types:", "Enabled: no\nTypes:")
    with pytest.raises(MirrorUnknown):
        find_mirror({}, apt_folder(tmp_path, debian_sources=disabled))


def test_a_file_that_apt_itself_ignores_is_ignored(tmp_path: Path) -> None:
    folder = apt_folder(tmp_path)
    (folder / "sources.list.d/debian.sources.disabled").write_text(STANZAS)
    with pytest.raises(MirrorUnknown):
        find_mirror({}, folder)


def test_a_cloud_image_with_a_list_of_mirrors_is_understood(tmp_path: Path) -> None:
    text = (
        "Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: trixie\nComponents: main\n\n"
        "Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian-security.list\nSuites: trixie-security\n"
        "Components: main\n"
    )
    found = find_mirror({}, apt_folder(tmp_path, debian_sources=text))
    assert found == Mirror(
        "mirror+file:///etc/apt/mirrors/debian.list", "mirror+file:///etc/apt/mirrors/debian-security.list"
    )


def test_a_key_written_into_the_stanza_is_judged_by_the_archive_name(tmp_path: Path) -> None:
    inline = STANZAS.replace(
        "/usr/share/keyrings/debian-archive-keyring.gpg",
        "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQ\n -----END PGP PUBLIC KEY BLOCK-----",
    )
    assert find_mirror({}, apt_folder(tmp_path, debian_sources=inline)) == MIRROR


def test_an_archive_without_a_security_archive_is_used_alone(tmp_path: Path) -> None:
    only = STANZAS.partition("\n\n")[0]
    assert find_mirror({}, apt_folder(tmp_path, debian_sources=only)) == Mirror("http://mirror.example/debian", None)


def test_the_setting_wins_and_keeps_the_security_archive_apt_knows(tmp_path: Path) -> None:
    folder = apt_folder(tmp_path, debian_sources=STANZAS)
    environ = {"ANXIN_DEBIAN_MIRROR": "http://near.example/debian"}
    assert find_mirror(environ, folder) == Mirror("http://near.example/debian", MIRROR.security)


def test_the_setting_may_name_both_archives_on_a_machine_that_is_not_debian(tmp_path: Path) -> None:
    environ = {"ANXIN_DEBIAN_MIRROR": "http://near.example/debian http://near.example/debian-security"}
    found = find_mirror(environ, apt_folder(tmp_path))
    assert found == Mirror("http://near.example/debian", "http://near.example/debian-security")
