"""Whose fault an error is: the server's (keep and retry), the data's (bisect and dead-letter) or ours (end, loudly)."""

import traceback
from enum import Enum, auto

import psycopg

from core.contract.event import UNREADABLE_ALARM, Cry, Event, Rejection
from core.contract.keys import refused_key, unique_key
from core.errors import AnxinError
from core.store.pool import is_retryable
from ingest.delivery import Piece

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


def name_of(error: BaseException) -> str:
    """What an error is, in words that hold no row: PostgreSQL quotes the values it refuses, and logs carry no health
    data. Of an error of our own code, where it was raised."""
    if isinstance(error, psycopg.Error) and error.sqlstate:
        return " ".join(filter(None, (type(error).__name__, error.sqlstate, error.diag.constraint_name)))
    if isinstance(error, psycopg.Error | OSError | AnxinError):
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {frames[-1].filename}:{frames[-1].lineno}" if frames else type(error).__name__


def condemn(piece: Piece, error: BaseException) -> None:
    """Make a rejection of the one piece that the database refuses. An alarm goes on ringing."""
    content = piece.content
    rejection = Rejection(None, "bad_value", f"It cannot be stored: {name_of(error)}.")
    if type(content) is Rejection:
        # Already refused: without what it carries, the dead letter at least is kept.
        rejection.index, rejection.reason, rejection.source = content.index, content.reason, content.source
    elif type(content) is Event:
        rejection.index, rejection.source, rejection.id = content.index, content.source, content.id
        if content.type.lane == "alarm":
            name = content.type.name if content.type.value_optional or not content.type.shape else UNREADABLE_ALARM
            rejection.cries = [
                Cry(
                    name,
                    content.at,
                    content.clock_suspect,
                    child=content.child,
                    device_id=piece.device_id,
                    device_no=piece.device_no,
                )
            ]
        # It was never accepted: the key of the accepted must stay free, or a repaired copy would be a duplicate.
        key = refused_key(piece.delivery.device_id, rejection)
        piece.key = (key or unique_key()) if rejection.cries else None
    piece.content = rejection
