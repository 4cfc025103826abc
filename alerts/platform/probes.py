"""What only the machine of an engine knows: free space of its folders, and how long certificates are good for.

Blocking: call it in a thread. What cannot be read is left out and logged; nothing here raises.
"""

import logging
import os
import socket
import ssl
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from cryptography import x509

log = logging.getLogger(__name__)

_TIMEOUT_S = 5.0


def free_pct(folders: Iterable[Path]) -> float | None:
    """Free space for ordinary users, in percent, of the fullest of these; None when there is none to look at."""
    found = []
    for folder in folders:
        try:
            disk = os.statvfs(folder)
        except OSError as error:
            log.warning("a watched folder cannot be read: %s", error, extra={"action": "platform.unreadable_folder"})
            continue
        found.append(100.0 * disk.f_bavail / disk.f_blocks if disk.f_blocks else 0.0)
    return min(found, default=None)


def certificate_ends(files: Iterable[Path], addresses: Iterable[str]) -> dict[str, datetime]:
    """When each certificate ends: the first of a chain to do so. `addresses` are host:port of TLS servers."""
    found: dict[str, datetime] = {}
    for file in files:
        try:
            chain = x509.load_pem_x509_certificates(file.read_bytes())
            found[file.name] = min(certificate.not_valid_after_utc for certificate in chain)
        except (OSError, ValueError) as error:
            log.warning("%s: %s", file, error, extra={"action": "platform.unreadable_certificate"})
    for address in addresses:
        try:
            found[address] = _shown_by(address)
        except (OSError, ValueError) as error:
            log.warning("%s: %s", address, error, extra={"action": "platform.no_certificate"})
    return found


def _shown_by(address: str) -> datetime:
    """Of the certificate a server really shows, whoever signed it: an expired one must be read, not refused."""
    host, _, port = address.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((host, int(port)), timeout=_TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as line,
    ):
        shown = line.getpeercert(binary_form=True)
    if shown is None:
        raise ValueError("the server shows no certificate")
    return x509.load_der_x509_certificate(shown).not_valid_after_utc
