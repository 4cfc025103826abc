"""The user the servers run as: a system user of their own when we are root, else ourselves.

PostgreSQL refuses to run as root, and a broker that faces devices should not.
"""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stack.errors import DataFolder, ServerFailed

SYSTEM_USER = "anxin"


@dataclass(frozen=True)
class Identity:
    """Who runs the servers. `switch` is true when we are root and hand over to another user."""

    user: str
    uid: int
    gid: int
    switch: bool

    def own(self, path: Path, mode: int) -> None:
        """Give `path` to the servers' user with exactly these permissions."""
        if self.switch:
            os.chown(path, self.uid, self.gid)
        path.chmod(mode)


def server_identity() -> Identity:
    """The servers' user, created first if we are root and it does not exist yet."""
    uid = os.geteuid()
    if uid != 0:
        return Identity(_name_of(uid), uid, os.getegid(), switch=False)
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        _create_user()
        entry = pwd.getpwnam(SYSTEM_USER)
    return Identity(SYSTEM_USER, entry.pw_uid, entry.pw_gid, switch=True)


def require_reachable(folder: Path, identity: Identity) -> None:
    """Raise DataFolder if the servers' user cannot pass through the folders above `folder`."""
    if not identity.switch:
        return
    for parent in reversed(folder.parents):
        if not parent.exists():
            return
        status = parent.stat()
        shift = 6 if status.st_uid == identity.uid else 3 if status.st_gid == identity.gid else 0
        if not (status.st_mode >> shift) & 1:
            raise DataFolder(
                f"{folder} cannot be used as root, because the servers run as the user {identity.user} and "
                f"{parent} is closed to it; choose another folder, for example below /var/lib or /tmp"
            )


def _create_user() -> None:
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if useradd is None:
        raise ServerFailed(
            f"useradd is missing, so the servers' user {SYSTEM_USER} cannot be created; install the package "
            "passwd or run as an ordinary user"
        )
    home_and_shell = ["--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
    done = subprocess.run(
        [useradd, "--system", "--user-group", *home_and_shell, SYSTEM_USER],
        capture_output=True,
        text=True,
        check=False,
    )
    # 9: somebody else created the user since we looked.
    if done.returncode not in (0, 9):
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ServerFailed(f"the servers' user {SYSTEM_USER} could not be created ({said}); run as an ordinary user")


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
