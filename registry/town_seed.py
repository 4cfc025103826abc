"""Writes the fictional town into an empty registry, whole or not at all, in a few seconds for a hundred homes."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from core.domain.fleet import Fleet, FleetChild, FleetHome, FleetMember, Room
from core.domain.ids import new_id
from core.errors import Conflict
from core.runtime.crypto import Keyring
from core.store.pool import Connection
from core.store.queries import load_queries
from registry import accounts, contacts, device_models, devices, dwellings, elders, organisations, regions, staff, town
from registry.access import VIEWS, Role
from registry.accounts import RoleGrant
from registry.contacts import NewContact
from registry.devices import DeviceSpec
from registry.dwellings import NewDwelling, Zone
from registry.elder_model import NewElder
from registry.organisations import Centre, Organisation
from registry.rows import fetch_one, write_all
from registry.staff import NewStaff
from registry.town import AccountPlan, CentreKey, HomePlan, TownPlan

log = logging.getLogger(__name__)

Login = dict[str, str]

# The town has lived for a while: recordings replayed into the past find their owner as far back as events are taken.
_LIVED_HERE = timedelta(days=35)


@dataclass(frozen=True, slots=True)
class SpareDevice:
    id: str
    username: str
    password: str
    elder_id: UUID


@dataclass(frozen=True, slots=True)
class Town:
    """What was made, with every password: readable now and never again."""

    accounts: dict[str, Login]
    spare_device: SpareDevice
    fleet: Fleet

    def ready_part(self) -> dict[str, Any]:
        """The part of the ready file (contract 4) that the registry knows."""
        spare = self.spare_device
        return {
            "accounts": self.accounts,
            "spare_device": {
                "id": spare.id,
                "username": spare.username,
                "password": spare.password,
                "elder_id": str(spare.elder_id),
            },
        }


@dataclass(frozen=True, slots=True)
class _Home:
    """A planned home with the ids its rows get."""

    plan: HomePlan
    dwelling_id: UUID
    household_id: UUID
    elder_ids: tuple[UUID, ...]
    zones: dict[Room, Zone]


async def is_seeded(conn: Connection) -> bool:
    """Whether the town is here. Raises Conflict `registry-in-use` when anything else is: real people and invented
    ones do not share a registry."""
    row = await fetch_one(conn, load_queries("registry", "queries_town.sql")["what_is_here"])
    assert row is not None
    if row["others"]:
        raise Conflict(
            "This registry holds regions that are not the town's; seed an empty one.", code="registry-in-use"
        )
    return bool(row["town"])


async def seed_town(conn: Connection, keyring: Keyring, *, homes: int, seed: int, now: datetime) -> Town | None:
    """Write the town in one transaction; None when it is here already, and then nothing is changed.

    Raises Conflict `registry-in-use` as `is_seeded` does.
    """
    planned = town.plan(homes, seed, now.astimezone(ZoneInfo(town.TIME_ZONE)).date())
    async with conn.transaction():
        await conn.execute(load_queries("registry", "queries_town.sql")["one_at_a_time"])
        if await is_seeded(conn):
            return None
        centres = await _places(conn, now)
        made = [_with_ids(plan, now) for plan in (planned.spare_home, *planned.homes)]
        await _people(conn, keyring, made, centres, now)
        passwords = await _devices(conn, made, centres, now)
        logins = await _accounts(conn, keyring, planned, made, centres, now)
    log.info("town seeded", extra={"action": "town.seeded", "homes": homes, "seed": seed})
    spare = SpareDevice(
        town.SPARE_DEVICE_ID, town.SPARE_DEVICE_ID, passwords[town.SPARE_DEVICE_ID], made[0].elder_ids[0]
    )
    return Town(logins, spare, _fleet(planned, passwords))


async def _places(conn: Connection, now: datetime) -> dict[CentreKey, UUID]:
    await regions.insert(conn, town.regions(), allow_test_region=True)
    bureau = new_id(now)
    await organisations.insert(conn, [Organisation(bureau, "松岭县民政局（虚构）", "county_bureau", town.COUNTY)], now)
    centres: dict[CentreKey, UUID] = {"first": new_id(now), "second": new_id(now)}
    await organisations.insert_centres(
        conn,
        [
            Centre(
                centres["first"], "青石居家养老服务中心（虚构）", town.TOWNSHIPS[0], ("19900009998",),
                takes_unidentified=True,
            ),
            Centre(centres["second"], "白桥居家养老服务中心（虚构）", town.TOWNSHIPS[1], ("19900009999",)),
        ],
        now,
    )  # fmt: skip
    await device_models.seed_models(conn, now)
    return centres


def _with_ids(plan: HomePlan, now: datetime) -> _Home:
    dwelling_id = new_id(now)
    zones = {kind: Zone(new_id(now), dwelling_id, kind, name) for kind, name in town.ROOMS}
    return _Home(plan, dwelling_id, new_id(now), tuple(new_id(now) for _ in plan.elders), zones)


async def _people(
    conn: Connection, keyring: Keyring, homes: list[_Home], centres: dict[CentreKey, UUID], now: datetime
) -> None:
    await dwellings.insert_many(conn, keyring, [(h.dwelling_id, _dwelling(h.plan, centres)) for h in homes], now)
    await dwellings.insert_households(conn, [(h.household_id, h.dwelling_id) for h in homes], now)
    await dwellings.add_zones(conn, [zone for h in homes for zone in h.zones.values()])
    await elders.insert_many(conn, keyring, [row for h in homes for row in _elders(h, centres)], now)
    people = [(id, plan) for h in homes for id, plan in zip(h.elder_ids, h.plan.elders, strict=True)]
    await contacts.insert_many(
        conn,
        keyring,
        [
            (new_id(now), elder_id, NewContact(c.name, c.phone, c.relation, c.priority, is_keyholder=c.is_keyholder))
            for elder_id, plan in people
            for c in plan.contacts
        ],
        now,
    )


def _dwelling(plan: HomePlan, centres: dict[CentreKey, UUID]) -> NewDwelling:
    return NewDwelling(plan.region_code, centres[plan.centre], plan.address, lat=plan.lat, lng=plan.lng)


def _elders(home: _Home, centres: dict[CentreKey, UUID]) -> Iterable[tuple[UUID, NewElder]]:
    for id, plan in zip(home.elder_ids, home.plan.elders, strict=True):
        person = plan.person
        yield (
            id,
            NewElder(
                name=person.name,
                gender=person.gender,
                birth_date=person.birth_date,
                region_code=home.plan.region_code,
                centre_id=centres[home.plan.centre],
                living_arrangement=plan.living_arrangement,
                phone=person.phone,
                id_no=person.id_no,
                household_id=home.household_id,
            ),
        )


async def _devices(
    conn: Connection, homes: list[_Home], centres: dict[CentreKey, UUID], now: datetime
) -> dict[str, str]:
    """Make and bind every device; returns the passwords of those that speak to the broker themselves."""
    specs = [spec for home in homes for spec in _specs(home.plan, centres[home.plan.centre])]
    made = await devices.create_many(conn, specs, now=now)
    bindings = [
        {"id": new_id(now), "from": now - _LIVED_HERE, "until": None, "now": now, **row}
        for home in homes
        for row in _bindings(home)
    ]
    await write_all(conn, load_queries("registry", "queries_devices.sql")["insert_binding"], bindings)
    # The fleet is in service; the spare device is installed and silent, which no rule may hold against it.
    active = [row["device_id"] for row in bindings if row["device_id"] != town.SPARE_DEVICE_ID]
    statement = load_queries("registry", "queries_town.sql")["set_lifecycles"]
    await conn.execute(statement, {"ids": active, "lifecycle": "active"})
    await conn.execute(statement, {"ids": [town.SPARE_DEVICE_ID], "lifecycle": "installed"})
    return {new.device.id: new.password for new in made if new.password is not None}


def _specs(plan: HomePlan, centre_id: UUID) -> Iterable[DeviceSpec]:
    if plan.hub_id is None or plan.watch_id is None:
        yield DeviceSpec("pendant", town.SPARE_DEVICE_ID, centre_id=centre_id)
        return
    yield DeviceSpec("hub", plan.hub_id, centre_id=centre_id)
    yield DeviceSpec("sos-watch", plan.watch_id, centre_id=centre_id)
    for child in plan.children:
        yield DeviceSpec(child.model, child.device_id, hub_id=plan.hub_id, centre_id=centre_id)


def _bindings(home: _Home) -> Iterable[dict[str, Any]]:
    def bound(device_id: str, *, to_elder: bool, zone: Room | None = None) -> dict[str, Any]:
        return {
            "device_id": device_id,
            "elder_id": home.elder_ids[0] if to_elder else None,
            "dwelling_id": None if to_elder else home.dwelling_id,
            "zone_id": None if zone is None else home.zones[zone].id,
        }

    plan = home.plan
    if plan.hub_id is None or plan.watch_id is None:
        yield bound(town.SPARE_DEVICE_ID, to_elder=True)
        return
    yield bound(plan.hub_id, to_elder=False)
    yield bound(plan.watch_id, to_elder=True)
    for child in plan.children:
        yield bound(child.device_id, to_elder=False, zone=child.zone)


async def _accounts(
    conn: Connection,
    keyring: Keyring,
    planned: TownPlan,
    homes: list[_Home],
    centres: dict[CentreKey, UUID],
    now: datetime,
) -> dict[str, Login]:
    staffed = {plan.key: (new_id(now), plan) for plan in planned.accounts if plan.staff is not None}
    await staff.insert_many(conn, keyring, [(id, _staff(plan, centres)) for id, plan in staffed.values()], now)
    logins = {}
    for plan in planned.accounts:
        grant = RoleGrant(plan.role, plan.centre and centres[plan.centre], plan.region_code)
        account, password = await accounts.create(
            conn,
            plan.key,
            None,
            [grant],
            now,
            display_name=plan.display_name,
            staff_id=staffed[plan.key][0] if plan.key in staffed else None,
        )
        if plan.role is Role.FAMILY_MEMBER:
            followed = homes[min(1, len(homes) - 1)].elder_ids[0]
            await accounts.link_family(conn, account.id, followed, sorted(VIEWS), now)
        logins[plan.key] = {"username": plan.key, "password": password}
    return logins


def _staff(plan: AccountPlan, centres: dict[CentreKey, UUID]) -> NewStaff:
    assert plan.staff is not None and plan.centre is not None
    return NewStaff(centres[plan.centre], plan.staff.name, plan.staff.phone)


def _fleet(planned: TownPlan, passwords: dict[str, str]) -> Fleet:
    members = []
    for plan in planned.homes:
        assert plan.hub_id is not None and plan.watch_id is not None
        children = tuple(FleetChild(device_id=c.device_id, type=c.type, zone=c.zone) for c in plan.children)
        for kind, id, own in (("hub", plan.hub_id, children), ("watch", plan.watch_id, ())):
            members.append(
                FleetMember.model_validate(
                    {
                        "device_id": id,
                        "username": id,
                        "password": passwords[id],
                        "kind": kind,
                        "home": plan.number,
                        "children": own,
                    }
                )
            )
    return Fleet(
        seed=planned.seed,
        time_zone=town.TIME_ZONE,
        homes=tuple(FleetHome(number=plan.number, residents=len(plan.elders)) for plan in planned.homes),
        members=tuple(members),
    )
