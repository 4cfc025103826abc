"""The text of Mosquitto's three files, from values. Nothing here touches the disk.

Why each setting is what it is: docs/adr/0002-local-stack.md.
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

PLATFORM_USER = "platform"
# Passwords here are 192-bit random tokens, not words somebody chose: guessing one is hopeless whatever the
# count, while each of 100,000 reconnecting devices costs the broker's only thread this many rounds.
HASH_ROUNDS = 101


@dataclass(frozen=True)
class BrokerSettings:
    """What the broker's configuration depends on. Folders and files are absolute paths.

    `log_file` None: the log goes to standard output. `certificate_folder` (ca.crt, server.crt, server.key): with it the
    listener speaks TLS and nothing else.
    """

    host: str
    port: int
    folder: Path
    passwd_file: Path
    acl_file: Path
    log_file: Path | None
    user: str
    certificate_folder: Path | None = None
    autosave_interval_seconds: int = 60
    max_queued_messages: int = 1_000_000
    max_packet_size_bytes: int = 2 * 1024 * 1024
    sys_interval_seconds: int = 5


WRITTEN_BY_STACK = "Written by `anxin stack start`; changes are lost at the next start."


def configuration(settings: BrokerSettings, origin: str = WRITTEN_BY_STACK) -> str:
    """mosquitto.conf. `origin`: its first line, which tells who writes the file."""
    return f"""\
# {origin}
per_listener_settings false
user {settings.user}

allow_anonymous false
password_file {settings.passwd_file}
acl_file {settings.acl_file}

persistence true
persistence_location {settings.folder}/
autosave_interval {settings.autosave_interval_seconds}

# MQTT 5 receive-maximum is each consumer's back-pressure; the broker's own limit must not be tighter.
max_inflight_messages 0
max_queued_messages {settings.max_queued_messages}
max_queued_bytes 0
# Above the contract's 256 KiB, so that an oversized message reaches ingest and is answered `too_large`.
max_packet_size {settings.max_packet_size_bytes}

retain_available true
set_tcp_nodelay true
sys_interval {settings.sys_interval_seconds}

log_dest {f"file {settings.log_file}" if settings.log_file else "stdout"}
log_type error
log_type warning
log_type notice
log_timestamp_format %Y-%m-%dT%H:%M:%S

listener {settings.port} {settings.host}
{_tls(settings.certificate_folder)}"""


def _tls(folder: Path | None) -> str:
    if folder is None:
        return ""
    return f"""\
certfile {folder}/server.crt
keyfile {folder}/server.key
"""


def access_control(platform_user: str = PLATFORM_USER) -> str:
    """The ACL: a device writes below its own `up` and reads below its own `down`; the platform does the rest."""
    return f"""\
pattern write anxin/v1/%u/up/#
pattern read anxin/v1/%u/down/#

user {platform_user}
topic readwrite anxin/v1/#
topic read $SYS/#
"""


def password_line(username: str, password: str, salt: bytes) -> str:
    """One line of the password file: PBKDF2-SHA512 as `mosquitto_passwd` writes it. `salt`: 12 random bytes."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ROUNDS)
    encoded = [base64.b64encode(part).decode() for part in (salt, digest)]
    return f"{username}:$7${HASH_ROUNDS}${encoded[0]}${encoded[1]}\n"
