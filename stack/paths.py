"""Where the local servers keep their programs; where their data is, core/runtime/places.py says."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.runtime.places import default_data_dir, is_root, user_folder
from stack.settings import StackSettings

__all__ = ["LAYOUT", "StackPaths", "default_cache_dir", "default_data_dir", "stack_paths"]

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
    chosen = StackSettings.of(environ).cache_dir
    if chosen is not None:
        return chosen.absolute()
    if is_root(root):
        return Path("/var/cache/anxin")
    return user_folder(environ, "XDG_CACHE_HOME", ".cache")
