"""The judge of a chaos run must find every loss and every double that was planted before it may call a run clean."""

import asyncio
import os
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from core.domain.fleet import FleetMember
from simulators import chaos_cli
from simulators.chaos import ledger
from simulators.chaos.book import Settings
from simulators.chaos.compare import Stored, compare
from simulators.chaos.disk import CannotMount, SmallDisk
from simulators.chaos.ledger import Published
from simulators.chaos.load import Shares
from simulators.chaos.proxy import TcpProxy
from simulators.chaos.report import Round, document, table, verdict, weaknesses
from simulators.chaos.run import Outcome
from simulators.chaos_cli import main


def message(number: int, way: ledger.Way = "plain", *, sos: bool = False, receipted: bool = False) -> Published:
    return Published(number, "t", "hub", way, sos, 1_000_000 + number, puback=True, receipted=receipted)


READING = message(1)
ASKED = message(2, "receipt", receipted=True)
PRESS = message(3, sos=True)
ASKED_PRESS = message(4, "receipt", sos=True, receipted=True)
LINE = message(5, "gateway", receipted=True)
ALL = [READING, ASKED, PRESS, ASKED_PRESS, LINE]


def everything() -> Stored:
    return Stored(
        keys={each.key for each in ALL},
        readings={each.at: 1 for each in ALL if not each.sos},
        sos={each.key: 1 for each in ALL if each.sos},
        alert_events={each.key: 1 for each in ALL if each.sos},
    )


def heard() -> Counter[str]:
    return Counter({each.key: 1 for each in ALL if each.sos})


def test_a_run_in_which_everything_arrived_once_is_clean():
    assert compare(ALL, everything(), heard()).clean


@pytest.mark.parametrize("gone", [ASKED, LINE])
def test_a_reading_with_a_receipt_and_without_a_row_is_a_broken_promise(gone: Published):
    stored = everything()
    lost = replace(stored, readings={at: rows for at, rows in stored.readings.items() if at != gone.at})
    found = compare(ALL, lost, heard())
    assert found.receipt_missing == [gone]
    assert found.counts["puback_missing"] == 0


def test_a_row_whose_key_is_missing_counts_as_missing():
    found = compare(ALL, replace(everything(), keys={each.key for each in ALL} - {ASKED.key}), heard())
    assert found.receipt_missing == [ASKED]


def test_an_acknowledged_reading_without_a_row_is_reported_apart_and_one_that_was_never_acknowledged_is_not():
    unsent = replace(message(6), puback=False)
    stored = everything()
    lost = replace(stored, readings={at: rows for at, rows in stored.readings.items() if at != READING.at})
    found = compare([*ALL, unsent], lost, heard())
    assert found.puback_missing == [READING]
    assert found.receipt_missing == []


@pytest.mark.parametrize("twice", [READING, ASKED, PRESS])
def test_two_rows_of_one_id_are_found(twice: Published):
    stored = everything()
    doubled = (
        replace(stored, sos={**stored.sos, twice.key: 2})
        if twice.sos
        else replace(stored, readings={**stored.readings, twice.at: 2})
    )
    assert compare(ALL, doubled, heard()).stored_twice == [twice]


@pytest.mark.parametrize("silent", [PRESS, ASKED_PRESS])
def test_a_press_without_an_alert_event_or_without_a_frame_is_not_alerted(silent: Published):
    stored = everything()
    mute = replace(stored, alert_events={key: n for key, n in stored.alert_events.items() if key != silent.key})
    assert compare(ALL, mute, heard()).not_alerted == [silent]
    frames = heard()
    del frames[silent.key]
    assert compare(ALL, everything(), frames).not_alerted == [silent]


def test_a_press_of_a_publisher_that_waits_is_owed_an_alert_even_without_row_and_receipt():
    waiting = replace(message(7, "receipt", sos=True), receipted=False)
    found = compare([waiting], everything(), heard())
    assert found.not_alerted == [waiting]
    assert found.unanswered == [waiting]
    trusting = message(8, sos=True)
    assert compare([trusting], everything(), heard()).not_alerted == []


def test_a_press_that_rang_twice_is_found_in_the_table_and_on_the_console():
    stored = everything()
    doubled = replace(stored, alert_events={**stored.alert_events, PRESS.key: 2})
    assert compare(ALL, doubled, heard()).alerted_twice == [PRESS]
    assert compare(ALL, stored, heard() + Counter([PRESS.key])).alerted_twice == [PRESS]


def test_a_rejected_message_is_told_and_owes_no_answer():
    refused = replace(message(9, "receipt"), rejected="rate_limited")
    found = compare([refused], everything(), heard())
    assert found.rejected == [refused]
    assert found.unanswered == []


def test_the_ledger_comes_back_as_it_was_written(tmp_path: Path):
    ledger.write(tmp_path / "l.json", ALL)
    assert ledger.read(tmp_path / "l.json") == ALL


def test_each_publisher_has_one_way_and_the_first_hub_is_the_gateways():
    members = [
        FleetMember(device_id=f"{kind}{n}", username="u", password="p", kind=kind, home=n)
        for n in range(9)
        for kind in ("hub", "watch")
    ]
    shares = Shares.of(members, 6)
    ways = [[member.device_id for member in shares.hubs[way]] for way in ("plain", "receipt")]
    assert not set(ways[0]) & set(ways[1])
    assert "hub0" not in ways[0] + ways[1]
    assert len(ways[0] + ways[1]) == 6
    assert not {m.device_id for m in shares.watches["plain"]} & {m.device_id for m in shares.watches["receipt"]}


