"""Where the local servers keep their programs and their data.

Root cannot use its own home: /root is closed to the system user the servers run as.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# The folder name carries the layout: a new layout never reads an old one's files.
LAYOUT = "trixie-1"


@dataclass(frozen=True)
class StackPaths:
    """The programs of an installed cache. All paths are absolute."""

    cache_dir: Path
    root: Path
    pg_bin: Path
    mosquitto_bin: Path
    mosquitto_passwd_bin: Path
    mosquitto_pub_bin: Path
    mosquitto_sub_bin: Path

    @property
    def psql_bin(self) -> Path:
        return self.pg_bin / "psql"


def stack_paths(cache_dir: Path) -> StackPaths:
    """The paths a cache folder has once installed; says nothing about whether they exist."""
    root = cache_dir / LAYOUT / "root"
    return StackPaths(
        cache_dir=cache_dir,
        root=root,
        pg_bin=root / "usr/lib/postgresql/17/bin",
        mosquitto_bin=root / "usr/sbin/mosquitto",
        mosquitto_passwd_bin=root / "usr/bin/mosquitto_passwd",
        mosquitto_pub_bin=root / "usr/bin/mosquitto_pub",
        mosquitto_sub_bin=root / "usr/bin/mosquitto_sub",
    )


def default_cache_dir(environ: Mapping[str, str] = os.environ, *, root: bool | None = None) -> Path:
    """ANXIN_CACHE_DIR, else /var/cache/anxin for root, else the user's cache folder (XDG)."""
    chosen = environ.get("ANXIN_CACHE_DIR")
    if chosen:
        return Path(chosen).absolute()
    if _is_root(root):
        return Path("/var/cache/anxin")
    return _user_folder(environ, "XDG_CACHE_HOME", ".cache")


def default_data_dir(environ: Mapping[str, str] = os.environ, *, root: bool | None = None) -> Path:
    """/var/lib/anxin for root, else the user's data folder (XDG)."""
    if _is_root(root):
        return Path("/var/lib/anxin")
    return _user_folder(environ, "XDG_DATA_HOME", ".local/share")


def _is_root(root: bool | None) -> bool:
    return os.geteuid() == 0 if root is None else root


def _user_folder(environ: Mapping[str, str], variable: str, below_home: str) -> Path:
    base = environ.get(variable, "")
    # The XDG specification: a relative path in these variables is invalid and must be ignored.
    if base.startswith("/"):
        return Path(base) / "anxin"
    return Path(environ.get("HOME") or Path.home()) / below_home / "anxin"
