"""`/healthz`, `/readyz` and `/metrics` of a process that has no API of its own."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

# A check answers None when all is well, else a sentence that says what is not.
Check = Callable[[], Awaitable[str | None]]
_CHECK_TIMEOUT_S = 2.0


async def run_checks(checks: Mapping[str, Check]) -> dict[str, str | None]:
    """Every check at once, each at most 2 s: a hanging server must not hang the answer."""

    async def one(check: Check) -> str | None:
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_S):
                return await check()
        except TimeoutError:
            return f"no answer within {_CHECK_TIMEOUT_S:g} s"
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    answers = await asyncio.gather(*(one(check) for check in checks.values()))
    return dict(zip(checks, answers, strict=True))


def readiness(problems: Mapping[str, str | None]) -> tuple[int, dict[str, object]]:
    """HTTP status and body of /readyz."""
    ready = not any(problems.values())
    return (200 if ready else 503), {"ready": ready, "checks": {name: p or "ok" for name, p in problems.items()}}


def metrics_response() -> Response:
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


def status_app(checks: Mapping[str, Check]) -> Starlette:
    async def healthz(_: Request) -> Response:
        return JSONResponse({"alive": True})

    async def readyz(_: Request) -> Response:
        code, body = readiness(await run_checks(checks))
        return Response(json.dumps(body), code, media_type="application/json")

    async def metrics(_: Request) -> Response:
        return metrics_response()

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)])


class _QuietServer(uvicorn.Server):
    """Leaves SIGTERM and SIGINT to core/runtime/service.py, which stops every part in order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _listen(server: uvicorn.Server) -> None:
    try:
        await server.serve()
    except SystemExit as error:  # uvicorn's word for a port it cannot have; it would end the process in the middle
        address = f"{server.config.host}:{server.config.port}"
        raise OSError(f"The status pages cannot listen on {address}; another program may have the port.") from error


async def serve_status(checks: Mapping[str, Check], *, host: str, port: int, stop: asyncio.Event) -> None:
    """Serve until `stop`. Raises OSError when the port is taken."""
    server = _QuietServer(
        uvicorn.Config(status_app(checks), host=host, port=port, log_config=None, access_log=False, lifespan="off")
    )
    serving = asyncio.create_task(_listen(server), name="status")
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        server.should_exit = True
        # Also when cancelled meanwhile: a server left behind would keep its port until the process ends.
        while not serving.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(serving)
    await serving
