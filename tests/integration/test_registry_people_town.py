"""Seeding the fictional town: complete, fast enough, once, and only into an empty registry."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from anxin.__main__ import main as anxin
from core.domain.fleet import Fleet
from core.errors import Conflict
from core.runtime.crypto import Keyring
from core.store.pool import Connection
from registry import accounts, elders, organisations, regions, town_seed
from registry.access import Role, load_scope
from registry.attribution import attribute
from registry.regions import Region
from registry.town_seed import Town, seed_town

pytestmark = pytest.mark.integration

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
KEYRING = Keyring(bytes(range(32)), "k1")


async def seeded(url: str, homes: int = 12) -> tuple[Connection, Town]:
    conn = await psycopg.AsyncConnection.connect(url, autocommit=True)
    made = await seed_town(conn, KEYRING, homes=homes, seed=7, now=NOW)
    assert made is not None
    return conn, made


async def count(conn: Connection, sql: str) -> int:
    row = await (await conn.execute(sql)).fetchone()
    assert row is not None
    return int(row[0])


async def test_the_town_is_whole_and_every_account_of_the_ready_file_signs_in(database: str):
    conn, made = await seeded(database)
    async with conn:
        assert list(made.accounts) == [
            "admin", "operator", "operator2", "supervisor", "foreign_operator", "responder", "visitor", "family",
            "regulator",
        ]  # fmt: skip
        scopes = {}
        for key, login in made.accounts.items():
            account = await accounts.verify(conn, login["username"], login["password"], NOW)
            assert account is not None, key
            scopes[key] = await load_scope(conn, account, NOW)
        assert await count(conn, "SELECT count(*) FROM dwelling") == 13
        own = scopes["operator"].centre_ids
        assert own == scopes["operator2"].centre_ids == scopes["supervisor"].centre_ids == scopes["visitor"].centre_ids
        assert scopes["supervisor"].has(Role.SHIFT_SUPERVISOR)
        assert scopes["foreign_operator"].centre_ids not in ((), own)
        assert len(scopes["family"].elder_ids) == 1
        everybody = await count(conn, "SELECT count(*) FROM elder")
        seen = {
            key: len((await elders.list_(conn, KEYRING, scope, NOW, limit=200)).items) for key, scope in scopes.items()
        }
        assert seen["admin"] == seen["regulator"] == seen["operator"] + seen["foreign_operator"] == everybody
        assert (seen["responder"], seen["family"]) == (0, 1)
        assert min(seen["operator"], seen["foreign_operator"]) > 0
        centres = await organisations.centres(conn, scopes["admin"])
        assert [centre.takes_unidentified for centre in centres].count(True) == 1
        assert str(await regions.zone_of(conn, "990102100001")) == "Asia/Shanghai"


async def test_every_device_of_the_fleet_file_stands_for_its_home_and_the_watch_for_its_elder(database: str):
    conn, made = await seeded(database)
    async with conn:
        assert [home.number for home in made.fleet.homes] == list(range(1, 13))
        hubs = [member for member in made.fleet.members if member.kind == "hub"]
        watches = [member for member in made.fleet.members if member.kind == "watch"]
        assert len(hubs) == len(watches) == 12
        for hub, watch in zip(hubs, watches, strict=True):
            ids = [hub.device_id, *(child.device_id for child in hub.children)]
            whose = await attribute(conn, [(id, NOW) for id in (*ids, watch.device_id)])
            assert {each.subject_kind for each in whose[:-1]} == {"dwelling"}
            assert len({each.subject_id for each in whose[:-1]}) == 1
            assert whose[-1].subject_kind == "elder"
            assert whose[-1].elder_id in whose[0].elder_ids
        assert await count(conn, "SELECT count(*) FROM device WHERE lifecycle = 'active'") == sum(
            1 + len(member.children) for member in made.fleet.members
        )
        cursor = await conn.execute("SELECT username FROM broker_credential WHERE revoked_at IS NULL")
        known = {row[0] for row in await cursor.fetchall()}
        assert known == {member.username for member in made.fleet.members} | {made.spare_device.username}


async def test_the_spare_device_stands_for_an_elder_whom_the_fleet_never_plays(database: str):
    conn, made = await seeded(database)
    async with conn:
        spare = made.spare_device
        (whose,) = await attribute(conn, [(spare.id, NOW)])
        assert (whose.subject_kind, whose.elder_id) == ("elder", spare.elder_id)
        played = {child.device_id for member in made.fleet.members for child in member.children}
        assert spare.id not in played | {member.device_id for member in made.fleet.members}
        cursor = await conn.execute("SELECT elder_id, device_id FROM device_binding WHERE elder_id IS NOT NULL")
        assert [row[1] for row in await cursor.fetchall() if row[0] == spare.elder_id] == [spare.id]


async def test_zones_of_bindings_are_the_rooms_the_fleet_file_names(database: str):
    conn, made = await seeded(database, homes=2)
    async with conn:
        cursor = await conn.execute(
            "SELECT b.device_id, z.kind, z.dwelling_id = b.dwelling_id"
            " FROM device_binding b JOIN zone z ON z.id = b.zone_id"
        )
        rooms = {row[0]: row[1:] for row in await cursor.fetchall()}
    expected = {c.device_id: (c.zone, True) for member in made.fleet.members for c in member.children}
    assert rooms == expected


async def test_a_second_seeding_changes_nothing_and_a_registry_in_use_is_left_alone(database: str, new_database):
    conn, _ = await seeded(database, homes=1)
    async with conn:
        assert await seed_town(conn, KEYRING, homes=3, seed=8, now=NOW) is None
        assert await count(conn, "SELECT count(*) FROM dwelling") == 2
    async with await psycopg.AsyncConnection.connect(new_database(), autocommit=True) as real:
        await regions.insert(real, [Region("360000000000", "江西省", "Asia/Shanghai")])
        with pytest.raises(Conflict, match="empty"):
            await seed_town(real, KEYRING, homes=1, seed=8, now=NOW)
        assert await count(real, "SELECT count(*) FROM account") == 0


async def test_a_seeding_that_fails_half_way_leaves_nothing(database: str, monkeypatch: pytest.MonkeyPatch):
    async def refuse(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("half way")

    monkeypatch.setattr(town_seed, "_accounts", refuse)
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as conn:
        with pytest.raises(RuntimeError):
            await seed_town(conn, KEYRING, homes=1, seed=1, now=NOW)
        assert await count(conn, "SELECT count(*) FROM region") == 0
        assert await count(conn, "SELECT count(*) FROM device") == 0


def test_the_command_writes_both_files_for_the_owner_only_and_says_so_the_second_time(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("ANXIN_DATABASE_URL", database)
    monkeypatch.setenv("ANXIN_MASTER_KEY", "A" * 43)
    monkeypatch.setenv("ANXIN_TOKEN_SECRET", "t" * 32)
    ready, fleet = tmp_path / "town.json", tmp_path / "fleet.json"
    command = ["town", "seed", "--homes", "2", "--seed", "3", "--ready-part", str(ready), "--fleet-file", str(fleet)]

    assert anxin(command) == 0

    assert capsys.readouterr().out == "seeded 2 homes with seed 3\n"
    for path in (ready, fleet):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    part = json.loads(ready.read_text())
    assert set(part) == {"accounts", "spare_device"}
    assert set(part["spare_device"]) == {"id", "username", "password", "elder_id"}
    UUID(part["spare_device"]["elder_id"])
    assert len(Fleet.model_validate_json(fleet.read_text()).members) == 4
    before = ready.read_bytes()

    assert anxin(command) == 0
    assert capsys.readouterr().out == "the town is here already, nothing was changed\n"
    assert ready.read_bytes() == before

    fleet.unlink()
    assert anxin(command) == 1
    assert "shown once" in capsys.readouterr().err


def test_the_account_command_creates_lists_disables_and_says_what_is_wrong(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("ANXIN_DATABASE_URL", database)
    assert anxin(["account", "list"]) == 0
    assert anxin(["account", "create", "boss", "--role", "admin", "--display-name", "管理员"]) == 0
    name, _, password = capsys.readouterr().out.splitlines()[-1].partition("\t")
    assert name == "boss" and len(password) == 16
    assert anxin(["account", "create", "boss", "--role", "admin"]) == 2
    assert anxin(["account", "create", "seat", "--role", "operator"]) == 2
    assert anxin(["account", "reset-password", "boss"]) == 0
    assert anxin(["account", "disable", "boss"]) == 0
    assert anxin(["account", "list"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].split() == ["boss", "disabled", "admin"]
    assert err.splitlines() == [
        "anxin account: There is an account named boss already.",
        "anxin account: centre_id: The role operator is held at a centre.",
    ]
    monkeypatch.setenv("ANXIN_DATABASE_URL", "postgresql://anxin@127.0.0.1:1/anxin")
    assert anxin(["account", "list"]) == 2
    assert "does not answer" in capsys.readouterr().err
