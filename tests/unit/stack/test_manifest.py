"""Every kind of damage to the cache is noticed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stack.manifest import damaged_files, sound_packages, write_manifest


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin/postgres").write_bytes(b"\x7fELF" + b"program" * 1000)
    (root / "bin/link").symlink_to("postgres")
    (root / "lib").symlink_to("bin")
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages/a.deb").write_bytes(b"package a")
    write_manifest(tmp_path / "manifest.json", "/final", root, [tmp_path / "packages/a.deb"])
    return tmp_path


def damage(cache: Path, layout: str = "/final") -> list[str]:
    return damaged_files(cache / "manifest.json", layout, cache / "root")


def test_a_whole_cache_shows_no_damage(cache: Path) -> None:
    assert damage(cache) == []


def flip_a_byte(root: Path) -> None:
    content = bytearray((root / "bin/postgres").read_bytes())
    content[100] ^= 1
    (root / "bin/postgres").write_bytes(content)


def relink(root: Path) -> None:
    (root / "bin/link").unlink()
    (root / "bin/link").symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("harm", "name"),
    [
        (lambda root: (root / "bin/postgres").unlink(), "bin/postgres"),
        (lambda root: (root / "bin/postgres").write_bytes(b"\x7fELF"), "bin/postgres"),
        (flip_a_byte, "bin/postgres"),
        (relink, "bin/link"),
        (lambda root: (root / "lib").unlink(), "lib"),
    ],
    ids=["deleted", "truncated", "one bit flipped", "link redirected", "folder link deleted"],
)
def test_damage_to_one_file_is_noticed(cache: Path, harm: Callable[[Path], None], name: str) -> None:
    harm(cache / "root")
    assert damage(cache) == [name]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"layout": "/final"}'])
def test_an_unusable_manifest_counts_as_damage(cache: Path, text: str) -> None:
    (cache / "manifest.json").write_text(text)
    assert damage(cache) == ["manifest.json"]
    assert sound_packages(cache / "manifest.json", cache / "packages") == []


def test_a_cache_that_was_moved_counts_as_damaged(cache: Path) -> None:
    # The programs name their libraries by absolute path.
    assert damage(cache, layout="/elsewhere") == ["manifest.json"]


def test_packages_are_kept_for_a_repair_only_while_all_are_whole(cache: Path) -> None:
    assert sound_packages(cache / "manifest.json", cache / "packages") == [cache / "packages/a.deb"]
    (cache / "packages/a.deb").write_bytes(b"package")
    assert sound_packages(cache / "manifest.json", cache / "packages") == []
