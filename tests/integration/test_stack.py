"""`anxin stack` on this machine: starting, stopping, hard deaths, and who may do what on the broker."""

import os
import queue
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from stack import servers
from stack.broker import lets_in
from stack.errors import DataFolder, PortTaken
from stack.mosquitto_conf import password_line
from stack.processes import is_running, wait_until, working_in
from stack.servers import RunningStack

pytestmark = pytest.mark.integration


def test_the_database_has_timescale_and_keeps_its_promises(stack_session: RunningStack) -> None:
    with psycopg.connect(stack_session.database_url, autocommit=True) as conn:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            assert conn.execute(f"SHOW {setting}").fetchone() == ("on",)
        assert conn.execute("SHOW timescaledb.telemetry_level").fetchone() == ("off",)
        assert conn.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        assert conn.execute("SELECT count(*) > 0 FROM pg_timezone_names WHERE name = 'Asia/Urumqi'").fetchone() == (
            True,
        )


def test_a_hypertable_can_be_cloned_into_databases_of_their_own(stack_session: RunningStack) -> None:
    base = stack_session.database_url.rpartition("/")[0]
    with psycopg.connect(f"{base}/postgres", autocommit=True) as admin:
        admin.execute("CREATE DATABASE clone_source")
        with psycopg.connect(f"{base}/clone_source", autocommit=True) as conn:
            conn.execute("CREATE EXTENSION timescaledb")
            conn.execute("CREATE TABLE sample (at timestamptz NOT NULL, value float)")
            conn.execute("SELECT create_hypertable('sample', by_range('at'))")
            conn.execute("INSERT INTO sample VALUES ('2026-01-01', 1), ('2026-02-01', 2)")
        for number in range(5):
            admin.execute(f"CREATE DATABASE clone_{number} TEMPLATE clone_source")
            with psycopg.connect(f"{base}/clone_{number}") as conn:
                assert conn.execute("SELECT count(*), sum(value) FROM sample").fetchone() == (2, 3.0)
        for name in ("clone_source", *(f"clone_{number}" for number in range(5))):
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_each_fresh_database_is_migrated_and_its_own(new_database: Callable[[], str]) -> None:
    first, second = new_database(), new_database()
    with psycopg.connect(first) as conn:
        conn.execute("CREATE TABLE only_here ()")
    with psycopg.connect(second) as conn:
        assert conn.execute(
            "SELECT to_regclass('only_here'), to_regclass('schema_migration') IS NOT NULL"
        ).fetchone() == (None, True)


def test_a_second_start_changes_nothing_while_the_first_runs(private_stack: RunningStack) -> None:
    assert servers.start(private_stack.data_dir) == private_stack


def test_data_ports_and_passwords_survive_a_stop_and_a_start(private_stack: RunningStack) -> None:
    with psycopg.connect(private_stack.database_url) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 1 AS one")
    servers.stop(private_stack.data_dir)
    stopped = servers.status(private_stack.data_dir)
    assert stopped is not None
    assert (stopped.mosquitto_pid, stopped.postgres_pid) == (0, 0)
    again = servers.start(private_stack.data_dir)
    assert (again.database_url, again.mqtt_url) == (private_stack.database_url, private_stack.mqtt_url)
    with psycopg.connect(again.database_url) as conn:
        assert conn.execute("SELECT one FROM kept").fetchone() == (1,)


def test_each_server_restarts_alone_on_the_port_it_had(private_stack: RunningStack) -> None:
    servers.stop_broker(private_stack.data_dir)
    with psycopg.connect(private_stack.database_url) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    restarted = servers.start_broker(private_stack.data_dir)
    assert restarted.mqtt_url == private_stack.mqtt_url
    assert restarted.postgres_pid == private_stack.postgres_pid
    servers.stop_database(private_stack.data_dir)
    restarted = servers.start_database(private_stack.data_dir)
    assert restarted.database_url == private_stack.database_url
    assert restarted.postgres_pid not in (0, private_stack.postgres_pid)


def test_both_servers_come_back_after_being_killed_hard(private_stack: RunningStack) -> None:
    with psycopg.connect(private_stack.database_url) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 1 AS one")
    _kill(private_stack.postgres_pid, str(private_stack.data_dir / "postgresql"))
    _kill(private_stack.mosquitto_pid, str(private_stack.data_dir / "mosquitto/mosquitto.conf"))
    again = servers.start(private_stack.data_dir)
    assert (again.database_url, again.mqtt_url) == (private_stack.database_url, private_stack.mqtt_url)
    with psycopg.connect(again.database_url) as conn:
        assert conn.execute("SELECT one FROM kept").fetchone() == (1,)


def test_a_lock_that_names_another_living_program_does_not_stop_the_start(private_stack: RunningStack) -> None:
    folder = private_stack.data_dir / "postgresql"
    lock = folder / "postmaster.pid"
    left = lock.read_text().splitlines()
    _kill(private_stack.postgres_pid, str(folder))
    assert wait_until(lambda: not working_in(folder, "postgres"), 10)
    with subprocess.Popen(["sleep", "60"], user=lock.stat().st_uid) as bystander:
        lock.write_text("\n".join([str(bystander.pid), *left[1:]]) + "\n")
        assert servers.start_database(private_stack.data_dir).postgres_pid not in (0, bystander.pid)
        bystander.kill()


