"""Fetch Debian's signed packages with apt, without touching the machine's own package state.

apt gets a configuration, sources, state and cache of our own; it checks the archive's signature against
Debian's keyring and each package against the signed index. Nothing is installed.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from stack.errors import AptMissing, DiskFull, FetchFailed
from stack.mirror import Mirror

Progress = Callable[[str], None]

SUITE = "trixie"
PACKAGES = ("postgresql-17", "postgresql-17-timescaledb", "mosquitto", "mosquitto-clients")
# Debian is renaming the keyring's file; a machine has one of the two or both.
KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)


def require_tools(keyrings: tuple[Path, ...] = KEYRINGS) -> Path:
    """The keyring to check signatures with. Raises AptMissing, naming the package that brings the tool."""
    for tool, package in (("apt-get", "apt"), ("apt-config", "apt"), ("dpkg-deb", "dpkg")):
        if shutil.which(tool) is None:
            raise AptMissing(
                f"{tool} is not on this machine, so Debian's packages cannot be fetched; install {package}, or "
                "use servers you already have with ANXIN_DATABASE_URL and ANXIN_MQTT_URL"
            )
    for keyring in keyrings:
        if keyring.is_file():
            return keyring
    raise AptMissing(
        f"{keyrings[0]} is missing, so packages cannot be checked; install debian-archive-keyring, or use "
        "servers you already have with ANXIN_DATABASE_URL and ANXIN_MQTT_URL"
    )


def fetch_packages(workspace: Path, mirror: Mirror, keyring: Path, progress: Progress) -> list[Path]:
    """Download the packages and all they depend on into `workspace`; return the files."""
    configuration = _prepare(workspace, mirror, keyring)
    progress("reading the Debian package index")
    _apt(configuration, workspace, ["update"], progress)
    progress("fetching PostgreSQL, TimescaleDB and Mosquitto")
    arguments = ["install", "--download-only", "--yes", "--no-install-recommends", *PACKAGES]
    _apt(configuration, workspace, arguments, progress)
    return sorted((workspace / "cache/archives").glob("*.deb"))


def sources_list(mirror: Mirror, keyring: Path) -> str:
    """The sources.list that apt reads for us: the release and its security updates, one keyring."""
    lines = [f"deb [signed-by={keyring}] {mirror.main} {SUITE} main"]
    if mirror.security:
        lines.append(f"deb [signed-by={keyring}] {mirror.security} {SUITE}-security main")
    return "\n".join(lines) + "\n"


def apt_configuration(workspace: Path, host_acquire: str) -> str:
    """A whole apt configuration: how to reach the network from the host's, everything else our own.

    The host's other settings must not apply: its hooks (Post-Invoke, package news) would run as us.
    """
    kept = [line for line in host_acquire.splitlines() if not re.match(r"Acquire::IndexTargets|Acquire \"", line)]
    own = {
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::parts": "/dev/null",
        "Dir::Etc::sourcelist": f"{workspace}/sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State": f"{workspace}/state",
        "Dir::State::status": f"{workspace}/state/status",
        "Dir::Cache": f"{workspace}/cache",
        "Dir::Log": f"{workspace}/log",
        "Acquire::Languages": "none",
        # A half-fetched index would fail later, in words nobody can act on.
        "APT::Update::Error-Mode": "any",
    }
    return "\n".join([*kept, *(f'{name} "{value}";' for name, value in own.items())]) + "\n"


def _prepare(workspace: Path, mirror: Mirror, keyring: Path) -> Path:
    for folder in ("state/lists/partial", "cache/archives/partial", "log"):
        (workspace / folder).mkdir(parents=True, exist_ok=True)
    (workspace / "state/status").write_text("")
    (workspace / "sources.list").write_text(sources_list(mirror, keyring))
    host = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=False)
    configuration = workspace / "apt.conf"
    configuration.write_text(apt_configuration(workspace, host.stdout))
    return configuration


def _apt(configuration: Path, workspace: Path, arguments: list[str], progress: Progress) -> None:
    environment = {**os.environ, "APT_CONFIG": str(configuration), "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    total = ""
    output: list[str] = []
    with subprocess.Popen(
        ["apt-get", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        umask=0o022,
    ) as apt:
        assert apt.stdout is not None
        for line in apt.stdout:
            output.append(line.strip())
            if match := re.search(r"(\d+) newly installed", line):
                total = f" of {match[1]}"
            if match := re.match(r"Get:(\d+) \S+ \S+ \S+ (\S+)", line):
                progress(f"fetching {match[1]}{total}: {match[2]}" if total else "reading the Debian package index")
    if apt.returncode != 0:
        raise apt_failure(output, workspace)


def apt_failure(output: list[str], workspace: Path) -> FetchFailed | DiskFull:
    """The error that apt's output stands for, with apt's own first complaint in it."""
    text = "\n".join(output)
    if "No space left" in text or "enough free space" in text:
        return DiskFull(workspace)
    said = next((line[3:].strip() for line in output if line.startswith("E: ")), "no reason given")
    return FetchFailed(
        f"apt could not fetch the packages ({said}); check the network and apt's mirror, or name another one "
        "with ANXIN_DEBIAN_MIRROR"
    )
