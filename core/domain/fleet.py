"""The fleet file: what a simulator must know to speak for the homes of a seeded town, and no more.

`anxin town seed --fleet-file` writes it (JSON, mode 0600: it holds broker passwords), simulators read it:

    {"version": 1, "seed": 7, "time_zone": "Asia/Shanghai",
     "homes": [{"number": 1, "residents": 2}, …],
     "members": [
       {"device_id": "h0001-hub", "username": "h0001-hub", "password": "…", "kind": "hub", "home": 1,
        "children": [{"device_id": "h0001-smoke", "type": "smoke", "zone": "kitchen"}, …]},
       {"device_id": "h0001-watch", "username": "h0001-watch", "password": "…", "kind": "watch", "home": 1,
        "children": []}, …]}

A member has a connection of its own; its children speak through it (`device` of an event). `type` is the device
type of the registry's model, `zone` the kind of room. People are not in the file: a simulator plays devices.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ChildType = Literal["sos_button", "smoke", "gas", "co", "water_leak", "pir", "door_contact", "bed_sensor"]
Room = Literal["bedroom", "bathroom", "kitchen", "living", "entrance", "outdoor", "other"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FleetChild(_Part):
    """A sensor without a connection of its own."""

    device_id: str
    type: ChildType
    zone: Room


class FleetMember(_Part):
    """A device with a broker connection: a home's hub with its children, or a watch on a resident's wrist."""

    device_id: str
    username: str
    password: str = Field(repr=False)
    kind: Literal["hub", "watch"]
    home: int
    children: tuple[FleetChild, ...] = ()


class FleetHome(_Part):
    number: int
    residents: int = Field(ge=1)


class Fleet(_Part):
    """`seed` is the town's: a simulator that uses it plays the same lives in every run."""

    version: Literal[1] = 1
    seed: int
    time_zone: str
    homes: tuple[FleetHome, ...]
    members: tuple[FleetMember, ...]
