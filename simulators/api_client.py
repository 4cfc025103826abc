"""The platform's HTTP API as an ordinary client sees it (contract 2): signs in, reads and posts JSON."""

import http.client
import json
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from core.errors import AnxinError

_TIMEOUT_S = 20.0


class ApiRefused(AnxinError):
    """The API refused a call. `status` is HTTP's, `code` the stable end of the problem's type."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{detail} ({status} {code})")
        self.status, self.code = status, code


class ApiUnreachable(AnxinError):
    """The API does not answer."""


class ApiClient:
    """One account on one kept connection; blocking, so not for an event loop's own thread.

    `call` signs in again once when the token ran out, and sends again once when the server closed the kept connection.
    """

    def __init__(self, api_url: str, username: str, password: str) -> None:
        parts = urlsplit(api_url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "127.0.0.1", parts.port, timeout=_TIMEOUT_S)
        self._base, self._url = parts.path.rstrip("/"), api_url
        self._username, self._password = username, password
        self.token = ""

    def sign_in(self) -> None:
        """Raises ApiRefused for wrong credentials, ApiUnreachable."""
        form = urlencode({"grant_type": "password", "username": self._username, "password": self._password})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self.token = self._exchange("POST", "/auth/token", form.encode(), headers)["access_token"]

    def call(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """The decoded answer. `path` is below /api/v1, `key` the Idempotency-Key. Raises ApiRefused, ApiUnreachable."""
        if not self.token:
            self.sign_in()
        try:
            return self._authorised(method, path, body, key)
        except ApiRefused as error:
            if error.status != 401:
                raise
        self.sign_in()
        return self._authorised(method, path, body, key)

    def close(self) -> None:
        self._connection.close()

    def _authorised(self, method: str, path: str, body: Any, key: str | None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Accept-Language": "en"}
        if key is not None:
            headers["Idempotency-Key"] = key
        payload = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            payload = json.dumps(body).encode()
        return self._exchange(method, path, payload, headers)

    def _exchange(self, method: str, path: str, payload: bytes | None, headers: dict[str, str]) -> Any:
        try:
            status, content = self._send(method, path, payload, headers)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, http.client.CannotSendRequest):
            self._connection.close()
            status, content = self._send(method, path, payload, headers)
        if status >= 400:
            raise _refusal(status, content)
        return json.loads(content) if content else None

    def _send(self, method: str, path: str, payload: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        try:
            self._connection.request(method, f"{self._base}/api/v1{path}", payload, headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except http.client.RemoteDisconnected:
            raise
        except (ConnectionRefusedError, TimeoutError, OSError) as error:
            if isinstance(error, BrokenPipeError | ConnectionResetError):
                raise
            self._connection.close()
            raise ApiUnreachable(f"The API at {self._url} does not answer: {error}.") from None


def _refusal(status: int, content: bytes) -> ApiRefused:
    try:
        problem = json.loads(content)
        code = str(problem.get("type", "")).rstrip("/").rpartition("/")[2] or "error"
        detail = str(problem.get("detail") or problem.get("title") or "refused")
        errors = "; ".join(f"{one['field']}: {one['message']}" for one in problem.get("errors") or ())
    except (ValueError, AttributeError, TypeError, KeyError):
        return ApiRefused(status, "error", "The API answered without a reason")
    return ApiRefused(status, code, f"{detail} {errors}".strip())


def path_of(*parts: str) -> str:
    """`/devices/dv-1/bindings` from its parts, each quoted."""
    return "/" + "/".join(quote(part, safe="") for part in parts)