def test_an_editor_on_the_brokers_file_is_not_taken_for_the_broker(private_stack: RunningStack) -> None:
    conf = private_stack.data_dir / "mosquitto/mosquitto.conf"
    servers.stop_broker(private_stack.data_dir)
    with subprocess.Popen(["tail", "-f", str(conf)], stdout=subprocess.DEVNULL) as reader:
        stopped = servers.status(private_stack.data_dir)
        assert stopped is not None
        assert stopped.mosquitto_pid == 0
        assert servers.start_broker(private_stack.data_dir).mosquitto_pid not in (0, reader.pid)
        reader.kill()


def test_a_port_held_by_another_program_is_refused_before_anything_starts(private_stack: RunningStack) -> None:
    servers.stop(private_stack.data_dir)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} for Mosquitto"):
            servers.start(private_stack.data_dir, mqtt_port=port)
        with pytest.raises(PortTaken, match=f"port {port} for PostgreSQL"):
            servers.start(private_stack.data_dir, pg_port=port)


def test_moving_a_running_server_to_another_port_is_refused(private_stack: RunningStack) -> None:
    with pytest.raises(DataFolder, match="stop the stack first"):
        servers.start(private_stack.data_dir, mqtt_port=private_stack.mqtt_port + 1)


def test_a_database_whose_passwords_are_gone_is_not_touched(private_stack: RunningStack) -> None:
    servers.stop(private_stack.data_dir)
    (private_stack.data_dir / "stack.json").rename(private_stack.data_dir / "stack.json.away")
    with pytest.raises(DataFolder, match=r"stack\.json"):
        servers.start(private_stack.data_dir)
    assert not (private_stack.data_dir / "stack.json").exists()


def test_the_broker_refuses_a_wrong_password_and_a_nameless_client(stack_session: RunningStack) -> None:
    port = stack_session.mqtt_port
    assert lets_in(port, stack_session.mqtt_platform_username, stack_session.mqtt_platform_password)
    assert not lets_in(port, stack_session.mqtt_platform_username, "wrong")
    assert not lets_in(port, "", "")


class Session:
    """One MQTT 5 session of one user, on a thread of its own, that keeps what it receives."""

    def __init__(self, stack: RunningStack, username: str, password: str) -> None:
        self.received: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.subscribed = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.username_pw_set(username, password)
        self.client.on_message = lambda _c, _u, message: self.received.put((message.topic, bytes(message.payload)))
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.connect(stack.mqtt_host, stack.mqtt_port)
        self.client.loop_start()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def subscribe(self, topic: str) -> None:
        self.subscribed.clear()
        self.client.subscribe(topic, qos=1)
        assert self.subscribed.wait(5)

    def publish(self, topic: str, payload: bytes) -> None:
        self.client.publish(topic, payload, qos=1).wait_for_publish(5)


def platform_session(stack: RunningStack) -> Session:
    return Session(stack, stack.mqtt_platform_username, stack.mqtt_platform_password)


def test_a_device_reaches_only_its_own_topics(private_stack: RunningStack) -> None:
    with private_stack.passwd_file.open("a") as passwd:
        for device in ("watch-1", "watch-2"):
            passwd.write(password_line(device, f"{device}-password", os.urandom(12)))
    os.kill(private_stack.mosquitto_pid, signal.SIGHUP)
    assert wait_until(lambda: lets_in(private_stack.mqtt_port, "watch-2", "watch-2-password"), 5)

    with platform_session(private_stack) as platform, Session(private_stack, "watch-1", "watch-1-password") as watch:
        platform.subscribe("$share/ingest/anxin/v1/+/up/#")
        for topic in ("anxin/v1/#", "anxin/v1/watch-2/down/#", "#", "anxin/v1/watch-1/down/#"):
            watch.subscribe(topic)
        watch.publish("anxin/v1/watch-2/up/alarm", b"forged")
        watch.publish("anxin/v1/watch-1/down/command", b"forged")
        watch.publish("anxin/v1/watch-1/up/alarm", b"own")
        assert platform.received.get(timeout=5) == ("anxin/v1/watch-1/up/alarm", b"own")
        # Sent in this order by one session, so whatever watch-1 may see of the first comes before the second.
        platform.publish("anxin/v1/watch-2/down/command", b"private")
        platform.publish("anxin/v1/watch-1/down/command", b"ring")
        assert watch.received.get(timeout=5) == ("anxin/v1/watch-1/down/command", b"ring")


def test_a_one_megabyte_payload_passes_the_broker(stack_session: RunningStack) -> None:
    with platform_session(stack_session) as platform:
        platform.subscribe("anxin/v1/large/up/#")
        platform.publish("anxin/v1/large/up/telemetry", b"x" * 1_000_000)
        assert len(platform.received.get(timeout=10)[1]) == 1_000_000


def test_the_platform_sees_the_brokers_own_figures(stack_session: RunningStack) -> None:
    with platform_session(stack_session) as platform:
        platform.subscribe("$SYS/broker/publish/messages/dropped")
        assert platform.received.get(timeout=15)[0] == "$SYS/broker/publish/messages/dropped"


def test_the_servers_do_not_run_as_root(stack_session: RunningStack) -> None:
    for pid in filter(None, (stack_session.mosquitto_pid, stack_session.postgres_pid)):
        assert Path(f"/proc/{pid}").stat().st_uid != 0


def _kill(pid: int, mark: str) -> None:
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not is_running(pid, mark), 5)
