"""What the generated configuration files promise to the rest of the platform."""

import base64
import hashlib
from pathlib import Path

from stack import fetch, mosquitto_conf, postgres_conf
from stack.mirror import Mirror
from stack.mosquitto_conf import BrokerSettings
from stack.postgres_conf import DatabaseSettings

FOLDER = Path("/data/mosquitto")
SETTINGS = BrokerSettings(
    host="127.0.0.1",
    port=1883,
    folder=FOLDER,
    passwd_file=FOLDER / "passwd",
    acl_file=FOLDER / "acl",
    log_file=FOLDER / "mosquitto.log",
    user="anxin",
)


def directives(text: str) -> dict[str, str]:
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    pairs = (line.replace(" = ", " ", 1).split(" ", 1) for line in lines if line)
    return {name: value.strip("'") for name, value in pairs}


def test_the_broker_lets_nobody_in_without_a_password_and_an_acl() -> None:
    conf = directives(mosquitto_conf.configuration(SETTINGS))
    assert conf["allow_anonymous"] == "false"
    assert conf["password_file"] == "/data/mosquitto/passwd"
    assert conf["acl_file"] == "/data/mosquitto/acl"
    assert conf["listener"] == "1883 127.0.0.1"


def test_the_broker_keeps_queues_and_leaves_back_pressure_to_its_consumers() -> None:
    conf = directives(mosquitto_conf.configuration(SETTINGS))
    assert conf["persistence"] == "true"
    assert int(conf["autosave_interval"]) >= 60
    assert conf["max_inflight_messages"] == "0"
    assert int(conf["max_queued_messages"]) >= 1_000_000


def test_a_one_megabyte_payload_reaches_ingest_to_be_answered() -> None:
    assert int(directives(mosquitto_conf.configuration(SETTINGS))["max_packet_size"]) > 1_000_000 + 1024


def test_a_device_may_only_write_up_and_read_down_under_its_own_name() -> None:
    lines = mosquitto_conf.access_control().splitlines()
    before_platform = lines[: lines.index("user platform")]
    assert [line for line in before_platform if line] == [
        "pattern write anxin/v1/%u/up/#",
        "pattern read anxin/v1/%u/down/#",
    ]


def test_a_password_line_holds_the_hash_mosquitto_computes() -> None:
    line = mosquitto_conf.password_line("watch-1", "secret", b"twelve bytes")
    user, _, rest = line.rstrip("\n").partition(":")
    _, kind, rounds, salt, digest = rest.split("$")
    expected = hashlib.pbkdf2_hmac("sha512", b"secret", base64.b64decode(salt), int(rounds))
    assert (user, kind, base64.b64decode(digest)) == ("watch-1", "7", expected)


def test_the_database_keeps_what_a_receipt_promises_and_calls_nobody() -> None:
    conf = directives(postgres_conf.configuration(DatabaseSettings("127.0.0.1", 5432)))
    assert [conf[name] for name in ("fsync", "full_page_writes", "synchronous_commit")] == ["on", "on", "on"]
    assert conf["timescaledb.telemetry_level"] == "off"
    assert conf["listen_addresses"] == "127.0.0.1"
    assert conf["unix_socket_directories"] == ""
    assert conf["max_connections"] == "200"


def test_the_database_logs_neither_statements_nor_their_parameters() -> None:
    conf = directives(postgres_conf.configuration(DatabaseSettings("127.0.0.1", 5432)))
    assert conf["log_min_error_statement"] == "panic"
    assert conf["log_parameter_max_length"] == "0"
    assert conf["log_parameter_max_length_on_error"] == "0"


def test_every_way_into_the_database_asks_for_a_password() -> None:
    methods = {line.split()[-1] for line in postgres_conf.client_authentication().splitlines()}
    assert methods == {"scram-sha-256"}


def test_apt_checks_both_archives_with_debians_keyring_alone() -> None:
    text = fetch.sources_list(Mirror("http://m/debian", "http://m/debian-security"), Path("/keys/debian.gpg"))
    assert text.splitlines() == [
        "deb [signed-by=/keys/debian.gpg] http://m/debian trixie main",
        "deb [signed-by=/keys/debian.gpg] http://m/debian-security trixie-security main",
    ]


def test_apt_keeps_the_hosts_way_to_the_network_and_none_of_its_hooks() -> None:
    host = 'Acquire "";\nAcquire::http::Proxy "http://proxy:3128";\nAcquire::IndexTargets::deb::DEP-11 "x";\n'
    text = fetch.apt_configuration(Path("/w"), host)
    assert 'Acquire::http::Proxy "http://proxy:3128";' in text
    assert "DEP-11" not in text
    assert 'Dir::Etc::parts "/dev/null";' in text
    assert 'Dir::State::status "/w/state/status";' in text
