"""GET /plain: the live page that needs nothing but this process. It carries no data; those need a token."""

from hashlib import sha256
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response

from core.errors import NotFound

router = APIRouter(prefix="/plain", tags=["pages"])

_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
# Nothing inline, nothing from elsewhere: markup that slipped into a name could not run, and a page on a cut-off
# network needs no other host. form-action: without its script the sign-in form must not send a password anywhere.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# "no-cache" asks each time: a fallback page from last month's cache would speak last month's protocol.
_HEADERS = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}


def _load() -> dict[str, tuple[bytes, str, str]]:
    found = {}
    for entry in files("api").joinpath("plain").iterdir():
        if media_type := _MEDIA_TYPES.get(entry.name.rpartition(".")[2]):
            body = entry.read_bytes()
            found[entry.name] = (body, media_type, f'"{sha256(body).hexdigest()[:20]}"')
    return found


_FILES = _load()  # read once: a full disk or a deleted checkout does not take the fallback away


@router.get("", summary="The plain live page", response_class=Response)
async def page(if_none_match: Annotated[str | None, Header()] = None) -> Response:
    return _answer("index.html", if_none_match)


@router.get("/{name}", summary="A file of the plain live page", response_class=Response)
async def file(name: str, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """Raises NotFound for anything but the page's own files."""
    return _answer(name, if_none_match)


def _answer(name: str, if_none_match: str | None) -> Response:
    if name not in _FILES:
        raise NotFound
    body, media_type, tag = _FILES[name]
    headers = {**_HEADERS, "ETag": tag}
    if if_none_match == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
