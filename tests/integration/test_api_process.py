"""`anxin api` as a process: refusals in one sentence, a stop that closes sockets with 1012 and ends with 0."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.fixtures.api_server import MASTER_KEY, TOKEN_SECRET, Live, SeededTown

pytestmark = pytest.mark.integration


def environment(database_url: str, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "ANXIN_DATABASE_URL": database_url,
        "ANXIN_MQTT_URL": "mqtt://127.0.0.1:1",
        "ANXIN_MASTER_KEY": MASTER_KEY,
        "ANXIN_TOKEN_SECRET": TOKEN_SECRET,
        "ANXIN_API_PORT": "0",
        **more,
    }


async def start(database_url: str, *words: str, **more: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "anxin",
        "api",
        *words,
        env=environment(database_url, **more),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: Process) -> tuple[int | None, str]:
    async with asyncio.timeout(30):
        _, said = await process.communicate()
    return process.returncode, said.decode()


async def address_in(file: Path) -> str:
    async with asyncio.timeout(30):
        while not (file.exists() and file.read_text()):
            await asyncio.sleep(0.05)
    return file.read_text().strip()


async def test_a_stop_closes_sockets_with_1012_and_ends_with_0(seeded: SeededTown, tmp_path: Path):
    process = await start(seeded.url, ANXIN_API_READY_FILE=str(tmp_path / "ready"))
    address = await address_in(tmp_path / "ready")
    async with httpx.AsyncClient(base_url=f"http://{address}") as client:
        login = seeded.town.accounts["operator"]
        token = (await client.post("/api/v1/auth/token", data=login)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(f"ws://{address}/api/v1/live", additional_headers=headers, proxy=None) as websocket:
        live = Live(websocket)
        assert (await live.next())["type"] == "hello"
        process.send_signal(signal.SIGTERM)
        assert (await live.closed())[0] == 1012
    code, said = await ended(process)
    assert code == 0, said
    assert '"action": "service.stopped"' in said
    assert login["password"] not in said
    assert token not in said


async def test_a_taken_port_a_newer_schema_and_a_demo_on_every_address_are_refused_in_a_sentence(seeded: SeededTown):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = await ended(await start(seeded.url, "--port", str(taken.getsockname()[1])))
    assert (code, "cannot listen" in said, "Traceback" in said) == (2, True, False), said
    code, said = await ended(await start(seeded.url, "--host", "0.0.0.0", ANXIN_API_DEMO="true"))
    assert (code, "loopback" in said, "Traceback" in said) == (2, True, False), said
    await seeded.run("INSERT INTO schema_migration VALUES (9999, 'later', 'x', now())")
    code, said = await ended(await start(seeded.url))
    assert (code, "newer Anxin" in said, "Traceback" in said) == (2, True, False), said


async def test_a_database_that_is_not_there_is_said_in_a_sentence():
    nowhere = "postgresql://anxin@127.0.0.1:1/anxin"
    code, said = await ended(await start(nowhere, ANXIN_DATABASE_TIMEOUT_SECONDS="1"))
    assert code in (1, 2)
    assert "does not answer" in said
    assert "Traceback" not in said
