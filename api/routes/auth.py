"""Sign in, refresh, sign out. Public by nature, and without Idempotency-Key (reasons: api/idempotency.py)."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel, Field

from api import sign_in as sessions
from api.routing import API_PREFIX
from api.services import Services

router = APIRouter(prefix=f"{API_PREFIX}/auth", tags=["account"])


class TokenPair(BaseModel):
    """A short access token and the refresh token that replaces both."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the scheme's name
    expires_in: int = Field(description="Seconds the access token lives.")


class RefreshToken(BaseModel):
    """The newest refresh token of a session."""

    refresh_token: str = Field(min_length=1, max_length=256)


def _pair(tokens: sessions.Tokens) -> TokenPair:
    return TokenPair(access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_in=tokens.expires_in)


@router.post("/token", summary="Sign in with user name and password")
async def token(services: Services, form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> TokenPair:
    """OAuth2 password form. Repeated failures make the answer slower, never impossible."""
    return _pair(await sessions.sign_in(services, form.username, form.password))


@router.post("/refresh", summary="Replace a refresh token")
async def refresh(services: Services, body: RefreshToken) -> TokenPair:
    """The previous token works 30 s longer; after that, using it again revokes the whole session."""
    return _pair(await sessions.refresh(services, body.refresh_token))


@router.post("/logout", status_code=204, summary="End the session")
async def logout(services: Services, body: RefreshToken) -> Response:
    """Access and refresh tokens of the session stop working at once; its live sockets close within 5 s."""
    await sessions.sign_out(services, body.refresh_token)
    return Response(status_code=204)
