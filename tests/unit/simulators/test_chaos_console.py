"""The console of a chaos run outlives its token."""

import asyncio
import json

from websockets.asyncio.server import ServerConnection, serve

from simulators.chaos.console import Console


class Account:
    """Signs in for a new token each time."""

    def __init__(self) -> None:
        self.token, self.times = "", 0

    def sign_in(self) -> None:
        self.times += 1
        self.token = f"token-{self.times}"


async def test_a_console_whose_token_is_over_signs_in_again_and_goes_on_hearing():
    async def live(socket: ServerConnection) -> None:
        assert socket.request is not None
        if socket.request.headers["Authorization"] == "Bearer token-1":
            await socket.close(4401, "The token is over.")
            return
        await socket.send(json.dumps({"type": "hello", "seq": 1, "reset": False}))
        ring = {"type": "alert.pressed", "seq": 2, "prev": 1, "data": {"evidence": [{"key": "aa"}]}}
        await socket.send(json.dumps(ring))
        await socket.wait_closed()

    async with serve(live, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        console = Console(f"ws://127.0.0.1:{port}", Account())
        console.start()
        async with asyncio.timeout(10):
            while not console.heard["aa"]:
                await asyncio.sleep(0.01)
        await console.stop()
    assert console.heard == {"aa": 1}
