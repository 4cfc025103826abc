"""What holds for every test on the shared demo."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures.demo import Demo

_PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def nothing_left_ringing(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test on the shared demo leaves no live alert to the next, even when it failed in the middle of one."""
    if "demo" not in request.fixturenames:
        yield
        return
    demo: Demo = request.getfixturevalue("demo")
    yield
    for alert in _left(demo):
        path = f"/alerts/{alert['id']}"
        if alert["status"] != "resolved":
            take, why = ("acknowledge", {}) if alert["owner"] is None else ("takeover", {"reason": "end of the test"})
            for action, body in ((take, why), ("resolve", {"outcome": "other"})):
                status, answer = demo.call("supervisor", "POST", f"{path}/{action}", body)
                assert status == 200, (action, answer)
        status, answer = demo.call("operator2", "POST", f"{path}/close", {"code": "other", "note": "end of the test"})
        assert status == 200, answer


def _left(demo: Demo) -> list[dict[str, Any]]:
    """Asked until the platform answers: the test may have failed while the database or the API was away."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            status, page = demo.call("admin", "GET", "/alerts?status=live,resolved&limit=100")
        except OSError as error:
            status, page = 0, error
        if status == 200:
            return page["items"]
        assert time.monotonic() < deadline, page
        time.sleep(0.2)
