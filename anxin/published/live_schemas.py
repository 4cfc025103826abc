"""JSON Schemas (2020-12) of the alert object and of every frame of the live stream (contract §3).

The alert and what clients may say come from the API's own models; the frames the API sends are texts it builds by hand
for speed, so their shapes are written here and a test compares them with those texts.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from alerts.vocabulary import EventKind
from anxin.published.mqtt_schemas import DIALECT
from api.alert_models import AlertObject
from api.live.client import First, Ping, Renewal, Seat, Shown

Seq = Annotated[int, Field(ge=0)]


class _Frame(BaseModel):
    model_config = ConfigDict(extra="allow")  # a newer platform may say more than this document


class Hello(_Frame):
    """The first frame: the live alerts the caller may see, as one consistent snapshot at `seq`."""

    type: Literal["hello"]
    seq: Seq
    server_time: datetime
    build: str
    reset: bool = Field(description="True: the frames asked for are not kept any more, begin again from `alerts`.")
    alerts: list[AlertObject]


class AlertFrame(_Frame):
    """An alert changed. A client whose last `seq` is not `prev` has a gap and must come back."""

    type: EventKind
    seq: Seq
    prev: Seq = Field(description="The last seq sent on this stream to this caller.")
    at: datetime
    data: AlertObject


class Heartbeat(_Frame):
    """Every 15 s. `seq` is the caller's position: another number held means a gap."""

    type: Literal["heartbeat"]
    seq: Seq
    server_time: datetime


class Pong(_Frame):
    """The answer to a ping."""

    type: Literal["pong"]
    seq: Seq
    server_time: datetime
    build: str


class Error(_Frame):
    """A client frame was not understood; the socket stays open."""

    type: Literal["error"]
    code: str


SENT: dict[str, type[BaseModel]] = {
    "live_hello": Hello,
    "live_alert": AlertFrame,
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
