"""How routes are made, so that none can forget the rules: `make_router(prefix, tag)`.

Every POST of such a router takes Idempotency-Key, stores its answer before the commit and replays it.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from api.idempotency import Claim, Replay, claim_key, remember

API_PREFIX = "/api/v1"


Before = Callable[[Request], Awaitable[Response | None]]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def answered_first_by(before: Before) -> Callable[[Endpoint], Endpoint]:
    """Ask `before` first, ahead of every dependency and so of the database; None leaves the request to the endpoint."""

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _BEFORE, before)
        return endpoint

    return mark


_BEFORE = "answered_first_by"


class EdgeRoute(APIRoute):
    """A route whose answer is complete before its transaction commits."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if "POST" in (options.get("methods") or ()):
            options["dependencies"] = [*(options.get("dependencies") or ()), Depends(claim_key)]
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()
        before: Before | None = getattr(self.endpoint, _BEFORE, None)

        async def handle(request: Request) -> Response:
            if before is not None and (answer := await before(request)) is not None:
                return answer
            try:
                response = await inner(request)
            except Replay as replay:
                return replay.response
            claim = getattr(request.state, "idempotency", None)
            if isinstance(claim, Claim):
                await remember(claim, response)
            return response

        return handle


def make_router(prefix: str, tag: str) -> APIRouter:
    """A router below /api/v1. `prefix` starts with a slash; `tag` groups its calls in the documentation."""
    return APIRouter(prefix=API_PREFIX + prefix, tags=[tag], route_class=EdgeRoute)
