"""Accounts: verified in constant work, roles with validity, links, and a scope version that every change raises."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from argon2 import PasswordHasher

from core.errors import Conflict, Invalid, NotFound
from registry import accounts, passwords
from registry.access import Role, load_scope
from registry.accounts import RoleGrant
from tests.fixtures.people_places import NOW, People, people_in

pytestmark = pytest.mark.integration

DAY = timedelta(days=1)


@pytest.fixture
async def people(database: str) -> AsyncIterator[People]:
    async with people_in(database) as made:
        yield made


async def make(people: People, name: str = "li.operator", *grants: RoleGrant) -> tuple[accounts.Account, str]:
    given = grants or (RoleGrant(Role.OPERATOR, people.here),)
    return await accounts.create(people.conn, name, None, given, NOW, display_name="坐席 1")


async def test_a_made_password_lets_in_and_only_its_hash_is_stored(people: People):
    account, password = await make(people)
    assert await accounts.verify(people.conn, "li.operator", password, NOW) == account.id
    assert await accounts.verify(people.conn, "li.operator", password + "x", NOW) is None
    stored = (await people.rows("SELECT password_hash FROM account"))[0][0]
    assert stored.startswith("$argon2id$")
    assert password not in stored


async def test_unknown_disabled_and_wrong_all_cost_exactly_one_hash(people: People, monkeypatch: pytest.MonkeyPatch):
    _, password = await make(people)
    await make(people, "gone")
    await accounts.disable(people.conn, "gone", NOW)
    await accounts.verify(people.conn, "warm.up", "x" * 12, NOW)
    hashed: list[str] = []

    real = passwords.matches

    async def counted(stored: str, given: str) -> bool:
        hashed.append(stored[:9])
        return await real(stored, given)

    monkeypatch.setattr(passwords, "matches", counted)
    for name, given in (("nobody", password), ("gone", password), ("li.operator", "wrong-password")):
        assert await accounts.verify(people.conn, name, given, NOW) is None
    assert hashed == ["$argon2id"] * 3


async def test_a_disabled_account_is_refused_and_its_sessions_end(people: People):
    account, password = await make(people)
    await people.conn.execute(
        "INSERT INTO refresh_token (id, family_id, account_id, token_hash, created_at, expires_at)"
        " VALUES (gen_random_uuid(), gen_random_uuid(), %s, 'h', now(), now())",
        (account.id,),
    )
    await accounts.disable(people.conn, "li.operator", NOW)
    assert await accounts.verify(people.conn, "li.operator", password, NOW) is None
    with pytest.raises(NotFound):
        await load_scope(people.conn, account.id, NOW)
    assert await people.rows("SELECT 1 FROM refresh_token WHERE revoked_at IS NULL") == []
    await accounts.enable(people.conn, "li.operator", NOW)
    assert await accounts.verify(people.conn, "li.operator", password, NOW) == account.id


async def test_an_old_hash_is_made_anew_at_the_next_sign_in(people: People):
    account, password = await make(people)
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(password)
    await people.conn.execute("UPDATE account SET password_hash = %s", (weak,))
    assert await accounts.verify(people.conn, "li.operator", password, NOW) == account.id
    fresh = (await people.rows("SELECT password_hash FROM account"))[0][0]
    assert fresh != weak and not passwords.needs_rehash(fresh)
    assert await accounts.verify(people.conn, "li.operator", password, NOW) == account.id


async def test_a_reset_replaces_the_password_and_raises_the_scope_version(people: People):
    account, old = await make(people)
    new = await accounts.reset_password(people.conn, "li.operator", NOW)
    assert await accounts.verify(people.conn, "li.operator", old, NOW) is None
    assert await accounts.verify(people.conn, "li.operator", new, NOW) == account.id
    assert (await load_scope(people.conn, account.id, NOW)).scope_version == 2


async def test_what_is_wrong_with_a_new_account_is_said_and_leaves_nothing_behind(people: People):
    await make(people)
    wrong = [
        ("Li", None, RoleGrant(Role.ADMIN)),
        ("ok.name", "short", RoleGrant(Role.ADMIN)),
        ("ok.name", "x" * 300, RoleGrant(Role.ADMIN)),
        ("ok.name", None, RoleGrant(Role.OPERATOR)),
        ("ok.name", None, RoleGrant(Role.REGULATOR)),
        ("ok.name", None, RoleGrant(Role.ADMIN, since=NOW, until=NOW)),
    ]
    for name, password, grant in wrong:
        with pytest.raises(Invalid):
            await accounts.create(people.conn, name, password, [grant], NOW)
    with pytest.raises(Conflict) as taken:
        await make(people)
    assert taken.value.code == "username-taken"
    assert [account.username for account in await accounts.list_(people.conn, NOW)] == ["li.operator"]


async def test_a_role_holds_from_its_beginning_until_its_end(people: People):
    shift = RoleGrant(Role.SHIFT_SUPERVISOR, people.here, since=NOW + DAY, until=NOW + 2 * DAY)
    account, _ = await make(people, "li.operator", RoleGrant(Role.OPERATOR, people.here), shift)
    held = [
        (await load_scope(people.conn, account.id, NOW + at)).has(Role.SHIFT_SUPERVISOR)
        for at in (timedelta(0), DAY, 2 * DAY - timedelta(seconds=1), 2 * DAY)
    ]
    assert held == [False, True, True, False]


async def test_granting_and_revoking_move_the_scope_and_its_version(people: People):
    account, _ = await make(people)
    await accounts.grant(people.conn, "li.operator", RoleGrant(Role.OPERATOR, people.there), NOW)
    scope = await load_scope(people.conn, account.id, NOW)
    assert (set(scope.centre_ids), scope.scope_version) == ({people.here, people.there}, 2)

    assert await accounts.revoke(people.conn, "li.operator", Role.OPERATOR, NOW, people.there) == 1
    scope = await load_scope(people.conn, account.id, NOW)
    assert (scope.centre_ids, scope.scope_version) == ((people.here,), 3)

    assert await accounts.revoke(people.conn, "li.operator", Role.OPERATOR, NOW) == 1
    assert (await load_scope(people.conn, account.id, NOW)).roles == frozenset()
    with pytest.raises(Invalid):
        await accounts.grant(people.conn, "li.operator", RoleGrant(Role.REGULATOR, region_code="110000000000"), NOW)
    with pytest.raises(NotFound):
        await accounts.grant(people.conn, "nobody", RoleGrant(Role.ADMIN), NOW)


async def test_a_family_link_shows_one_elder_until_it_ends(people: People):
    elder, other = await people.elder(), await people.elder()
    family = await people.scope(Role.FAMILY_MEMBER)
    await accounts.link_family(people.conn, family.account_id, elder.id, ["alerts", "vitals"], NOW)
    scope = await load_scope(people.conn, family.account_id, NOW)
    assert scope.elder_ids == (elder.id,)
    assert scope.can_view == {elder.id: frozenset({"alerts", "vitals"})}
    assert not scope.sees(other.centre_id, other.region_code, [other.id])
    with pytest.raises(Conflict):
        await accounts.link_family(people.conn, family.account_id, elder.id, ["alerts"], NOW)
    with pytest.raises(Invalid):
        await accounts.link_family(people.conn, family.account_id, other.id, ["diary"], NOW)
    await accounts.unlink_family(people.conn, family.account_id, elder.id, NOW + DAY)
    after = await load_scope(people.conn, family.account_id, NOW + DAY)
    assert (after.elder_ids, after.scope_version) == ((), scope.scope_version + 1)
