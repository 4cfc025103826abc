"""What a client may say on the live stream: parsed and bounded here, so the connection meets only these types."""

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

Seq = Annotated[int, Field(ge=0, le=2**53)]


class _ClientFrame(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")  # a newer client may say more than we know


class First(_ClientFrame):
    """The first message of a browser, which cannot set headers."""

    token: Annotated[str, Field(min_length=1, max_length=4096)]
    after: Seq | None = None


class Renewal(_ClientFrame):
    """A fresh access token for a living socket."""

    type: Literal["token"] = "token"
    token: Annotated[str, Field(min_length=1, max_length=4096)]


class Ping(_ClientFrame):
    type: Literal["ping"]


class Shown(_ClientFrame):
    """The alert is on a screen now."""

    type: Literal["shown"]
    alert: Annotated[str, Field(max_length=64, pattern="^[0-9A-Za-z-]+$")]
    seq: Seq


class Seat(_ClientFrame):
    """Whether a person could hear and see this console, and how long nobody touched it."""

    type: Literal["seat"]
    audible: bool | None = None
    visible: bool | None = None
    idle_s: Annotated[int, Field(ge=0, le=31_536_000)] | None = None


ClientFrame = Renewal | Ping | Shown | Seat
_FRAMES: TypeAdapter[ClientFrame] = TypeAdapter(Annotated[Ping | Shown | Seat, Field(discriminator="type")])


class FrameError(ValueError):
    """Not a frame of the contract; `code` is what the client is told."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def read_first(text: str | None) -> First:
    """Raises FrameError: without a token there is nobody to answer."""
    try:
        return First.model_validate(_object(text))
    except ValidationError:
        raise FrameError("bad_frame") from None


def read_frame(text: str | None) -> ClientFrame:
    """Raises FrameError `bad_json`, `unknown_type` or `bad_frame`."""
    body = _object(text)
    try:
        if "token" in body:
            return Renewal.model_validate({"token": body["token"]})
        if body.get("type") not in ("ping", "shown", "seat"):
            raise FrameError("unknown_type")
        return _FRAMES.validate_python(body)
    except ValidationError:
        raise FrameError("bad_frame") from None


def _object(text: str | None) -> dict[str, object]:
    """None stands for a binary message."""
    try:
        body = json.loads(text) if text is not None else None
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise FrameError("bad_json")
    return body
