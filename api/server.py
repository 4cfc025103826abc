"""uvicorn, set up for us: our signals, our logs, sockets that can always be closed."""

import contextlib
from collections.abc import Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from api.settings import ApiSettings

CLIENT_FRAME_MAX_BYTES = 16 * 1024
WRITE_BUFFER_BYTES = 256 * 1024
ABORT_AFTER_S = 5.0


class LiveSocketProtocol(WebSocketsSansIOProtocol):
    """Closing a client that does not read must not wait for it to read.

    uvicorn's own `send` waits until the client has taken what was sent before, and its close waits for ever for the
    rest to drain: a console that hangs would hold its memory and never learn why it was closed.
    """

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)

    async def send(self, message: Any) -> None:
        closing = message["type"] == "websocket.close"
        if closing:
            self.writable.set()
        await super().send(message)
        if closing:
            self.loop.call_later(ABORT_AFTER_S, self.transport.abort)

    def shutdown(self) -> None:
        super().shutdown()
        self.loop.call_later(ABORT_AFTER_S, self.transport.abort)


class Server(uvicorn.Server):
    """Leaves SIGTERM and SIGINT to core/runtime/service.py, which stops every part in order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    @property
    def port(self) -> int:
        """The port really listened on; 0 was a wish."""
        return int(self.servers[0].sockets[0].getsockname()[1])


def make_server(app: FastAPI, settings: ApiSettings) -> Server:
    return Server(
        uvicorn.Config(
            app,
            host=settings.api_host,
            port=settings.api_port,
            lifespan="off",  # entered around the server by api/__main__.py, so that a refusal keeps its sentence
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws=LiveSocketProtocol,
            ws_max_size=CLIENT_FRAME_MAX_BYTES,
            ws_per_message_deflate=False,  # 300 kB a socket and CPU a frame, for texts of 2 kB
            ws_ping_interval=20,
            ws_ping_timeout=20,
            timeout_graceful_shutdown=settings.stop_grace_seconds,
            h11_max_incomplete_event_size=64 * 1024,
        )
    )
