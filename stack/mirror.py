"""Which Debian archive this machine already trusts and reaches: read from apt's own configuration.

No host name is written here: a closed network has its own mirror, and apt knows it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from stack.errors import MirrorUnknown
from stack.settings import StackSettings

SETTING = "ANXIN_DEBIAN_MIRROR"


@dataclass(frozen=True)
class Mirror:
    """URIs of the Debian archive and, where the machine has one, of its security archive."""

    main: str
    security: str | None


@dataclass(frozen=True)
class Source:
    """One archive of apt's configuration: one URI of one entry."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str

    @property
    def archive(self) -> str:
        """The archive's own name in the URI: `debian`, `debian-security` or something else."""
        parts = PurePosixPath(urlsplit(self.uri).path.rstrip("/")).parts
        # Cloud images name a list of mirrors instead of one: mirror+file:///etc/apt/mirrors/debian.list
        names = [part.removesuffix(".list") for part in parts]
        return next((name for name in reversed(names) if name in ("debian", "debian-security")), "")

    @property
    def is_debian(self) -> bool:
        """Debian's own: other vendors also publish under …/debian, but with their own key or components."""
        if not self.uri.startswith(("http:", "https:", "mirror", "file:", "copy:", "tor+")):
            return False
        if self.signed_by and "debian-archive" not in self.signed_by and "-----BEGIN" not in self.signed_by:
            return False
        return "main" in self.components and bool(self.archive or "debian-archive" in self.signed_by)

    @property
    def is_security(self) -> bool:
        return self.archive == "debian-security" or any(
            suite.endswith(("-security", "/updates")) for suite in self.suites
        )


def find_mirror(environ: Mapping[str, str], apt_folder: Path = Path("/etc/apt")) -> Mirror:
    """The mirror to fetch from: the setting (one or two URIs: main, security), else apt's own.

    Raises MirrorUnknown when neither names a Debian archive.
    """
    sources = [source for source in read_sources(apt_folder) if source.is_debian]
    chosen = StackSettings.of(environ).debian_mirror.split()
    main = next(iter(chosen[:1] or [s.uri for s in sources if not s.is_security]), None)
    security = next(iter(chosen[1:2] or [s.uri for s in sources if s.is_security]), None)
    if main is None:
        raise MirrorUnknown(
            f"apt's configuration in {apt_folder} names no Debian archive; set {SETTING} to the URI of one "
            "that this machine reaches (it ends in /debian)"
        )
    return Mirror(main.rstrip("/"), security.rstrip("/") if security else None)


def read_sources(apt_folder: Path) -> list[Source]:
    """Every enabled binary archive of apt's configuration, in apt's own order."""
    found: list[Source] = []
    files = [apt_folder / "sources.list", *sorted((apt_folder / "sources.list.d").glob("*"))]
    for file in files:
        if not file.is_file():
            continue
        if file.suffix == ".list":
            found.extend(parse_one_line(file.read_text(encoding="utf-8", errors="replace")))
        elif file.suffix == ".sources":
            found.extend(parse_deb822(file.read_text(encoding="utf-8", errors="replace")))
    return found


def parse_one_line(text: str) -> Iterable[Source]:
    """Entries of the classic format: `deb [option=value …] URI suite component …`."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)", line)
        if match:
            options = dict(option.split("=", 1) for option in (match[1] or "").split() if "=" in option)
            yield Source(match[2], (match[3],), tuple(match[4].split()), options.get("signed-by", ""))


def parse_deb822(text: str) -> Iterable[Source]:
    """Entries of the stanza format (`Types:`, `URIs:`, …), comments and continuation lines included."""
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        for uri in fields.get("uris", "").split():
            yield Source(
                uri,
                tuple(fields.get("suites", "").split()),
                tuple(fields.get("components", "").split()),
                fields.get("signed-by", ""),
            )


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t") and name:
            fields[name] += "\n" + line.strip()
        elif ":" in line:
            name, value = line.split(":", 1)
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields
