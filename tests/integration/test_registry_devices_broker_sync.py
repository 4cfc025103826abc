"""The real broker follows the registry: who gets in, who is thrown out, who may say what where."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.runtime.mqtt import Message, MqttSession, PublishRefused, Subscription, parse_broker_url
from core.store.pool import Pool, make_pool
from registry import broker_process, credentials, device_models, devices
from registry.broker_sync import BrokerSync
from tests.fixtures.lone_broker import LoneBroker

pytestmark = pytest.mark.integration

# The promise is 5 s; a loaded test machine gets more. What is asserted is that it happens at all.
OUTER_S = 20


@dataclass
class Followed:
    """A broker that a BrokerSync keeps equal to a registry."""

    broker: LoneBroker
    pool: Pool

    @property
    def password_file(self) -> Path:
        return self.broker.folder / "mosquitto/passwd"

    @property
    def pid_file(self) -> Path:
        return self.broker.folder / "mosquitto/mosquitto.pid"

    def new_sync(self) -> BrokerSync:
        return BrokerSync(
            self.pool,
            broker=self.broker.url,
            password_file=self.password_file,
            pid_file=self.pid_file,
            poll_s=0.5,
            reload_gap_s=0.2,
        )

    @contextlib.asynccontextmanager
    async def syncing(self) -> AsyncIterator[asyncio.Task[None]]:
        stop = asyncio.Event()
        task = asyncio.create_task(self.new_sync().run(stop))
        yield task
        stop.set()
        await task

    async def make(self, device_id: str) -> str:
        """A device with a credential; returns its password."""
        async with self.pool.connection() as conn:
            made = await devices.create(conn, device_id=device_id, model="pendant", now=datetime.now(UTC))
        assert made.password is not None
        return made.password

    def session(self, username: str, password: str, inbox: list[Message] | None = None) -> MqttSession:
        address = replace(parse_broker_url(self.broker.url), username=username, password=password)
        return MqttSession(address, client_id=f"test-{username}", on_messages=([] if inbox is None else inbox).extend)

    async def lets_in(self, username: str, password: str) -> bool:
        """Whether the broker accepts these within the outer limit; a refusal is tried again until then."""
        async with self.session(username, password) as session:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(session.connected.wait(), OUTER_S)
            return session.connected.is_set()


@pytest.fixture
async def followed(lone_broker: LoneBroker, database: str) -> AsyncIterator[Followed]:
    async with make_pool(database, name="test", max_size=4) as pool:
        async with pool.connection() as conn:
            await device_models.seed_models(conn, datetime.now(UTC))
        yield Followed(lone_broker, pool)


async def until(holds, what: str) -> None:
    deadline = asyncio.get_running_loop().time() + OUTER_S
    while not holds():
        assert asyncio.get_running_loop().time() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.05)


async def test_a_new_device_gets_in_and_a_wrong_password_does_not(followed: Followed):
    async with followed.syncing():
        password = await followed.make("w1")
        assert await followed.lets_in("w1", password)
        async with followed.session("w1", "not" + password) as impostor:
            await until(
                lambda: (
                    "bad user name" in (impostor.last_failure or "") or "authorised" in (impostor.last_failure or "")
                ),
                "the refusal",
            )
            assert not impostor.connected.is_set()


async def test_a_revoked_device_is_disconnected_and_its_neighbour_stays(followed: Followed):
    async with followed.syncing():
        revoked, neighbour = await followed.make("w1"), await followed.make("w2")
        async with followed.session("w1", revoked) as gone, followed.session("w2", neighbour) as stays:
            await asyncio.wait_for(gone.connected.wait(), OUTER_S)
            await asyncio.wait_for(stays.connected.wait(), OUTER_S)
            async with followed.pool.connection() as conn:
                await devices.revoke_credential(conn, "w1", datetime.now(UTC))
            await until(lambda: gone.last_failure is not None, "the disconnection")
            await until(
                lambda: "authorised" in str(gone.last_failure) or "password" in str(gone.last_failure),
                "the refusal of its return",
            )
            assert stays.connected.is_set()
            assert stays.reconnects == 0


async def test_a_reissued_password_replaces_the_old_one_on_a_living_connection(followed: Followed):
    async with followed.syncing():
        old = await followed.make("w1")
        async with followed.session("w1", old) as session:
            await asyncio.wait_for(session.connected.wait(), OUTER_S)
            async with followed.pool.connection() as conn:
                new = (await devices.reissue(conn, "w1", datetime.now(UTC))).password
            assert new is not None
            await until(lambda: session.last_failure is not None, "the disconnection")
        assert await followed.lets_in("w1", new)


async def test_a_device_cannot_speak_for_another_nor_hear_what_is_not_its_own(followed: Followed):
    async with followed.syncing():
        mine, other = await followed.make("w1"), await followed.make("w2")
        assert await followed.lets_in("w2", other)
        heard: list[Message] = []
        async with (
            followed.session("w1", mine, heard) as device,
            MqttSession(followed.broker.url, client_id="test-platform") as platform,
        ):
            await asyncio.wait_for(device.connected.wait(), OUTER_S)
            await asyncio.wait_for(platform.connected.wait(), OUTER_S)
            with pytest.raises(PublishRefused, match="not authorised"):
                await device.publish("anxin/v1/w2/up/alarm", b"{}")
            with pytest.raises(PublishRefused, match="not authorised"):
                await device.publish("anxin/v1/w1/down/command", b"{}")
            await device.publish("anxin/v1/w1/up/alarm", b"{}")
            # Mosquitto grants such a filter and then delivers nothing of it.
            for topic_filter in ("#", "anxin/v1/+/up/#", "anxin/v1/w2/down/#", "$SYS/#", "anxin/v1/w1/down/#"):
                await device.subscribe([Subscription(topic_filter)])
            for topic in ("anxin/v1/w2/down/command", "anxin/v1/w2/up/alarm", "anxin/v1/w1/down/command"):
                await platform.publish(topic, b"x")
            await until(lambda: heard, "its own command")
            await asyncio.sleep(0.3)
            assert {message.topic for message in heard} == {"anxin/v1/w1/down/command"}


async def test_a_hand_edited_file_is_repaired_and_the_platform_user_never_dropped(followed: Followed):
    password = await followed.make("w1")
    platform = parse_broker_url(followed.broker.url)
    assert platform.username is not None and platform.password is not None
    stranger = f"intruder:{credentials.hash_password('let me in')}\n"
    with followed.password_file.open("a") as opened:
        opened.write(stranger + "no colon at all\n")
    owner = followed.password_file.stat()
    async with followed.syncing():
        assert await followed.lets_in("w1", password)
        assert await followed.lets_in(platform.username, platform.password)
        assert "intruder" not in followed.password_file.read_text()
        with followed.password_file.open("a") as opened:  # and again, while it watches
            opened.write(stranger)
        await until(lambda: "intruder" not in followed.password_file.read_text(), "the repair")
        after = followed.password_file.stat()
        assert (after.st_uid, after.st_gid, after.st_mode & 0o777) == (owner.st_uid, owner.st_gid, 0o600)


async def test_what_changed_while_no_sync_ran_is_made_up_for(followed: Followed):
    async with followed.syncing():
        first = await followed.make("w1")
        assert await followed.lets_in("w1", first)
    second = await followed.make("w2")
    async with followed.pool.connection() as conn:
        await devices.retire(conn, "w1", datetime.now(UTC))
    async with followed.session("w1", first) as retired, followed.syncing():
        assert await followed.lets_in("w2", second)
        await until(lambda: retired.last_failure is not None, "the disconnection")


async def test_a_broker_that_comes_back_is_told_again_and_a_stopped_one_stops_nothing(followed: Followed):
    async with followed.syncing() as task:
        first = await followed.make("w1")
        assert await followed.lets_in("w1", first)
        await asyncio.to_thread(followed.broker.stop)
        second = await followed.make("w2")
        await until(lambda: "w2" in followed.password_file.read_text(), "the file without a broker")
        await asyncio.to_thread(followed.broker.start)
        assert await followed.lets_in("w2", second)
        assert not task.done()


async def test_changes_in_quick_succession_all_become_effective(followed: Followed):
    async with followed.syncing():
        passwords = {}
        for number in range(12):
            passwords[f"w{number}"] = await followed.make(f"w{number}")
            await asyncio.sleep(0.07)
        for username, password in passwords.items():
            assert await followed.lets_in(username, password), username


async def test_only_a_living_mosquitto_is_signalled(tmp_path: Path):
    pid_file = tmp_path / "pid"
    assert broker_process.find(pid_file) is None
    for text in ("", "0x", "-1", "999999999", str(os.getpid())):
        pid_file.write_text(text)
        assert broker_process.find(pid_file) is None
    ourselves = broker_process.BrokerProcess(os.getpid(), "1")
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert broker_process.reload(ourselves, pid_file) is False
