"""Access tokens (signed, short) and refresh tokens (random, kept as a hash). Pure: time and secrets are arguments."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import jwt

ISSUER = "anxin"
AUDIENCE = "anxin-api"
_ALGORITHM = "HS256"
_CLAIMS = ["iss", "aud", "exp", "iat", "sub", "sid", "sv"]


class TokenInvalid(Exception):
    """The token cannot be accepted; `code` says why: token-expired or token-invalid."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a token proves: the account, its sign-in session (a family of refresh tokens), until when.

    `scope_version` tells a client that its picture of its own permissions is old. No decision is taken from it.
    """

    account_id: UUID
    session_id: UUID
    scope_version: int
    expires_at: datetime


def sign_access_token(token: AccessToken, secret: str, now: datetime) -> str:
    payload = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now.timestamp(),
        "exp": token.expires_at.timestamp(),
        "sub": str(token.account_id),
        "sid": str(token.session_id),
        "sv": token.scope_version,
    }
    return jwt.encode(payload, secret, algorithm=_ALGORITHM)


def read_access_token(text: str, secret: str, now: datetime) -> AccessToken:
    """Raises TokenInvalid. Life is judged by `now`, not by the library's own clock: a demo may run at 60 times."""
    try:
        claims = jwt.decode(
            text,
            secret,
            algorithms=[_ALGORITHM],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": _CLAIMS, "verify_exp": False, "verify_iat": False},
        )
        token = AccessToken(
            UUID(claims["sub"]),
            UUID(claims["sid"]),
            int(claims["sv"]),
            datetime.fromtimestamp(float(claims["exp"]), now.tzinfo),
        )
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError):
        raise TokenInvalid("token-invalid") from None
    if token.expires_at <= now:
        raise TokenInvalid("token-expired")
    return token


def new_refresh_token() -> str:
    return secrets.token_urlsafe(32)


def refresh_token_hash(token: str) -> bytes:
    """Plain SHA-256 is enough: the token is 32 random bytes, there is nothing to guess from."""
    return sha256(token.encode()).digest()
