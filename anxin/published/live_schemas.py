"""JSON Schemas (2020-12) of the alert object and of every frame of the live stream (contract §3).

The alert and what clients may say come from the API's own models; the frames the API sends are texts it builds by hand
for speed, so their shapes are written here and a test compares them with those texts.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from alerts.vocabulary import EventKind
from anxin.published.mqtt_schemas import DIALECT
from api.alert_models import AlertObject
from api.live.client import First, Ping, Renewal, Seat, Shown

Seq = Annotated[int, Field(ge=0)]


class _Frame(BaseModel):
    model_config = ConfigDict(extra="allow")  # a newer platform may say more than this document


Degraded = Annotated[
    Literal[True] | None,
    Field(description="Said while the database does not answer: new emergencies still ring, as provisional alerts."),
]


class ProvisionalAlert(AlertObject):
    """An alert that only the API process knows: `id` is its provisional id, `alert_no` and `seq` are 0. Closed with
    `already_stored`, `stored` or `never_stored` it is over."""

    provisional_id: UUID


class Hello(_Frame):
    """The first frame: the live alerts the caller may see, as one consistent snapshot at `seq`."""

    type: Literal["hello"]
    seq: Seq
    server_time: datetime
    build: str
    reset: bool = Field(description="True: the frames asked for are not kept any more, begin again from `alerts`.")
    degraded: Degraded = None
    alerts: list[AlertObject]


class AlertFrame(_Frame):
    """An alert changed. A client whose last `seq` is not `prev` has a gap and must come back."""

    type: EventKind
    seq: Seq
    prev: Seq = Field(description="The last seq sent on this stream to this caller.")
    at: datetime
    provisional_id: UUID | None = Field(
        default=None,
        description="Of a cry: the id under which it may have rung before it was stored. Replace that row.",
    )
    data: AlertObject


class ProvisionalFrame(_Frame):
    """An emergency that is not stored: the database does not answer, or ingest has not stored it for a second. It
    comes again with every further press and when somebody takes it; it does not move `seq`."""

    type: Literal["alert.provisional"]
    seq: None
    provisional_id: UUID
    stored: bool = Field(description="False until its last word, which may be that it is stored.")
    at: datetime
    data: ProvisionalAlert


class Heartbeat(_Frame):
    """Every 15 s, and when `degraded` changes. `seq` is the caller's position: another number held means a gap."""

    type: Literal["heartbeat"]
    seq: Seq
    server_time: datetime
    degraded: Degraded = None


class Pong(_Frame):
    """The answer to a ping."""

    type: Literal["pong"]
    seq: Seq
    server_time: datetime
    degraded: Degraded = None
    build: str


class Error(_Frame):
    """A client frame was not understood; the socket stays open."""

    type: Literal["error"]
    code: str


SENT: dict[str, type[BaseModel]] = {
    "live_hello": Hello,
    "live_alert": AlertFrame,
    "live_provisional": ProvisionalFrame,
    "live_heartbeat": Heartbeat,
    "live_pong": Pong,
    "live_error": Error,
}
RECEIVED: dict[str, type[BaseModel]] = {
    "live_client_first": First,
    "live_client_token": Renewal,
    "live_client_ping": Ping,
    "live_client_shown": Shown,
    "live_client_seat": Seat,
}


def live_schemas() -> dict[str, Any]:
    """What the API sends on the stream, by the name of the file (without `.schema.json`)."""
    return {name: _schema(model) for name, model in SENT.items()}


def client_schemas() -> dict[str, Any]:
    """What a client may say on the stream."""
    return {name: _schema(model) for name, model in RECEIVED.items()}


def alert_schema() -> dict[str, Any]:
    """The alert object of REST answers and of the stream's `data`."""
    return _schema(AlertObject)


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    mode: Literal["serialization", "validation"] = "serialization" if model in SENT.values() else "validation"
    return {"$schema": DIALECT, **model.model_json_schema(mode=mode)}
