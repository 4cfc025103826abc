"""What the demo promises before anything runs."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from stack.demo import _HOSTS, _ports, main
from stack.demo_parts import Addresses, fleet, part_names, parts, stop_order
from stack.demo_ready import ready_document
from stack.demo_roll import Roll, read_overrides
from stack.demo_secrets import demo_secrets, write_private
from stack.errors import PortTaken, StackError
from stack.servers import RunningStack
from stack.state import PortClaims


@pytest.fixture
def addresses(tmp_path: Path) -> Addresses:
    stack = RunningStack(
        data_dir=tmp_path,
        database_url="postgresql://anxin:secret@127.0.0.1:5555/anxin",
        mqtt_host="127.0.0.1",
        mqtt_port=1884,
        mqtt_platform_username="platform",
        mqtt_platform_password="p",
        passwd_file=tmp_path / "passwd",
        acl_file=tmp_path / "acl",
        mosquitto_pid=1,
        postgres_pid=2,
    )
    ports = {"api": 8080, "ingest-1": 9101, "ingest-2": 9103, "engine-1": 9102, "history": 9105}
    return Addresses(stack, demo_secrets(tmp_path), ports)


NAMES = part_names(ingest_workers=2, engines=1)


@pytest.mark.parametrize("variable", _HOSTS)
def test_the_demo_refuses_to_answer_on_anything_but_loopback(variable, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv(variable, "0.0.0.0")
    assert main(["--data-dir", str(tmp_path / "d")]) == 2
    assert variable in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_secrets_are_random_for_each_folder_private_and_kept(tmp_path: Path):
    first, again = demo_secrets(tmp_path / "a"), demo_secrets(tmp_path / "a")
    other = demo_secrets(tmp_path / "b")
    assert first == again
    values = [Path(path).read_text() for path in (*first.values(), *other.values())]
    assert len(set(values)) == 4
    assert all(Path(path).stat().st_mode & 0o777 == 0o600 for path in first.values())


def test_a_private_file_is_replaced_whole_and_never_readable_by_others(tmp_path: Path):
    target = tmp_path / "ready.json"
    target.write_text("old")
    target.chmod(0o644)
    write_private(target, "new")
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["ready.json"]


def test_secrets_reach_the_parts_as_files_and_never_on_a_command_line(addresses: Addresses, tmp_path: Path):
    secret = Path(addresses.secrets["ANXIN_MASTER_KEY_FILE"]).read_text()
    programs = [*parts(addresses, NAMES), fleet(addresses, tmp_path / "fleet.json")]
    for program in programs:
        assert secret not in " ".join(program.command)
        assert "secret@" not in " ".join(program.command)
    assert all("ANXIN_API_HOST" in program.environment for program in programs)


def test_every_part_that_starts_also_stops_in_the_order_of_the_data_path(addresses: Addresses, tmp_path: Path):
    names = [program.name for program in (*parts(addresses, NAMES), fleet(addresses, tmp_path))]
    order = stop_order(names)
    assert sorted(order) == sorted(names)
    assert order.index("fleet") < order.index("ingest-1") < order.index("ingest-2") < order.index("api")


def test_numbered_parts_get_their_number_and_a_port_of_their_own(addresses: Addresses):
    by_name = {program.name: program for program in parts(addresses, NAMES)}
    assert by_name["ingest-2"].command[-3:] == ("ingest", "--worker", "2")
    assert by_name["engine-1"].command[-3:] == ("alerts", "--engine", "1")
    assert by_name["ingest-2"].environment["ANXIN_INGEST_STATUS_PORT"] == "9103"
    with closing(PortClaims()) as claims:
        ports = _ports(part_names(3, 2), 0, claims)
    assert len(set(ports.values())) == len(ports) == 7


def test_two_demos_that_start_together_choose_no_port_twice_before_anything_listens():
    with closing(PortClaims()) as one, closing(PortClaims()) as other:
        first, second = _ports(NAMES, 0, one), _ports(NAMES, 0, other)
        assert not set(first.values()) & set(second.values())
        with pytest.raises(PortTaken):
            _ports(NAMES, first["api"], other)
    with closing(PortClaims()) as later:
        assert _ports(NAMES, first["api"], later)["api"] == first["api"]


def test_a_part_s_own_environment_wins_over_everybodys_and_everybodys_over_the_demos(addresses: Addresses, tmp_path):
    file = tmp_path / "env.json"
    file.write_text('{"*": {"ANXIN_MQTT_URL": "mqtt://a", "X": "1"}, "ingest-1": {"ANXIN_MQTT_URL": "mqtt://b"}}')
    told = replace(addresses, overrides=read_overrides(file))
    assert told.environment("ingest-1")["ANXIN_MQTT_URL"] == "mqtt://b"
    assert told.environment("ingest-2")["ANXIN_MQTT_URL"] == "mqtt://a"
    assert told.environment("ingest-1")["X"] == "1"
    file.write_text("[]")
    with pytest.raises(StackError, match="is no file of"):
        read_overrides(file)


def test_the_roll_names_every_process_privately_and_goes_with_the_demo(tmp_path: Path):
    roll = Roll(tmp_path / "parts.json")
    roll.open({"ingest-1": 9101})
    roll.started("database", 10)
    roll.started("ingest-1", 11)
    roll.started("ingest-1", 12)
    assert json.loads(roll.path.read_text()) == {"database": 10, "ingest-1": 12, "ports": {"ingest-1": 9101}}
    assert roll.path.stat().st_mode & 0o777 == 0o600
    roll.close()
    assert not roll.path.exists()


def test_the_ready_file_has_what_the_contract_lists(addresses: Addresses):
    town = {"accounts": {"admin": {"username": "a", "password": "b"}}, "spare_device": {"id": "x"}}
    document = json.loads(json.dumps(ready_document(addresses, town)))
    servers = {"api_url", "live_url", "mqtt_host", "mqtt_port", "database_url"}
    assert set(document) == servers | {"accounts", "spare_device"}
    assert document["api_url"] == "http://127.0.0.1:8080"
    assert document["live_url"] == "ws://127.0.0.1:8080/api/v1/live"
