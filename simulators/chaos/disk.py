"""A folder on a size-limited disk of its own (tmpfs), filled to the last byte and freed. Needs the right to mount."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from core.errors import AnxinError

_BALLAST = ".chaos-ballast"
_STEPS = (64 << 20, 8 << 20, 1 << 20, 64 << 10, 4 << 10)


class CannotMount(AnxinError):
    """Mounting a small disk needs root."""


class SmallDisk:
    """Mounted over `folder`, whose content it takes along. `close()` unmounts and forgets everything on it."""

    def __init__(self, folder: Path, size_mb: int) -> None:
        """Raises CannotMount. Nothing may use the folder meanwhile."""
        self.folder = folder
        mount, copy = shutil.which("mount"), shutil.which("cp")
        if os.geteuid() != 0 or mount is None or copy is None:
            raise CannotMount("mounting a small disk needs root and the command `mount`")
        owner = folder.stat()
        aside = folder.with_name(f"{folder.name}.before")
        folder.rename(aside)
        folder.mkdir(mode=0o700)
        done = subprocess.run(  # noqa: S603 - our own words
            [mount, "-t", "tmpfs", "-o", f"size={size_mb}m", "anxin-chaos", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            folder.rmdir()
            aside.rename(folder)
            raise CannotMount(f"a small disk could not be mounted: {done.stderr.strip()}")
        # Not shutil: it would leave the owners behind, and PostgreSQL reads only what is its own.
        subprocess.run([copy, "-a", f"{aside}/.", str(folder)], check=True)  # noqa: S603
        shutil.rmtree(aside)
        os.chown(folder, owner.st_uid, owner.st_gid)
        folder.chmod(owner.st_mode & 0o7777)

    def fill(self, leave_bytes: int = 0) -> None:
        """Leave at most `leave_bytes`, rounded to what one block holds; twice is as once."""
        with (self.folder / _BALLAST).open("ab") as ballast:
            for step in _STEPS:
                with contextlib.suppress(OSError):
                    while self.free_bytes > leave_bytes:
                        size = ballast.seek(0, os.SEEK_END)
                        os.posix_fallocate(ballast.fileno(), size, min(step, max(4096, self.free_bytes - leave_bytes)))

    @property
    def free_bytes(self) -> int:
        stats = os.statvfs(self.folder)
        return stats.f_bavail * stats.f_frsize

    def free(self) -> None:
        (self.folder / _BALLAST).unlink(missing_ok=True)

    def close(self) -> None:
        umount = shutil.which("umount")
        if umount is not None:
            # Lazily: a process that ended a moment ago may still hold it.
            subprocess.run(  # noqa: S603
                [umount, "-l", str(self.folder)], capture_output=True, check=False
            )
