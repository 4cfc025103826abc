"""The status pages of a process without an API."""

import asyncio
import os
import signal
import socket
import urllib.error
import urllib.request

import pytest

from core.runtime.service import Service
from core.runtime.status import readiness, run_checks, serve_status


async def _fine() -> str | None:
    return None


async def _broken() -> str | None:
    raise ValueError("no link")


def test_one_problem_makes_it_not_ready_and_says_which():
    assert readiness({"database": None, "broker": "no link"}) == (
        503,
        {"ready": False, "checks": {"database": "ok", "broker": "no link"}},
    )
    assert readiness({"database": None})[0] == 200


async def test_a_check_that_raises_is_a_problem_and_harms_no_other():
    assert await run_checks({"good": _fine, "bad": _broken}) == {"good": None, "bad": "ValueError: no link"}


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def test_the_pages_answer_and_leave_sigterm_to_the_service():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    seen: list[int] = []

    async def main(service: Service) -> None:
        checks = {"broker": _broken}
        service.spawn(serve_status(checks, host="127.0.0.1", port=port, stop=service.stop), name="status")
        base = f"http://127.0.0.1:{port}"
        while True:
            try:
                seen.append(await asyncio.to_thread(_status, f"{base}/healthz"))
                break
            except urllib.error.URLError:
                await asyncio.sleep(0.05)
        seen.append(await asyncio.to_thread(_status, f"{base}/readyz"))
        seen.append(await asyncio.to_thread(_status, f"{base}/metrics"))
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(service.stop.wait(), 5)

    await Service("test").run(main)
    assert seen == [200, 503, 200]


async def test_a_taken_port_is_an_error_with_its_address_and_not_the_end_of_the_process():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port}"):
            await serve_status({}, host="127.0.0.1", port=port, stop=asyncio.Event())
