"""The outermost layer of every HTTP request: an id, a size limit, security headers, one log line, the metrics.

Plain ASGI, not a BaseHTTPMiddleware: it must not touch WebSockets and must see failures of everything below.
"""

import logging
import re
import time
from uuid import uuid4

from fastapi import HTTPException, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import answer, on_failure
from api.metrics import LATENCY, REQUESTS
from api.problems import Problem

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]
# Pages set a policy of their own; data never runs and is never kept by a cache on the way.
_DEFAULT_HEADERS = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]


class Edge:
    def __init__(self, app: ASGIApp, *, body_max_bytes: int) -> None:
        self.app = app
        self.body_max_bytes = body_max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await _Exchange(self, scope, receive, send).run()


class _Exchange:
    """One request and its answer."""

    def __init__(self, edge: Edge, scope: Scope, receive: Receive, send: Send) -> None:
        self.edge, self.scope, self.receive, self.send = edge, scope, receive, send
        self.request = Request(scope, receive)
        self.began = time.perf_counter()
        self.status = 500
        self.started = False
        self.read = 0

    async def run(self) -> None:
        given = self.request.headers.get("x-request-id", "")
        self.request.state.request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        try:
            if self._declared() > self.edge.body_max_bytes:
                await self._refuse_size()
            else:
                await self.edge.app(self.scope, self._receive, self._send)
        except Exception as error:
            if self.started:
                raise  # the answer is half sent: only cutting the connection tells the client
            response = await on_failure(self.request, error)
            await response(self.scope, self.receive, self._send)
        finally:
            self._report()

    async def _refuse_size(self) -> None:
        problem = Problem(413, "body-too-large", {"Connection": "close"}, {"limit": self.edge.body_max_bytes})
        await answer(self.request, problem)(self.scope, self.receive, self._send)

    def _declared(self) -> int:
        text = self.request.headers.get("content-length", "0")
        return int(text) if text.isdecimal() else 0

    async def _receive(self) -> Message:
        message = await self.receive()
        if message["type"] == "http.request":
            self.read += len(message.get("body", b""))
            if self.read > self.edge.body_max_bytes:
                # The one exception that passes through FastAPI's reading of bodies unchanged.
                raise HTTPException(413)
        return message

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            headers = list(message.get("headers", []))
            present = {name.lower() for name, _ in headers}
            headers += _HEADERS + [header for header in _DEFAULT_HEADERS if header[0] not in present]
            headers.append((b"x-request-id", self.request.state.request_id.encode()))
            message = {**message, "headers": headers}
        await self.send(message)

    def _report(self) -> None:
        # The route's template, not the path: a path as a label would make a time series per alert.
        route = route_template(self.scope)
        took = time.perf_counter() - self.began
        method = self.scope["method"] if self.scope["method"] in _METHODS else "other"
        REQUESTS.labels(method, route, str(self.status)).inc()
        LATENCY.labels(method, route).observe(took)
        if route in _QUIET and self.status < 400:
            return
        log.info(
            "request answered",
            extra={
                "action": "http.request",
                "request_id": self.request.state.request_id,
                "account_id": getattr(self.request.state, "account_id", None),
                "method": method,
                "route": route,
                "path_ids": {key: str(value)[:64] for key, value in self.scope.get("path_params", {}).items()},
                "status": self.status,
                "took_ms": round(took * 1000, 1),
            },
        )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


def route_template(scope: Scope) -> str:
    """`/api/v1/alerts/{alert_id}`; "unmatched" for an address that no route knows."""
    return str(getattr(scope.get("route"), "path", None) or "unmatched")
