"""A folder of backups keeps what can be restored, and removes nothing that is still needed."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stack.backup_store import Backup, BackupStore, segments_missing
from stack.drill import judge
from stack.errors import BackupFailed, RestoreFailed
from stack.pg_programs import connection_of, require_done
from stack.recovery import filled_bytes
from stack.restore import choose

MIB = 1024 * 1024
BACKUP = Backup(
    name="20261127T010000Z",
    started_at="2026-11-27T01:00:00+00:00",
    finished_at="2026-11-27T01:05:00+00:00",
    system_identifier="7",
    timeline=1,
    start_segment="000000010000000000000003",
    wal_segment_bytes=16 * MIB,
    server_version="17.12",
    timescaledb_version="2.19.3",
    schema_version=3,
    database="anxin",
    role="anxin",
    newest_alert_event=0,
    bytes=1,
    backup_manifest_sha256="0",
    keep_apart=[],
)
LATER = replace(
    BACKUP,
    name="20261128T010000Z",
    finished_at="2026-11-28T01:05:00+00:00",
    start_segment="000000010000000000000006",
)


@pytest.fixture
def store(tmp_path: Path) -> BackupStore:
    made = BackupStore(tmp_path / "backups")
    made.prepare()
    for backup in (BACKUP, LATER):
        partial = made.folder / f"{backup.name}.partial"
        partial.mkdir()
        made.finish(partial, backup)
    for number in range(2, 9):
        (made.wal / f"00000001000000000000000{number}").touch()
    return made


def test_the_newest_are_kept_with_the_log_they_need(store: BackupStore):
    assert store.prune(2) == []
    assert store.prune(1) == [BACKUP.name]
    assert store.backups() == [LATER]
    assert min(store.segments()) == LATER.start_segment


def test_an_interrupted_backup_is_no_backup_and_is_removed_by_the_next(store: BackupStore):
    (store.folder / "20261129T010000Z.partial/base").mkdir(parents=True)
    assert store.backups() == [BACKUP, LATER]
    assert store.remove_interrupted() == ["20261129T010000Z.partial"]


def test_a_stream_that_broke_off_stays_and_the_next_begins_beside_it(store: BackupStore):
    store.set_stream_aside()
    (store.wal / "000000010000000000000009.partial").touch()
    assert list(store.segments()) == [f"00000001000000000000000{number}" for number in range(2, 10)]


def test_a_folder_of_another_database_or_of_its_life_before_a_restore_is_refused(store: BackupStore):
    store.require_same_database("7", 1)
    with pytest.raises(BackupFailed, match="another database"):
        store.require_same_database("8", 1)
    with pytest.raises(BackupFailed, match="from before this database was restored"):
        store.require_same_database("7", 2)


def test_a_time_chooses_the_newest_backup_that_was_finished_before_it(store: BackupStore):
    assert choose(store.folder, None)[1] == LATER
    assert choose(store.folder, datetime(2026, 11, 28, 1, 0, tzinfo=UTC))[1] == BACKUP
    assert choose(store.folder / BACKUP.name, None)[1] == BACKUP
    with pytest.raises(RestoreFailed, match=r"no backup in .* was finished before that time"):
        choose(store.folder, datetime(2026, 11, 27, 1, 0, tzinfo=UTC))
    with pytest.raises(RestoreFailed, match="holds no backup"):
        choose(store.wal, None)


def test_a_hole_in_the_log_is_found_also_where_the_numbering_turns_over():
    whole = ["0000000100000000000000FE", "0000000100000000000000FF", "000000010000000100000000"]
    assert segments_missing(whole, 16 * MIB) == []
    assert segments_missing([whole[0], whole[2]], 16 * MIB) == [whole[0]]


@pytest.mark.parametrize("written", [0, 1, 65536, 100_000])
def test_how_much_of_a_segment_is_written_is_read_from_its_end(tmp_path: Path, written: int):
    file = tmp_path / "segment"
    file.write_bytes(b"x" * written + b"\0" * (MIB - written))
    assert filled_bytes(file) == written


def test_a_password_is_never_on_a_command_line():
    address, environment = connection_of("postgresql://anxin:secret@127.0.0.1:5432/anxin", "me")
    assert "secret" not in address
    assert "application_name=me" in address
    assert environment == {"PGPASSWORD": "secret"}


def test_a_failed_program_gives_its_own_reason_and_what_to_do():
    with pytest.raises(BackupFailed, match=r"no pg_hba.conf entry .*let the platform's role replicate"):
        require_done(
            "pg_basebackup", 1, "pg_basebackup: error: no pg_hba.conf entry for replication connection", Path()
        )


def test_a_drill_is_judged_by_what_it_did_not_announce():
    fine = {"problems": [], "missing": 3, "rpo_events": 3, "doubled": 0, "unanswered": 0, "presses_not_rung": 0}
    assert judge(fine) == []
    assert len(judge({**fine, "missing": 4, "doubled": 1, "presses_not_rung": 1})) == 3
