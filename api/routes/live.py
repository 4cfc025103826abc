"""GET /live: the WebSocket of the contract's §3."""

from fastapi import APIRouter, WebSocket

from api.live.serve import serve
from api.routing import API_PREFIX
from api.services import services_of

router = APIRouter()


@router.websocket(f"{API_PREFIX}/live")
async def live(socket: WebSocket) -> None:
    """The caller is found inside: the token may come with the first message (api/live/serve.py)."""
    services = services_of(socket)
    await serve(socket, services, services.hub, services.views)
