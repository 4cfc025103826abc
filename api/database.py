"""One request, one transaction: opened with the first use of `Db`, committed after the handler and before the answer.

`scope="function"` is what puts the commit before the answer is sent: with FastAPI's default a client could read
"done" for work that the commit then refuses.
"""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends

from api.services import Services
from core.store.pool import Connection, transaction


async def request_transaction(services: Services) -> AsyncIterator[Connection]:
    async with transaction(services.pool) as conn:
        yield conn


Db = Annotated[Connection, Depends(request_transaction, scope="function")]
