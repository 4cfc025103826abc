"""The devices a recording is played through: a hub of its own, a child for each sensor, a fictional elder for each
subject, made through the API like anybody's and kept beside the ready file, so that a second run speaks as the same
devices and everything it sends is a duplicate.
"""

import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from core.errors import ConfigurationError
from simulators.api_client import ApiClient, ApiRefused, path_of
from simulators.ready import Ready
from simulators.recordings.survey import Sensor, Survey

_BOUND_BEFORE = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Publisher:
    """`children` empty: every event is the publishing device's own."""

    device_id: str
    username: str
    password: str = field(repr=False)
    children: dict[Sensor, str] = field(default_factory=dict)
    elder_ids: tuple[str, ...] = ()


def hub_id_of(surveyed: Survey) -> str:
    return f"rp-{surveyed.digest}"


def child_id(hub_id: str, sensor: Sensor) -> str:
    middle = f"{sensor.subject}-" if sensor.subject else ""
    return f"{hub_id}-{middle}{sensor.name}"[:64]


def existing(device_id: str, username: str, password: str, surveyed: Survey, *, with_children: bool) -> Publisher:
    """A device that is there already; with its children named `<device>-<sensor>`, or speaking for itself."""
    children = {sensor: child_id(device_id, sensor) for sensor in surveyed.sensors} if with_children else {}
    return Publisher(device_id, username, password, children)


def prepared(
    ready: Ready, ready_file: Path, surveyed: Survey, title: str, elder_id: str | None, now: datetime
) -> Publisher:
    """The recording's own devices, made in the first run. Raises ApiRefused, ApiUnreachable, ConfigurationError."""
    hub_id = hub_id_of(surveyed)
    kept = _Kept(ready_file.with_name("replay-devices.json"))
    children = {sensor: child_id(hub_id, sensor) for sensor in sorted(surveyed.sensors, key=repr)}
    known = kept.get(hub_id)
    if known is None:
        admin = ready.accounts["admin"]
        api = ApiClient(ready.api_url, admin.username, admin.password)
        try:
            known = _make(api, ready, hub_id, children, title, elder_id, now)
        finally:
            api.close()
        kept.put(hub_id, known)
    return Publisher(hub_id, known["username"], known["password"], children, tuple(known["elder_ids"]))


def _make(
    api: ApiClient,
    ready: Ready,
    hub_id: str,
    children: dict[Sensor, str],
    title: str,
    elder_id: str | None,
    now: datetime,
) -> dict[str, Any]:
    spare_elder = api.call("GET", path_of("elders", ready.spare_device.elder_id))
    place = {name: spare_elder[name] for name in ("region_code", "centre_id")}
    subjects = sorted({sensor.subject for sensor in children})
    elders = {subject: elder_id or _elder(api, place, hub_id, title, subject) for subject in subjects}
    hub = _device(api, {"id": hub_id, "model": "hub", "centre_id": place["centre_id"]})
    if not hub or hub.get("password") is None:
        raise ConfigurationError(
            f"The device {hub_id} of this recording exists, but its password is not kept beside the ready file any "
            f"more. Retire it, or give its password: --device {hub_id} --with-children --password-file F."
        )
    since = (now - _BOUND_BEFORE).isoformat()
    for sensor, id_ in children.items():
        _device(api, {"id": id_, "model": sensor.model, "hub_id": hub_id})
        _bind(api, id_, {"elder_id": elders[sensor.subject], "from": since})
    _bind(api, hub_id, {"elder_id": elders[subjects[0]], "from": since})
    return {**hub, "elder_ids": sorted(set(elders.values()))}


def _elder(api: ApiClient, place: dict[str, Any], hub_id: str, title: str, subject: str) -> str:
    body = {
        **place,
        "name": f"回放{title}{subject}"[:40],
        "gender": "unknown",
        "birth_date": "1940-01-01",
        "living_arrangement": "living_alone",
    }
    made = api.call("POST", "/elders", body, key=f"replay-elder-{hub_id}-{subject}")
    return str(made["id"])


def _device(api: ApiClient, body: dict[str, Any]) -> dict[str, Any]:
    """The credential; empty where the device is there already from a run that was cut short more than a day ago."""
    try:
        made: dict[str, Any] = api.call("POST", "/devices", body, key=f"replay-device-{body['id']}")
    except ApiRefused as error:
        if error.code != "device-exists":
            raise
        return {}
    return made


def _bind(api: ApiClient, device_id: str, body: dict[str, Any]) -> None:
    try:
        api.call("POST", path_of("devices", device_id, "bindings"), body)
    except ApiRefused as error:
        if error.code != "binding-overlap":  # bound by the run that was cut short
            raise


class _Kept:
    """Passwords of earlier runs: a private file, replaced whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _all(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{self.path} can't be read: {error}. Remove it to start afresh.") from None
        return content

    def get(self, hub_id: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._all().get(hub_id)
        return found

    def put(self, hub_id: str, known: dict[str, Any]) -> None:
        fresh = self.path.with_name(self.path.name + ".new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({**self._all(), hub_id: known}, file, indent=1)
        fresh.replace(self.path)
