"""Secrets of people: data keys, cipher text, blind indexes and the seal of the access log (design 8).

One master key (never stored in the database) wraps a data key per elder, dwelling, contact or staff member, and
derives two more keys: one for exact search, one for the chain of the access log. Everything here is pure apart from
`os.urandom`. AES-256-GCM throughout; a data key encrypts a handful of short texts, far below what random 96-bit
nonces allow.
"""

import base64
import binascii
import hmac
import os
import unicodedata
from dataclasses import dataclass, field
from typing import Literal, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.errors import AnxinError, ConfigurationError
from core.runtime.settings import KeySettings

IndexKind = Literal["name", "phone", "id_no", "sign_in"]

_FORM = b"\x01"  # first byte of every cipher text: lets a later form (SM4, say) live beside this one
_NONCE_BYTES = 12
_KEY_BYTES = 32


class Unreadable(AnxinError):
    """This cipher text was made with another key, for another field, or was changed."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key of one person's or dwelling's texts. Its bytes never appear in a repr, a log or a comparison."""

    id: UUID
    _secret: bytes = field(repr=False, compare=False)

    def encrypt(self, text: str, *, field: str) -> bytes:
        """Cipher text of `text`, bound to this key and to `field`: moved to another column or row it cannot be read."""
        return _seal_box(self._secret, text.encode(), _associated(self.id, field))

    def decrypt(self, blob: bytes, *, field: str) -> str:
        """The text again. Raises Unreadable for a wrong key, a wrong field or a changed byte."""
        return _open_box(self._secret, blob, _associated(self.id, field)).decode()


class Keyring:
    """The keys a process holds. Build it once from settings and pass it down."""

    def __init__(self, master_key: bytes, master_key_id: str) -> None:
        if len(master_key) != _KEY_BYTES:
            raise ConfigurationError(f"ANXIN_MASTER_KEY must hold {_KEY_BYTES} bytes, it holds {len(master_key)}.")
        self.master_key_id = master_key_id
        self._wrapping = _derive(master_key, b"anxin wrap data keys")
        self._index = _derive(master_key, b"anxin blind index")
        self._sealing = _derive(master_key, b"anxin access log seal")

    @classmethod
    def from_settings(cls, settings: KeySettings) -> Self:
        """Raises ConfigurationError when the master key is not 32 bytes of base64url."""
        text = settings.master_key.get_secret_value()
        try:
            key = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise ConfigurationError("ANXIN_MASTER_KEY is not base64url text.") from None
        return cls(key, settings.master_key_id)

    def new_data_key(self, id: UUID) -> DataKey:
        return DataKey(id, os.urandom(_KEY_BYTES))

    def wrap(self, key: DataKey) -> bytes:
        """What the table `data_key` keeps of a key."""
        return _seal_box(self._wrapping, key._secret, _associated(key.id, self.master_key_id))

    def unwrap(self, id: UUID, wrapped: bytes, master_key_id: str) -> DataKey:
        """Raises ConfigurationError when another master key wrapped it, Unreadable when it was changed."""
        if master_key_id != self.master_key_id:
            raise ConfigurationError(
                f"Data key {id} was wrapped by master key {master_key_id!r}; this process holds {self.master_key_id!r}."
            )
        return DataKey(id, _open_box(self._wrapping, wrapped, _associated(id, master_key_id)))

    def blind_index(self, kind: IndexKind, value: str) -> bytes:
        """32 bytes that are equal for equal values (after `normalise`) and say nothing without the key."""
        return hmac.digest(self._index, f"{kind}\0{normalise(kind, value)}".encode(), "sha256")

    def seal(self, previous: bytes, rows: bytes) -> bytes:
        """The next head of the access log's chain: HMAC-SHA256 over the previous head and the rows since."""
        return hmac.digest(self._sealing, len(previous).to_bytes(4, "big") + previous + rows, "sha256")


def normalise(kind: IndexKind, value: str) -> str:
    """What two spellings of the same value have in common: width, case, spaces, separators, the country code 86."""
    text = unicodedata.normalize("NFKC", value)
    if kind == "phone":
        digits = "".join(c for c in text if c.isdecimal())
        return digits[2:] if len(digits) == 13 and digits.startswith("86") else digits
    folded = "".join(text.split()).casefold()
    return folded.upper() if kind == "id_no" else folded


def _derive(master_key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=purpose).derive(master_key)


def _associated(key_id: UUID, field: str) -> bytes:
    return key_id.bytes + field.encode()


def _seal_box(key: bytes, plain: bytes, associated: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return _FORM + nonce + AESGCM(key).encrypt(nonce, plain, associated)


def _open_box(key: bytes, blob: bytes, associated: bytes) -> bytes:
    head, nonce, body = blob[:1], blob[1 : 1 + _NONCE_BYTES], blob[1 + _NONCE_BYTES :]
    if head != _FORM or len(nonce) != _NONCE_BYTES:
        raise Unreadable
    try:
        return AESGCM(key).decrypt(nonce, body, associated)
    except InvalidTag:
        raise Unreadable from None
