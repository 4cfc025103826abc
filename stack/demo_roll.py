"""`<data-dir>/parts.json`: which process is which part right now, for programs that measure the demo or break it.

{"api": 4711, "ingest-1": 4713, …, "database": 4700, "broker": 4702, "ports": {"api": 8080, "ingest-1": 9101, …}}
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from stack.demo_secrets import write_private
from stack.errors import StackError


class Roll:
    """Rewritten whole at every start and restart of a part or a server; gone while the demo does not run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pids: dict[str, int] = {}
        self._ports: dict[str, int] = {}

    def open(self, ports: Mapping[str, int]) -> None:
        self._ports = dict(ports)

    def started(self, name: str, pid: int) -> None:
        self._pids[name] = pid
        # A full disk must not stop a part from being started again; the next start writes the roll.
        with contextlib.suppress(OSError):
            write_private(self.path, json.dumps({**self._pids, "ports": self._ports}, indent=1))

    def close(self) -> None:
        self.path.unlink(missing_ok=True)


def read_overrides(path: Path | None) -> dict[str, dict[str, str]]:
    """The environment of single parts from a JSON file `{"<part>" or "*": {"NAME": "value"}}`. Raises StackError."""
    if path is None:
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {str(part): {str(name): str(value) for name, value in said.items()} for part, said in document.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise StackError(f'{path} is no file of {{"<part>": {{"NAME": "value"}}}}: {error}') from error
