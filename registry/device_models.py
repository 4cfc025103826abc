"""The device models a new registry knows: product families by type, not brands.

`supervision_class_s` is the silence after which a device of the model counts as lost: 90 s and 180 s for mains
powered hubs and alarm hosts (EN 50134 class of connection), 5 h for daily-worn and vital devices, 25 h for battery
sensors that report once a day. `has_countdown`: a fall on the alarm lane was already waited for by the device.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.domain.ids import new_id
from core.store.pool import Connection
from core.store.queries import load_queries


@dataclass(frozen=True, slots=True)
class DeviceModel:
    name: str
    vendor: str
    device_type: str
    supervision_class_s: int = 90_000
    has_countdown: bool = False


SEED_MODELS = (
    DeviceModel("hub", "generic", "gateway", 180),
    DeviceModel("call-phone", "generic", "call_phone", 180),
    DeviceModel("sos-watch", "generic", "wearable_watch", 18_000, has_countdown=True),
    DeviceModel("wristband", "generic", "wearable_watch", 18_000),
    DeviceModel("pendant", "generic", "pendant", 90_000, has_countdown=True),
    DeviceModel("sos-button", "generic", "sos_button"),
    DeviceModel("pull-cord", "generic", "pull_cord"),
    DeviceModel("bed-sensor", "generic", "bed_sensor", 18_000),
    DeviceModel("fall-radar", "generic", "radar", 180),
    DeviceModel("pir", "generic", "pir"),
    DeviceModel("door-contact", "generic", "door_contact"),
    DeviceModel("smoke-detector", "generic", "smoke"),
    DeviceModel("gas-detector", "generic", "gas", 180),
    DeviceModel("co-detector", "generic", "co"),
    DeviceModel("water-leak", "generic", "water_leak"),
    DeviceModel("water-meter", "generic", "water_meter"),
    DeviceModel("gas-meter", "generic", "gas_meter"),
    DeviceModel("power-meter", "generic", "power_meter", 18_000),
    DeviceModel("climate", "generic", "climate"),
    DeviceModel("bp-meter", "generic", "bp_meter"),
    DeviceModel("glucometer", "generic", "glucometer"),
    DeviceModel("thermometer", "generic", "thermometer"),
    DeviceModel("pill-box", "generic", "pill_box"),
)


async def seed_models(conn: Connection, now: datetime) -> int:
    """Add the seed models a registry does not have yet; returns how many. Existing ones stay as they are."""
    cursor = await conn.execute(
        load_queries("registry", "queries_devices.sql")["seed_models"],
        {
            "ids": [new_id(now) for _ in SEED_MODELS],
            "names": [model.name for model in SEED_MODELS],
            "vendors": [model.vendor for model in SEED_MODELS],
            "types": [model.device_type for model in SEED_MODELS],
            "classes": [model.supervision_class_s for model in SEED_MODELS],
            "countdowns": [model.has_countdown for model in SEED_MODELS],
        },
    )
    return cursor.rowcount


async def add_model(conn: Connection, model: DeviceModel, now: datetime) -> bool:
    """Add one model; False when the name is known already."""
    cursor = await conn.execute(
        load_queries("registry", "queries_devices.sql")["insert_model"],
        {
            "id": new_id(now),
            "name": model.name,
            "vendor": model.vendor,
            "type": model.device_type,
            "class": model.supervision_class_s,
            "countdown": model.has_countdown,
        },
    )
    return cursor.rowcount == 1


async def model_ids(conn: Connection) -> dict[str, UUID]:
    """Row id of every model by its name."""
    cursor = await conn.execute(load_queries("registry", "queries_devices.sql")["model_ids"])
    return dict(await cursor.fetchall())


async def list_models(conn: Connection) -> list[DeviceModel]:
    """Every model, by name."""
    cursor = await conn.execute(load_queries("registry", "queries_devices.sql")["list_models"])
    return [DeviceModel(*row) for row in await cursor.fetchall()]
