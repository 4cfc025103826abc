"""`python -m stack.certificates`: a certificate authority of one's own and the broker's certificate signed by it.

For `docker-compose.yml` and for trying TLS out. A deployment that has certificates mounts its own ca.crt, server.crt
and server.key in their place and never runs this.
"""

import argparse
import ipaddress
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
SERVER_DAYS = 397
RENEW_BEFORE = timedelta(days=30)
# A device's clock may be a little slow; a certificate from the future would lock it out.
_CLOCK_SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Authority:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def main(argv: list[str] | None = None) -> int:
    """0: the certificates are there; what was made is told in a line each."""
    options = _parser().parse_args(argv)
    made = ensure_certificates(options.folder, options.authority_folder, options.name, datetime.now(UTC))
    sys.stdout.write("".join(f"{path}\n" for path in made) or "the certificates are there and good\n")
    return 0


def ensure_certificates(folder: Path, authority_folder: Path, names: Sequence[str], now: datetime) -> list[Path]:
    """Make what is missing in `folder` (ca.crt, server.crt, server.key) and `authority_folder` (ca.key); return it.

    The server's certificate is made again when it ends within 30 days, names other hosts or has another authority.
    `names`: host names and IP addresses clients use; the first is the subject.
    """
    for place in (folder, authority_folder):
        place.mkdir(parents=True, exist_ok=True)
    ca_key, ca_file = authority_folder / "ca.key", folder / "ca.crt"
    made: list[Path] = []
    if ca_key.exists() and ca_file.exists():
        authority = _read_authority(ca_key, ca_file)
    else:
        authority = _new_authority(now)
        _write_key(ca_key, authority.key)
        _write(ca_file, authority.certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        made += [ca_key, ca_file]
    if not _is_good(folder, authority, names, now):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _server_certificate(authority, key, names, now)
        _write_key(folder / "server.key", key)
        _write(folder / "server.crt", certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        made += [folder / "server.key", folder / "server.crt"]
    return made


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stack.certificates",
        description="Make a certificate authority and the broker's certificate, or renew the latter.",
        epilog="example:\n  python -m stack.certificates --folder tls --authority-folder tls-authority "
        "--name broker.example --name 192.0.2.7",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, required=True, metavar="D", help="for ca.crt, server.crt, server.key")
    parser.add_argument(
        "--authority-folder", type=Path, required=True, metavar="D", help="for ca.key; not the broker's"
    )
    parser.add_argument(
        "--name", action="append", required=True, metavar="HOST", help="host name or address of the broker; repeatable"
    )
    return parser


def _new_authority(now: datetime) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Anxin local authority")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(name, name, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(key, certificate)


def _read_authority(key_file: Path, certificate_file: Path) -> Authority:
    key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey), f"{key_file} is not ours"
    return Authority(key, x509.load_pem_x509_certificate(certificate_file.read_bytes()))


def _server_certificate(
    authority: Authority, key: ec.EllipticCurvePrivateKey, names: Sequence[str], now: datetime
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    issuer_key = x509.SubjectKeyIdentifier.from_public_key(authority.key.public_key())
    return (
        _builder(subject, authority.certificate.subject, key.public_key(), now, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key), critical=False)
        .sign(authority.key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - _CLOCK_SKEW,
        not_valid_after=now + timedelta(days=days),
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _is_good(folder: Path, authority: Authority, names: Sequence[str], now: datetime) -> bool:
    if not (folder / "server.key").exists() or not (folder / "server.crt").exists():
        return False
    certificate = x509.load_pem_x509_certificate((folder / "server.crt").read_bytes())
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        set(named) == {_general_name(name) for name in names} and certificate.not_valid_after_utc - now > RENEW_BEFORE
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(path, key.private_bytes(*form), 0o600)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, with its mode from the first byte."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


if __name__ == "__main__":
    sys.exit(main())
