"""Every refusal and every failure as RFC 9457 application/problem+json, in the caller's language, never a traceback."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from alerts.model import rfc3339
from api.messages import Language, choose_language, problem_text, rule_text
from api.problems import TYPE_BASE, Problem
from api.settings import ApiSettings
from api.validation import field_errors
from core.errors import (
    AlertHeld,
    AnxinError,
    ConfigurationError,
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    SchemaMismatch,
    Unavailable,
)
from core.runtime.crypto import Unreadable
from core.store.pool import is_retryable

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = "2"
# Error class → (status, code). The nearest class in the tree decides; a test fails if one of them is missing here.
MAPPED: Mapping[type[AnxinError], tuple[int, str]] = {
    ConfigurationError: (500, "configuration"),
    Unavailable: (503, "unavailable"),
    SchemaMismatch: (503, "schema-mismatch"),
    NotFound: (404, "not-found"),
    Conflict: (409, "conflict"),
    AlertHeld: (409, "alert-held"),
    Forbidden: (403, "forbidden"),
    Invalid: (422, "invalid"),
    Unreadable: (500, "unreadable"),
    AnxinError: (500, "internal"),
}
_HTTP_CODES = {404: "not-found", 405: "method-not-allowed", 413: "body-too-large", 415: "unsupported-media-type"}


def language_of(request: Request) -> Language:
    return choose_language(request.headers.get("accept-language"), getattr(request.state, "locale", None))


def reference_of(request: Request) -> str:
    return str(getattr(request.state, "request_id", "-"))


def render(problem: Problem, language: Language, *, instance: str, reference: str) -> Response:
    """The problem document. `reference` finds the request in the logs."""
    title, detail = problem_text(problem.code, language, reference=reference, **problem.values)
    document: dict[str, Any] = {
        "type": TYPE_BASE + problem.code,
        "title": title,
        "status": problem.status,
        "detail": detail,
        "instance": instance,
        "code": problem.code,
        "reference": reference,
        **problem.extra,
    }
    if problem.status == 422:
        document["errors"] = [{"field": e.field, "rule": e.rule, "message": e.message} for e in problem.errors]
    headers = {**problem.headers, "Content-Language": language}
    body = json.dumps(document, ensure_ascii=False)
    return Response(body, problem.status, headers=headers, media_type=MEDIA_TYPE)


def problem_of(error: AnxinError, language: Language) -> Problem:
    """The problem a domain error becomes. The domain's own sentence stays in the logs: it has one language."""
    status, code = next(MAPPED[kind] for kind in type(error).__mro__ if kind in MAPPED)
    problem = Problem(status, code)
    match error:
        case AlertHeld():
            problem.values = problem.extra = {"held_by": error.held_by, "since": rfc3339(error.since)}
        case Conflict():
            problem.code = error.code
        case Invalid():
            problem.errors = [_translated(e, language) for e in error.errors]
        case Unavailable():
            problem.headers = {"Retry-After": RETRY_AFTER_S}
    return problem


def _translated(error: FieldError, language: Language) -> FieldError:
    return FieldError(error.field, error.rule, rule_text(error.rule, language, error.message))


def install(app: FastAPI, settings: ApiSettings) -> None:
    """Handlers for everything a route can raise. What none of them knows is caught by the edge (api/edge.py)."""

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return answer(request, error)

    async def on_domain_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, AnxinError)
        problem = problem_of(error, language_of(request))
        if problem.status >= 500:
            _log_failure(error, problem.code, request)
        return answer(request, problem)

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return answer(request, _validation_problem(error.errors(), language_of(request)))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = _HTTP_CODES.get(error.status_code, "bad-request" if error.status_code < 500 else "internal")
        limit = {"limit": settings.request_body_max_bytes} if code == "body-too-large" else {}
        return answer(request, Problem(error.status_code, code, headers=error.headers or {}, values=limit))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(AnxinError, on_domain_error)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    for kind in (psycopg.Error, PoolTimeout, OSError):
        app.add_exception_handler(kind, on_failure)


async def on_failure(request: Request, error: Exception) -> Response:
    """A server that does not answer is 503 (try again), a value it cannot hold (a NUL in a text, say) is 400, and
    anything else is a fault of ours: 500 and a reference."""
    if isinstance(error, PoolTimeout) or is_retryable(error):
        problem = Problem(503, "unavailable", {"Retry-After": RETRY_AFTER_S})
    elif isinstance(error, psycopg.DataError):
        problem = Problem(400, "bad-request")
    else:
        problem = Problem(500, "internal")
    _log_failure(error, problem.code, request)
    return answer(request, problem)


def answer(request: Request, problem: Problem) -> Response:
    return render(problem, language_of(request), instance=request.url.path, reference=reference_of(request))


def _validation_problem(errors: Sequence[Any], language: Language) -> Problem:
    return Problem(422, "invalid", errors=field_errors(errors, language))


def _log_failure(error: BaseException, code: str, request: Request) -> None:
    # The traceback names code, but a database error's text quotes values: only its class and SQLSTATE are logged.
    log.error(
        "a request failed",
        extra={
            "action": "http.failed",
            "code": code,
            "error": type(error).__name__,
            "sqlstate": getattr(error, "sqlstate", None),
            "where": where(error),
            "request_id": reference_of(request),
        },
    )


def where(error: BaseException) -> str:
    """file:line of each frame of ours, innermost last: enough to find a fault, no values."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if "site-packages" not in code.co_filename:
            frames.append(
                f"{code.co_filename.rsplit('/', 2)[-2]}/{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
            )
        trace = trace.tb_next
    return " > ".join(frames[-6:])
