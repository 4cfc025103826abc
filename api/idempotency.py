"""`Idempotency-Key` on every POST: the same key gives the same answer for 24 h, whatever was lost on the way.

The key is claimed in the request's own transaction and the answer is stored there before the commit, so the work and
the memory of it are one. A request that fails leaves nothing behind and may simply be sent again. Stored answers are
encrypted: a device's password is "shown once", and a table of answers must not be the place where it stays.

/auth/* is excluded: it has no account yet to count keys for, its rotation has a grace of its own, and an answer that
can be replayed for a day is just what a sign-in must not have.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Annotated

import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from fastapi import Header, Request
from starlette.responses import Response

from api import store
from api.access import Caller
from api.database import Db
from api.problems import Problem
from api.services import Services
from api.store import KeyScope
from core.errors import FieldError, Invalid
from core.store.pool import Connection

KEPT = timedelta(hours=24)
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Claim:
    """A key this request holds; its answer must be stored before the commit."""

    conn: Connection
    where: KeyScope
    secret: str


class Replay(Exception):
    """Not a failure: the answer was given before and is given again (api/routing.py catches it)."""

    def __init__(self, response: Response) -> None:
        super().__init__("replayed")
        self.response = response


async def claim_key(
    request: Request,
    conn: Db,
    caller: Caller,
    services: Services,
    idempotency_key: Annotated[
        str | None, Header(description="Any text unique to this piece of work; the same key is carried out once.")
    ] = None,
) -> None:
    """Raises Replay with the stored answer, Problem 422 for another body, 409 while the first is still running."""
    if idempotency_key is None:
        return
    if not (0 < len(idempotency_key) <= 255 and idempotency_key.isprintable()):
        raise Invalid(FieldError("Idempotency-Key", "idempotency_key", "1 to 255 visible characters"))
    where = KeyScope(caller.account_id, request.method, request.url.path, idempotency_key)
    digest = sha256(await request.body()).digest()
    now = services.now()
    wait_s = services.settings.idempotency_wait_seconds
    try:
        claimed = await store.claim_idempotency(conn, where, digest, now, now - KEPT, wait_s)
    except psycopg.errors.LockNotAvailable:
        raise Problem(409, "idempotency-in-progress", {"Retry-After": "1"}) from None
    secret = services.settings.token_secret.get_secret_value()
    if claimed:
        request.state.idempotency = Claim(conn, where, secret)
        return
    stored = await store.idempotent_answer(conn, where)
    if stored is None or stored.status is None or stored.response is None:
        raise Problem(409, "idempotency-in-progress", {"Retry-After": "1"})
    if stored.body_hash != digest:
        raise Problem(422, "idempotency-mismatch")
    body = _open(stored.response, where, secret)
    headers = {"Idempotency-Replayed": "true"}
    raise Replay(Response(body, stored.status, headers=headers, media_type="application/json" if body else None))


async def remember(claim: Claim, response: Response) -> None:
    """Store a successful answer beside the work it tells of."""
    blob = _seal(bytes(response.body), claim.where, claim.secret)
    await store.store_answer(claim.conn, claim.where, response.status_code, blob)


def _key(secret: str) -> AESGCM:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"anxin stored answers").derive(secret.encode())
    return AESGCM(derived)


def _associated(where: KeyScope) -> bytes:
    return "\0".join((str(where.account_id), where.method, where.path, where.key)).encode()


def _seal(body: bytes, where: KeyScope, secret: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _key(secret).encrypt(nonce, body, _associated(where))


def _open(blob: bytes, where: KeyScope, secret: str) -> bytes:
    return _key(secret).decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], _associated(where))
