"""Finding elders: exactly by blind index, by a piece of a name through names opened in this process only."""

import re
from typing import Any
from uuid import UUID

from core.runtime.crypto import Keyring, normalise
from core.store.pool import Connection
from core.store.queries import load_queries
from registry import data_keys
from registry.access import Scope, scoped
from registry.rows import fetch_all

_FILE = ("registry", "queries_elders.sql")
_PHONE = re.compile(r"\+?[0-9][0-9 \-()]{5,23}")
_ID_NO = re.compile(r"[0-9]{17}[0-9Xx]")
_ELDER_NO = re.compile(r"[0-9]{1,10}")
_OPEN_AT_ONCE = 500


class NameIndex:
    """Opened names of elders, in memory only. Each search asks the database which elders are in scope and which
    version they have, so a changed name is opened again and an erased or foreign one is never found."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._names: dict[UUID, tuple[int, str]] = {}

    async def find(self, conn: Connection, scope: Scope, fragment: str) -> list[UUID]:
        """Elders in scope whose name contains `fragment`, whatever its case, width or spaces."""
        wanted = normalise("name", fragment)
        if not wanted:
            return []
        rows = await fetch_all(conn, scoped(load_queries(*_FILE)["names_in_scope"]), scope.sql_params())
        missing = [row["id"] for row in rows if self._names.get(row["id"], (0, ""))[0] != row["version"]]
        for start in range(0, len(missing), _OPEN_AT_ONCE):
            await self._open(conn, missing[start : start + _OPEN_AT_ONCE])
        return [row["id"] for row in rows if wanted in self._names.get(row["id"], (0, ""))[1]]

    async def _open(self, conn: Connection, ids: list[UUID]) -> None:
        for row in await fetch_all(conn, load_queries(*_FILE)["names_of"], {"ids": ids}):
            key = data_keys.of_row(self._keyring, row)
            if key is not None:
                name = key.decrypt(row["name_enc"], field="name")
                self._names[row["id"]] = (row["version"], normalise("name", name))


def searched_fields(q: str) -> list[str]:
    """Which fields a search for `q` compares: what the access log says of it, in place of the words."""
    text = q.strip()
    kinds = [("phone", _PHONE), ("id_no", _ID_NO), ("elder_no", _ELDER_NO)]
    return [name for name, form in kinds if form.fullmatch(text)] or ["name"]


async def params(conn: Connection, keyring: Keyring, scope: Scope, names: NameIndex, q: str) -> dict[str, Any]:
    """What the statement search_elders compares; None never matches."""
    text, fields = q.strip(), searched_fields(q)
    return {
        "name_hash": keyring.blind_index("name", text) if "name" in fields else None,
        "phone_hash": keyring.blind_index("phone", text) if "phone" in fields else None,
        "id_no_hash": keyring.blind_index("id_no", text) if "id_no" in fields else None,
        "elder_no": int(text) if "elder_no" in fields else None,
        "ids": await names.find(conn, scope, text) if "name" in fields else [],
    }
