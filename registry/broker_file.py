"""Mosquitto's password file: its text from the registry, replaced so that a crash leaves the old or the new one."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FileMark:
    """What changes when anybody else touches the file."""

    inode: int
    size: int
    modified_ns: int


def wanted_text(credentials: Mapping[str, str], present: str, keep: Collection[str]) -> str:
    """The whole file: every valid credential, and the lines of `keep` that only the `present` file has."""
    lines = dict(credentials)
    for line in present.splitlines():
        username, colon, password_hash = line.partition(":")
        if colon and password_hash and username in keep:
            lines.setdefault(username, password_hash)
    return "".join(f"{username}:{lines[username]}\n" for username in sorted(lines))


def read(file: Path) -> str:
    """The file's text; empty when there is none. Bytes that are no text belong to no line of ours."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def mark(file: Path) -> FileMark | None:
    """None when there is no such file."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return FileMark(status.st_ino, status.st_size, status.st_mtime_ns)


def replace(file: Path, text: str) -> FileMark:
    """Put `text` in the file's place at once, readable by its owner alone: the present owner, or the folder's.

    Another owner would lock the broker out of its own file, and with it every device out of the broker.
    """
    owner = file.stat() if file.exists() else file.parent.stat()
    fresh = file.with_name(f".{file.name}.sync")
    fresh.unlink(missing_ok=True)  # what a crash left
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(opened.fileno(), owner.st_uid, owner.st_gid)
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    written = mark(fresh)
    assert written is not None
    fresh.rename(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return written
