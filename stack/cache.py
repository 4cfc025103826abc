"""The folder of unpacked server programs: fetched once, checked at each start, repaired when damaged."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.errors import CacheDamaged, DiskFull, disk_errors_named
from stack.fetch import Progress, fetch_packages, require_tools
from stack.manifest import damaged_files, sound_packages, write_manifest
from stack.mirror import find_mirror
from stack.paths import StackPaths, default_cache_dir, stack_paths
from stack.unpack import needed_packages, unpack

# Index, packages and unpacked files together, with room to spare.
SPACE_NEEDED_BYTES = 600 * 1024 * 1024


def silent(message: str) -> None:
    """A progress receiver that shows nothing."""


def install(progress: Progress = silent, cache_dir: Path | None = None) -> StackPaths:
    """Make sure the server programs are there and whole; fetch or repair them otherwise.

    Needs the network only when there is nothing whole to unpack from. Raises StackError.
    """
    paths = stack_paths(cache_dir or default_cache_dir())
    home = paths.root.parent
    with disk_errors_named(paths.cache_dir):
        _make_open_folder(home)
        with locked(paths.cache_dir / "lock", "another start is preparing the cache, waiting for it", progress):
            if damaged_files(home / "manifest.json", str(paths.root), paths.root):
                _build(paths, home, progress)
    return paths


def _build(paths: StackPaths, home: Path, progress: Progress) -> None:
    _remove_leftovers(home)
    packages = sound_packages(home / "manifest.json", home / "packages")
    fresh = home / f".new-{os.getpid()}"
    try:
        if packages:
            progress("repairing the damaged cache from the kept packages")
        else:
            packages = _fetch(home, fresh, progress)
        unpack(packages, fresh / "root", paths, progress)
        progress("recording checksums")
        write_manifest(fresh / "manifest.json", str(paths.root), fresh / "root", packages)
        _swap_in(home, fresh)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    if damaged_files(home / "manifest.json", str(paths.root), paths.root):
        raise CacheDamaged(f"what was unpacked into {home} does not read back whole; check that disk")


def _fetch(home: Path, fresh: Path, progress: Progress) -> list[Path]:
    keyring = require_tools()
    mirror = find_mirror(os.environ)
    if shutil.disk_usage(home).free < SPACE_NEEDED_BYTES:
        raise DiskFull(home)
    workspace = fresh / "apt"
    workspace.mkdir(parents=True)
    fetched = needed_packages(fetch_packages(workspace, mirror, keyring, progress))
    folder = fresh / "packages"
    folder.mkdir()
    return [package.rename(folder / package.name) for package in fetched]


def _swap_in(home: Path, fresh: Path) -> None:
    """Put the fresh parts in place, the manifest last: until it is there the cache counts as damaged."""
    (home / "manifest.json").unlink(missing_ok=True)
    for part in ("packages", "root", "manifest.json"):
        if not (fresh / part).exists():
            continue
        if (home / part).exists():
            # Running servers keep their open files; the old folder only loses its name.
            (home / part).rename(home / f".old-{os.getpid()}-{part}")
        (fresh / part).rename(home / part)
    _remove_leftovers(home)


def _remove_leftovers(home: Path) -> None:
    for leftover in [*home.glob(".new-*"), *home.glob(".old-*")]:
        shutil.rmtree(leftover, ignore_errors=True)


def _make_open_folder(folder: Path) -> None:
    """The folder and its missing parents, readable by the servers' own user whatever the umask."""
    for missing in reversed([f for f in (folder, *folder.parents) if not f.exists()]):
        missing.mkdir(exist_ok=True)
        missing.chmod(0o755)


@contextmanager
def locked(file: Path, waiting: str, progress: Progress = silent) -> Iterator[None]:
    """Hold an exclusive lock on `file`; say `waiting` when somebody else holds it. Released on a crash too."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(waiting)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
