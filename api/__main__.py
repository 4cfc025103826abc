"""`anxin api`: serve HTTP and the live stream."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from api.app import create_app
from api.server import Server, make_server
from api.settings import ApiSettings
from core.errors import ConfigurationError
from core.runtime.logs import configure_logs
from core.runtime.service import Service, run_service

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="anxin api",
        description="Serve /api/v1, the live stream, /plain, /healthz, /readyz and /metrics.",
        epilog="example: anxin api --host 127.0.0.1 --port 8080",
    )
    parser.add_argument("--host", help="address to listen on (ANXIN_API_HOST)")
    parser.add_argument("--port", type=int, help="port to listen on, 0 for a free one (ANXIN_API_PORT)")
    parser.add_argument("--ready-file", type=Path, help="file that gets host:port once requests are answered")
    given = parser.parse_args(argv)
    try:
        settings = ApiSettings.load(api_host=given.host, api_port=given.port, api_ready_file=given.ready_file)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    configure_logs("api", level=settings.log_level, form=settings.log_format)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # its lines quote addresses with their queries

    async def serve(service: Service) -> None:
        await _serve(service, settings)

    return run_service("api", serve)


async def _serve(service: Service, settings: ApiSettings) -> None:
    """Until the stop; then no new connections, sockets closed with 1012, running requests ended, feed and pool last."""
    failures: list[BaseException] = []

    def failed(error: BaseException) -> None:
        failures.append(error)
        service.stop.set()

    app = create_app(settings, failed=failed)
    server = make_server(app, settings)
    async with app.router.lifespan_context(app):
        serving = asyncio.create_task(_listen(server), name="http")
        stopping = asyncio.create_task(service.stop.wait(), name="stop")
        try:
            while not server.started and not serving.done() and not service.stop.is_set():
                await asyncio.wait({serving, stopping}, timeout=0.02, return_when=asyncio.FIRST_COMPLETED)
            if server.started:
                _say_ready(server, settings)
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            server.should_exit = True
            await serving
    if failures:
        raise failures[0]


async def _listen(server: Server) -> None:
    try:
        await server.serve()
    except SystemExit as error:  # uvicorn's word for a port it cannot have
        address = f"{server.config.host}:{server.config.port}"
        raise ConfigurationError(f"The API cannot listen on {address}; another program may have the port.") from error


def _say_ready(server: Server, settings: ApiSettings) -> None:
    address = f"{settings.api_host}:{server.port}"
    log.info("listening", extra={"action": "api.listening", "address": address})
    if settings.api_ready_file is not None:
        settings.api_ready_file.write_text(address + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
