"""Whose fault an error is: the server's (keep and retry), the data's (bisect and dead-letter) or ours (end, loudly)."""

from enum import Enum, auto

import psycopg

from core.errors import AnxinError
from core.store.pool import is_retryable
from ingest.delivery import Piece
from ingest.event import UNREADABLE_ALARM, Cry, Event, Rejection

# Data the server cannot take: data exceptions, broken constraints, limits such as nesting.
_DATA_CLASSES = frozenset({"22", "23", "54"})


class Fault(Enum):
    SERVER = auto()
    DATA = auto()
    OURS = auto()


def fault_of(error: BaseException) -> Fault:
    """An error of our own code that only some data meets is also DATA: the rest of the batch must go on."""
    if is_retryable(error) or isinstance(error, AnxinError):
        # Of our own errors a transaction meets only those a person must mend first (no service centre yet).
        return Fault.SERVER
    if isinstance(error, psycopg.Error):
        if error.sqlstate is None:
            return Fault.DATA if isinstance(error, psycopg.DataError) else Fault.OURS
        return Fault.DATA if error.sqlstate[:2] in _DATA_CLASSES else Fault.OURS
    return Fault.DATA if isinstance(error, Exception) else Fault.OURS


def condemn(piece: Piece, error: BaseException) -> None:
    """Make a rejection of the one piece that the database refuses. An alarm goes on ringing."""
    content = piece.content
    state = getattr(error, "sqlstate", None) or type(error).__name__
    rejection = Rejection(None, "bad_value", f"The database refuses it ({state}).")
    if type(content) is Rejection:
        # Already refused: without what it carries, the dead letter at least is kept.
        rejection.index, rejection.reason, rejection.source = content.index, content.reason, content.source
    elif type(content) is Event:
        rejection.index, rejection.source, rejection.id = content.index, content.source, content.id
        if content.type.lane == "alarm":
            name = content.type.name if content.type.value_optional or not content.type.shape else UNREADABLE_ALARM
            rejection.cries = [Cry(name, content.at, content.clock_suspect, child=content.child)]
    piece.content = rejection