# --- the report


def _round(kind: str, **counts: int) -> Round:
    nought = {**compare([], everything(), {}).counts, "stream_gaps": 0}
    return Round(kind, 1, "kill -9", True, 100, 3000, 3100.0, 2.5, {**nought, **counts})


def test_an_acknowledged_loss_fails_every_kind_but_the_brokers():
    assert _round("broker", puback_missing=5).failures == []
    assert _round("database", puback_missing=5).failures == ["puback_missing"]
    assert _round("broker", receipt_missing=1).failures == ["receipt_missing"]
    assert "receipt_missing" in verdict([_round("broker", receipt_missing=1)])
    assert "lost" in verdict([_round("api")])
    assert "1 of 1 rounds began below" in verdict([replace(_round("api"), per_s=2000.0)])


def test_a_kind_whose_faults_mostly_met_no_batch_is_told_and_three_quarters_are_enough():
    idle = replace(_round("api"), in_flight=False)
    assert weaknesses([idle, *[_round("api")] * 3]) == []
    told = weaknesses([idle, _round("api"), _round("api"), *[_round("broker")] * 9])
    assert told == ["api: 2 of 3 faults met a batch in flight, at least 75 % must."]
    assert told[0] in verdict([idle, _round("api"), _round("api")])


@pytest.mark.parametrize(
    ("told", "words", "code"),
    [
        ({}, [], 0),
        ({"in_flight": False}, [], 1),
        ({"per_s": 2000.0}, [], 1),
        ({"in_flight": False, "per_s": 2000.0}, ["--allow-weak"], 0),
    ],
)
def test_a_run_that_proves_too_little_fails_unless_that_is_allowed(
    monkeypatch, told: dict, words: list[str], code: int
):
    async def ran(*_: object) -> Outcome:
        return Outcome([replace(_round("api"), **told)], {}, Settings("on", "on", "on"))

    monkeypatch.setattr(chaos_cli, "run", ran)
    assert main(["--rounds", "1", "--kinds", "api", "--json", *words]) == code


def test_a_loss_fails_a_run_that_may_be_weak(monkeypatch):
    async def ran(*_: object) -> Outcome:
        return Outcome([_round("api", receipt_missing=1)], {}, Settings("on", "on", "on"))

    monkeypatch.setattr(chaos_cli, "run", ran)
    assert main(["--rounds", "1", "--kinds", "api", "--json", "--allow-weak"]) == 1


def test_the_document_has_the_contracts_members_for_every_kind_skipped_ones_too():
    rounds = [_round("broker", puback_missing=2), _round("broker", puback_missing=3)]
    told = document(rounds, 2, ("broker", "disk"), {"disk": "needs root"}, Settings("on", "on", "on"), "abc")
    assert set(told) >= {"rounds", "kinds", "settings", "commit"}
    asked = {"faults", "in_flight", "published", "receipt_missing", "stored_twice", "not_alerted", "alerted_twice"}
    assert all(asked | {"puback_missing"} <= set(figures) for figures in told["kinds"].values())
    assert told["kinds"]["broker"]["puback_missing"] == 5
    assert told["kinds"]["broker"]["faults"] == 2
    assert told["kinds"]["disk"]["skipped"] == "needs root"
    assert set(told["settings"]) == {"fsync", "full_page_writes", "synchronous_commit"}
    assert "needs root" in str(table(told).caption)


def test_an_unknown_kind_is_one_sentence_that_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--kinds", "broker,moon"])
    assert ended.value.code == 2
    assert "moon is no kind of fault; there are: broker" in capsys.readouterr().err


# --- what the faults are made of


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)  # type: ignore[attr-defined]


async def test_a_stranded_connection_stays_open_and_silent_while_a_new_one_works():
    server = await asyncio.get_running_loop().create_server(_Echo, "127.0.0.1", 0)
    proxy = await TcpProxy("127.0.0.1", server.sockets[0].getsockname()[1]).start()
    old_reader, old_writer = await asyncio.open_connection(proxy.host, proxy.port)
    old_writer.write(b"before")
    assert await old_reader.readexactly(6) == b"before"
    proxy.strand()
    old_writer.write(b"lost")
    new_reader, new_writer = await asyncio.open_connection(proxy.host, proxy.port)
    new_writer.write(b"alive")
    assert await new_reader.readexactly(5) == b"alive"
    old = asyncio.create_task(old_reader.read(1))
    await asyncio.wait({old}, timeout=0.05)
    assert not old.done()  # neither data nor an end
    old.cancel()
    await proxy.stop()
    for writer in (old_writer, new_writer):
        writer.close()
        await asyncio.wait({asyncio.ensure_future(writer.wait_closed())})
    server.close()
    await server.wait_closed()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_small_disk_is_filled_to_the_last_byte_and_freed(tmp_path: Path):
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "kept").write_text("kept")
    try:
        disk = SmallDisk(folder, 4)
    except CannotMount as error:
        pytest.skip(str(error))
    try:
        assert (folder / "kept").read_text() == "kept"
        disk.fill(leave_bytes=1 << 20)
        assert disk.free_bytes <= 1 << 20
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (folder / "one").write_bytes(random.randbytes(4096))
        disk.free()
        (folder / "one").write_bytes(random.randbytes(4096))
    finally:
        disk.close()
