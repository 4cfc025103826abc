"""Where a machine's own copy of the platform keeps its data, for whoever starts it and whoever looks for it.

Root cannot use its own home: /root is closed to the system user the servers run as.
"""

import os
from collections.abc import Mapping
from pathlib import Path


def default_data_dir(environ: Mapping[str, str] = os.environ, *, root: bool | None = None) -> Path:
    """/var/lib/anxin for root, else the user's data folder (XDG)."""
    if is_root(root):
        return Path("/var/lib/anxin")
    return user_folder(environ, "XDG_DATA_HOME", ".local/share")


def default_ready_file(environ: Mapping[str, str] = os.environ, *, root: bool | None = None) -> Path:
    """ANXIN_READY_FILE, else where `anxin demo` writes it when it is told nothing."""
    chosen = environ.get("ANXIN_READY_FILE")
    if chosen:
        return Path(chosen).absolute()
    return default_data_dir(environ, root=root) / "demo" / "ready.json"


def is_root(root: bool | None = None) -> bool:
    """Whether this process runs as root; `root` answers instead, for tests."""
    return os.geteuid() == 0 if root is None else root


def user_folder(environ: Mapping[str, str], variable: str, below_home: str) -> Path:
    """`anxin` below the folder that an XDG variable names, else below the home folder."""
    base = environ.get(variable, "")
    # The XDG specification: a relative path in these variables is invalid and must be ignored.
    if base.startswith("/"):
        return Path(base) / "anxin"
    return Path(environ.get("HOME") or Path.home()) / below_home / "anxin"
