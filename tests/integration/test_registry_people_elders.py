"""Elders in the registry: masked, scoped, searchable, changed with a version, revealed on record, erased for good."""

import re
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from core.errors import Conflict, Forbidden, Invalid, NotFound
from registry import accounts, contacts, elders, erasure
from registry.access import Role, load_scope
from registry.contacts import NewContact
from registry.elder_search import NameIndex
from tests.fixtures.people_places import (
    ADDRESS,
    ID_NO,
    KEYRING,
    NAME,
    NOW,
    OTHER_VILLAGE,
    PHONE,
    VILLAGE,
    People,
    people_in,
)

pytestmark = pytest.mark.integration

RANDOM = re.compile(r"\\x[0-9a-f]*|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
async def people(database: str) -> AsyncIterator[People]:
    async with people_in(database) as made:
        yield made


async def test_an_elder_is_handed_out_masked_with_the_building_only(people: People):
    operator = await people.operator()
    made = await people.elder(operator, id_no=ID_NO, household_id=await people.household())

    read = await elders.get(people.conn, KEYRING, operator, made.id, NOW)

    assert read == made
    assert (read.name, read.phone, read.id_no) == ("欧**英", "199****4321", "9****************2")
    assert read.building == "云溪市松岭县青石镇桂花社区安居小区3栋"
    assert (read.version, read.enrolment, read.erased) == (1, "active", False)


async def test_two_elders_of_one_name_have_other_cipher_texts_and_the_same_index(people: People):
    await people.elder()
    await people.elder()
    rows = await people.rows("SELECT name_enc, name_hash, phone_enc FROM elder")
    assert len({row[0] for row in rows}) == len({row[2] for row in rows}) == 2
    assert len({row[1] for row in rows}) == 1


async def test_a_foreign_operator_finds_nothing_by_id_list_or_search_and_may_change_nothing(people: People):
    elder = await people.elder(id_no=ID_NO)
    foreign = await people.operator(people.there)
    with pytest.raises(NotFound):
        await elders.get(people.conn, KEYRING, foreign, elder.id, NOW)
    with pytest.raises(NotFound):
        await elders.update(people.conn, KEYRING, foreign, elder.id, {"gender": "male"}, NOW)
    with pytest.raises(NotFound):
        await elders.reveal(people.conn, KEYRING, foreign, elder.id, ["name"], "curious", NOW)
    with pytest.raises(NotFound):
        await contacts.of_elder(people.conn, KEYRING, foreign, elder.id)
    for q in (None, NAME, "桂英", PHONE, ID_NO, str(elder.elder_no)):
        page = await elders.list_(people.conn, KEYRING, foreign, NOW, q=q)
        assert page.items == []


async def test_nobody_enrols_an_elder_at_a_centre_they_do_not_work_for(people: People):
    for role in (Role.VISITOR, Role.RESPONDER):
        with pytest.raises(Forbidden):
            await people.elder(await people.scope(role, people.here))
    with pytest.raises(NotFound):
        await people.elder(await people.operator(people.there))
    with pytest.raises(Forbidden):
        await people.elder(await people.scope(Role.REGULATOR, region="990102000000"))


@pytest.mark.parametrize("q", [NAME, "欧阳 桂英", "桂英", "欧", PHONE, "+86 199 0000 4321", ID_NO])
async def test_a_search_finds_by_exact_number_and_by_a_piece_of_the_name(people: People, q: str):
    operator = await people.operator()
    wanted = await people.elder(id_no=ID_NO)
    await people.elder(name="赵军", phone="19900009999")
    page = await elders.list_(people.conn, KEYRING, operator, NOW, q=q)
    assert [elder.id for elder in page.items] == [wanted.id]
    by_number = await elders.list_(people.conn, KEYRING, operator, NOW, q=str(wanted.elder_no))
    assert [elder.id for elder in by_number.items] == [wanted.id]


async def test_a_search_is_on_record_without_the_words_that_were_typed(people: People):
    operator = await people.operator()
    await elders.list_(people.conn, KEYRING, operator, NOW, q=PHONE, request_id="r1")
    rows = await people.rows(
        "SELECT actor_id, action, subject_kind, subject_id, fields, reason, request_id FROM access_log"
    )
    assert rows == [(operator.account_id, "search", "elders", "*", ["phone"], None, "r1")]


async def test_the_name_index_of_a_process_follows_changes_and_forgets_the_erased(people: People):
    operator, index = await people.operator(), NameIndex(KEYRING)
    elder = await people.elder()

    async def found(q: str) -> int:
        return len((await elders.list_(people.conn, KEYRING, operator, NOW, q=q, names=index)).items)

    assert await found("桂英") == 1
    await elders.update(people.conn, KEYRING, operator, elder.id, {"name": "欧阳淑华"}, NOW)
    assert (await found("桂英"), await found("淑华")) == (0, 1)
    await erasure.erase(people.conn, elder.id, NOW)
    assert await found("淑华") == 0


async def test_pages_follow_each_other_without_gap_or_overlap(people: People):
    operator = await people.operator()
    made = [(await people.elder(operator)).id for _ in range(5)]
    seen, cursor = [], None
    while True:
        page = await elders.list_(people.conn, KEYRING, operator, NOW, cursor=cursor, limit=2)
        seen += [elder.id for elder in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(made)
    assert len(seen) == 5
    with pytest.raises(Invalid):
        await elders.list_(people.conn, KEYRING, operator, NOW, cursor="nonsense")


async def test_a_change_with_an_old_version_is_refused_and_changes_nothing(people: People):
    operator = await people.operator()
    elder = await people.elder()
    changed = await elders.update(
        people.conn, KEYRING, operator, elder.id, {"phone": "19900008765"}, NOW, expected_version=1
    )
    assert (changed.version, changed.phone) == (2, "199****8765")
    with pytest.raises(Conflict) as refused:
        await elders.update(people.conn, KEYRING, operator, elder.id, {"phone": None}, NOW, expected_version=1)
    assert refused.value.code == "version-conflict"
    assert (await elders.get(people.conn, KEYRING, operator, elder.id, NOW)).phone == "199****8765"
    gone = await elders.update(people.conn, KEYRING, operator, elder.id, {"phone": None}, NOW, expected_version=2)
    assert gone.phone is None


@pytest.mark.parametrize("enrolment", ["deceased", "moved_out"])
async def test_an_elder_who_died_or_moved_away_stays_on_record(people: People, enrolment: str):
    operator = await people.operator()
    elder = await people.elder()
    await elders.update(people.conn, KEYRING, operator, elder.id, {"enrolment": enrolment}, NOW)
    assert (await elders.get(people.conn, KEYRING, operator, elder.id, NOW)).enrolment == enrolment
    listed = await elders.list_(people.conn, KEYRING, operator, NOW, enrolment=enrolment)
    assert [row.id for row in listed.items] == [elder.id]


@pytest.mark.parametrize(
    ("fields", "broken"),
    [
        ({"name": " "}, "name"),
        ({"name": "张\x00芳"}, "name"),
        ({"name": "张\ud800"}, "name"),
        ({"gender": "f"}, "gender"),
        ({"birth_date": date(2026, 3, 2)}, "birth_date"),
        ({"birth_date": date(1890, 1, 1)}, "birth_date"),
        ({"region_code": "990199999999"}, "region_code"),
        ({"living_arrangement": "Living alone!"}, "living_arrangement"),
        ({"phone": "12"}, "phone"),
        ({"phone": "call me"}, "phone"),
        ({"id_no": "990102193809090021"}, "id_no"),
        ({"enrolment": "gone"}, "enrolment"),
        ({"name": None}, "name"),
    ],
)
async def test_each_broken_field_is_named(people: People, fields: dict[str, Any], broken: str):
    admin = await people.admin()
    with pytest.raises(Invalid) as refused:
        await people.elder(admin, **fields)
    assert [error.field for error in refused.value.errors] == [broken]
    elder = await people.elder(admin)
    with pytest.raises(Invalid):
        await elders.update(people.conn, KEYRING, admin, elder.id, fields, NOW)


async def test_a_birth_date_of_today_is_judged_in_the_regions_own_time(people: People):
    # 16:30 UTC on the 1st is the 2nd in the region.
    late = NOW.replace(hour=16, minute=30)
    admin = await people.admin()
    new = people.new_elder(birth_date=date(2026, 3, 2))
    assert (await elders.create(people.conn, KEYRING, admin, new, late)).birth_date == date(2026, 3, 2)


async def test_the_same_identity_number_is_enrolled_once(people: People):
    admin = await people.admin()
    await people.elder(admin, id_no="11010519491231002x")
    async with people.conn.transaction():
        with pytest.raises(Conflict) as refused:
            await people.elder(admin, id_no="11010519491231002X")
        assert refused.value.code == "elder-exists"
        other = await people.elder(admin)  # the caller's transaction is still usable
    with pytest.raises(Conflict):
        await elders.update(people.conn, KEYRING, admin, other.id, {"id_no": "11010519491231002X"}, NOW)


async def test_a_household_of_another_centre_cannot_be_joined_to_read_its_address(people: People):
    foreign_home = await people.household(centre=people.there)
    operator = await people.operator()
    with pytest.raises(Invalid):
        await people.elder(operator, household_id=foreign_home)
    elder = await people.elder(operator)
    with pytest.raises(Invalid):
        await elders.update(people.conn, KEYRING, operator, elder.id, {"household_id": foreign_home}, NOW)


async def test_an_elder_moves_only_between_centres_the_caller_works_for(people: People):
    operator = await people.operator()
    elder = await people.elder(operator)
    move = {"centre_id": people.there, "region_code": OTHER_VILLAGE}
    with pytest.raises(NotFound):
        await elders.update(people.conn, KEYRING, operator, elder.id, move, NOW)
    moved = await elders.update(people.conn, KEYRING, await people.admin(), elder.id, move, NOW)
    assert moved.centre_id == people.there
    with pytest.raises(NotFound):
        await elders.get(people.conn, KEYRING, operator, elder.id, NOW)


async def test_a_reveal_opens_the_fields_and_writes_who_what_and_why(people: People):
    operator = await people.operator()
    elder = await people.elder(household_id=await people.household())
    shown = await elders.reveal(
        people.conn, KEYRING, operator, elder.id, ["name", "address", "door_access"], " 送药 ", NOW, request_id="r7"
    )
    assert shown == {"name": NAME, "address": ADDRESS, "door_access": "暗号4711"}
    rows = await people.rows(
        "SELECT actor_id, subject_kind, subject_id, fields, reason, request_id FROM access_log WHERE action = 'reveal'"
    )
    assert rows == [
        (operator.account_id, "elder", str(elder.id), ["name", "address", "door_access"], "送药", "r7"),
    ]


async def test_a_reveal_without_reason_right_or_role_opens_nothing(people: People):
    elder = await people.elder(id_no=ID_NO)
    operator, visitor = await people.operator(), await people.scope(Role.VISITOR, people.here)
    with pytest.raises(Invalid):
        await elders.reveal(people.conn, KEYRING, operator, elder.id, ["name"], "  ", NOW)
    with pytest.raises(Invalid):
        await elders.reveal(people.conn, KEYRING, operator, elder.id, ["birth_certificate"], "why", NOW)
    with pytest.raises(Forbidden):
        await elders.reveal(people.conn, KEYRING, operator, elder.id, ["id_no"], "why", NOW)
    with pytest.raises(Forbidden):
        await elders.reveal(people.conn, KEYRING, visitor, elder.id, ["name"], "why", NOW)
    assert await people.rows("SELECT 1 FROM access_log WHERE action = 'reveal'") == []
    shown = await elders.reveal(people.conn, KEYRING, await people.admin(), elder.id, ["id_no"], "audit", NOW)
    assert shown == {"id_no": ID_NO}


async def test_opening_a_record_and_changing_it_are_on_record(people: People):
    operator = await people.operator()
    elder = await people.elder(operator)
    await elders.get(people.conn, KEYRING, operator, elder.id, NOW)
    await elders.update(people.conn, KEYRING, operator, elder.id, {"phone": None, "gender": "male"}, NOW)
    rows = await people.rows("SELECT action, fields FROM access_log WHERE subject_id = %s ORDER BY id", str(elder.id))
    assert [row[0] for row in rows] == ["change", "read", "change"]
    assert rows[-1][1] == ["gender", "phone"]


async def test_labels_name_elders_masked_and_leave_out_the_unknown(people: People):
    elder = await people.elder(household_id=await people.household())
    labels = await elders.labels(people.conn, KEYRING, [elder.id, people.here])
    assert list(labels) == [elder.id]
    label = labels[elder.id]
    assert (label.name_masked, label.building, label.elder_no) == ("欧**英", elder.building, elder.elder_no)
    assert await elders.labels(people.conn, KEYRING, []) == {}


async def test_erasure_destroys_the_keys_and_every_trace_that_could_be_compared(people: People):
    admin = await people.admin()
    family = await people.scope(Role.FAMILY_MEMBER)
    elder = await people.elder(admin, id_no=ID_NO, household_id=await people.household())
    await contacts.add(people.conn, KEYRING, admin, elder.id, NewContact("王军", "19900001111", "son"), NOW)
    await accounts.link_family(people.conn, family.account_id, elder.id, ["alerts"], NOW)

    assert await erasure.erase(people.conn, elder.id, NOW, actor_id=admin.account_id, reason="art. 47")

    read = await elders.get(people.conn, KEYRING, admin, elder.id, NOW)
    assert read.erased
    assert (read.name, read.phone, read.id_no, read.building) == (None, None, None, None)
    assert read.birth_date == date(1938, 1, 1)
    shown = await elders.reveal(people.conn, KEYRING, admin, elder.id, ["name", "address"], "check", NOW)
    assert shown == {"name": None, "address": None}
    assert [c.name for c in await contacts.of_elder(people.conn, KEYRING, admin, elder.id)] == [None]
    assert await people.rows("SELECT 1 FROM data_key WHERE wrapped IS NOT NULL") == []
    assert (await elders.labels(people.conn, KEYRING, [elder.id]))[elder.id].name_masked == "***"
    for q in (NAME, PHONE, ID_NO):
        assert (await elders.list_(people.conn, KEYRING, admin, NOW, q=q)).items == []
    assert (await load_scope(people.conn, family.account_id, NOW)).elder_ids == ()
    with pytest.raises(Conflict):
        await elders.update(people.conn, KEYRING, admin, elder.id, {"name": "又来"}, NOW)
    assert not await erasure.erase(people.conn, elder.id, NOW)
    assert len(await people.rows("SELECT 1 FROM access_log WHERE action = 'erase'")) == 1


async def test_erasing_one_of_a_couple_leaves_the_address_to_the_other(people: People):
    admin, home = await people.admin(), await people.household()
    one, other = await people.elder(admin, household_id=home), await people.elder(admin, household_id=home)
    await erasure.erase(people.conn, one.id, NOW)
    shown = await elders.reveal(people.conn, KEYRING, admin, other.id, ["address"], "visit", NOW)
    assert shown == {"address": ADDRESS}
    await erasure.erase(people.conn, other.id, NOW)
    assert await people.rows("SELECT 1 FROM data_key WHERE wrapped IS NOT NULL") == []


async def test_contacts_come_masked_in_order_and_a_number_opens_on_record(people: People):
    operator = await people.operator()
    elder = await people.elder()
    await contacts.add(people.conn, KEYRING, operator, elder.id, NewContact("王军", "19900001111", "son", 2), NOW)
    first = await contacts.add(
        people.conn, KEYRING, operator, elder.id, NewContact("李兰", "19900002222", "daughter", 1), NOW
    )
    shown = await contacts.of_elder(people.conn, KEYRING, operator, elder.id)
    assert [(c.name, c.phone, c.priority) for c in shown] == [("李*", "199****2222", 1), ("王*", "199****1111", 2)]
    phone = await contacts.reveal_phone(people.conn, KEYRING, operator, first, "回拨", NOW)
    assert phone == "19900002222"
    rows = await people.rows("SELECT subject_id, fields FROM access_log WHERE subject_kind = 'contact'")
    assert rows == [(str(first), ["phone"])]
    with pytest.raises(NotFound):
        await contacts.reveal_phone(people.conn, KEYRING, await people.operator(people.there), first, "回拨", NOW)


async def test_no_name_number_or_address_is_readable_anywhere_in_the_database(people: People):
    """Dumps every row of every table the way a stolen backup would show it."""
    admin = await people.admin()
    elder = await people.elder(admin, id_no=ID_NO, household_id=await people.household(), region_code=VILLAGE)
    await contacts.add(people.conn, KEYRING, admin, elder.id, NewContact("王建国", "19900001111", "son"), NOW)
    await elders.list_(people.conn, KEYRING, admin, NOW, q=NAME)
    await elders.reveal(people.conn, KEYRING, admin, elder.id, ["name", "phone", "address"], "visit", NOW)

    dump = await dump_of(people)

    assert str(elder.id) in dump
    text = RANDOM.sub("", dump)  # four digits are found in random bytes and ids now and then
    for secret in (NAME, "桂英", PHONE, "4321", ID_NO, ADDRESS, "安居小区", "501室", "王建国", "19900001111", "4711"):
        assert secret not in text, secret
        assert secret.encode().hex() not in dump, secret


async def dump_of(people: People) -> str:
    tables = await people.rows(
        "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'public'"
    )
    parts = []
    for (table,) in tables:
        rows = await people.rows(f"SELECT t::text FROM {table} t")
        parts += [row[0] for row in rows]
    return "\n".join(parts)
