"""The broker of docker-compose.yml without Docker: its own files and scripts, certificates made by our command, and a
real Mosquitto that speaks nothing but TLS. Only folders, port and user differ from what the container gets."""

import asyncio
import os
import secrets
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from core.runtime.mqtt import BrokerAddress, Message, MqttSession, PublishRefused, Subscription, parse_broker_url
from stack import certificates, platform_user, servers
from stack.identity import Identity, server_identity
from stack.mosquitto_conf import password_line
from stack.state import choose_port
from tests.unit.docs.documents import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

PASSWORD = secrets.token_hex(8)
PLATFORM_PASSWORD = f"-starts.with-a_dash{secrets.token_urlsafe(16)}"
DEVICE, OTHER = "dv-7f3k9q2m", "dv-22222222"


class TlsBroker:
    """docker/broker with docker/mosquitto.conf in a folder of its own."""

    def __init__(self, folder: Path, identity: Identity) -> None:
        self.folder, self.identity = folder, identity
        self.port = choose_port(0, 0, "Mosquitto", "")
        self.passwd, self.ca_file = folder / "credentials/passwd", folder / "certificates/ca.crt"
        self.environment = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "LC_ALL": "C"}

    def prepare(self, monkeypatch: pytest.MonkeyPatch) -> None:
        paths = servers.install()
        for name in ("bin", "credentials", "data", "tmp", "mosquitto"):
            (self.folder / name).mkdir()
        for program in (paths.mosquitto_bin, paths.mosquitto_sub_bin):
            (self.folder / "bin" / program.name).symlink_to(program)
        self.make_certificates(datetime.now(UTC))
        monkeypatch.setenv("ANXIN_MQTT_URL", f"mqtts://platform:{PLATFORM_PASSWORD}@localhost:{self.port}")
        assert platform_user.main(["--file", str(self.passwd)]) == 0
        self.let_in(DEVICE, OTHER)
        conf = (ROOT / "docker/mosquitto.conf").read_text()
        for inside, here in {
            "/mosquitto/data": self.folder / "data",
            "/credentials": self.folder / "credentials",
            "/certificates": self.folder / "certificates",
            "/tmp/acl": self.folder / "tmp/acl",
            "listener 8883 0.0.0.0": f"listener {self.port} 127.0.0.1",
            "user mosquitto": f"user {self.identity.user}",
        }.items():
            assert inside in conf
            conf = conf.replace(inside, str(here))
        (self.folder / "mosquitto/mosquitto.conf").write_text(conf)
        shutil.copy(ROOT / "docker/acl", self.folder / "mosquitto/acl")
        for script in ("broker", "broker-health"):
            shutil.copy(ROOT / "docker" / script, self.folder / "bin" / script)
        self._hand_over()

    def make_certificates(self, now: datetime) -> list[Path]:
        made = certificates.ensure_certificates(
            self.folder / "certificates", self.folder / "authority", ["mosquitto", "localhost", "127.0.0.1"], now
        )
        self._hand_over()
        return made

    def let_in(self, *usernames: str) -> None:
        """What `anxin broker-sync` does: the platform's line kept, the file replaced."""
        kept = [line for line in self.passwd.read_text().splitlines(keepends=True) if line.startswith("platform:")]
        lines = kept + [password_line(name, PASSWORD, secrets.token_bytes(12)) for name in usernames]
        fresh = self.passwd.with_name(".passwd.sync")
        fresh.write_text("".join(lines))
        self.identity.own(fresh, 0o600)
        fresh.rename(self.passwd)

    def _hand_over(self) -> None:
        for path in [self.folder, *self.folder.rglob("*")]:
            if self.identity.switch and not path.is_symlink():
                os.chown(path, self.identity.uid, self.identity.gid)

    def run(self, output: Path, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        # To a file: the script's watcher holds a pipe open for a moment after Mosquitto's end.
        with output.open("ab") as opened:
            return subprocess.Popen(
                words,
                env=self.environment | environment,
                stdout=opened,
                stderr=opened,
                user=self.identity.uid if self.identity.switch else None,
                group=self.identity.gid if self.identity.switch else None,
                extra_groups=[] if self.identity.switch else None,
            )

    def start(self) -> subprocess.Popen[bytes]:
        place = self.folder / "mosquitto"
        script = str(self.folder / "bin/broker")
        return self.run(self.folder / "output", "/bin/sh", script, str(place / "mosquitto.conf"), str(place / "acl"))

    def address(self, username: str, password: str = PASSWORD) -> BrokerAddress:
        return parse_broker_url(f"mqtts://{username}:{password}@localhost:{self.port}", ca_file=self.ca_file)

    def health(self) -> tuple[int, str]:
        settings = {"PORT": str(self.port), "CA_FILE": str(self.ca_file), "PASSWORD_FILE": str(self.folder / "pw")}
        (self.folder / "pw").write_text(PLATFORM_PASSWORD)
        self._hand_over()
        output = self.folder / "health-output"
        process = self.run(output, "/bin/sh", str(self.folder / "bin/broker-health"), **settings)
        return process.wait(20), output.read_text()

    def shown_certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", self.port)).encode())


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[TlsBroker]:
    # Not pytest's tmp_path: it is closed to the user the broker runs as.
    folder = Path(tempfile.mkdtemp(prefix="anxin-compose-", dir="/tmp"))
    folder.chmod(0o755)
    made = TlsBroker(folder, server_identity())
    made.prepare(monkeypatch)
    process = made.start()
    yield made
    process.terminate()
    process.wait(20)
    output = (folder / "output").read_text()
    shutil.rmtree(folder)
    # The signal of the container reaches Mosquitto itself, which ends by it and says nothing of wrong permissions.
    assert process.returncode == 0, output
    assert "world readable" not in output
    assert "Error:" not in output


async def connected(session: MqttSession) -> None:
    async with asyncio.timeout(20):
        await session.connected.wait()


async def test_the_platform_reads_over_tls_what_a_device_says_under_its_own_name_and_nothing_else(broker: TlsBroker):
    got: asyncio.Queue[Message] = asyncio.Queue()

    def take(messages: list[Message]) -> None:
        for message in messages:
            got.put_nowait(message)

    async with (
        MqttSession(broker.address("platform", PLATFORM_PASSWORD), client_id="p", on_messages=take) as platform,
        MqttSession(broker.address(DEVICE), client_id="d") as device,
    ):
        await connected(platform)
        await platform.subscribe([Subscription("anxin/v1/+/up/alarm")])
        await connected(device)
        with pytest.raises(PublishRefused):
            await device.publish(f"anxin/v1/{OTHER}/up/alarm", b"foreign", qos=1)
        await device.publish(f"anxin/v1/{DEVICE}/up/alarm", b"own", qos=1)
        message = await asyncio.wait_for(got.get(), 10)
        assert (message.topic, message.payload) == (f"anxin/v1/{DEVICE}/up/alarm", b"own")


async def test_who_is_taken_from_the_file_is_disconnected_within_5_s_and_the_others_stay(broker: TlsBroker):
    async with (
        MqttSession(broker.address(DEVICE), client_id="d") as device,
        MqttSession(broker.address(OTHER), client_id="o") as other,
    ):
        await connected(device)
        await connected(other)
        broker.let_in(OTHER)
        async with asyncio.timeout(5):
            while device.connected.is_set():
                await asyncio.sleep(0.05)
        assert other.connected.is_set()
        assert other.reconnects == 0


async def test_a_renewed_certificate_is_shown_without_a_restart(broker: TlsBroker):
    async with MqttSession(broker.address(DEVICE), client_id="d") as device:
        await connected(device)
        before = broker.shown_certificate()
        assert broker.make_certificates(datetime.now(UTC)) == []
        in_a_year = datetime.now(UTC) + timedelta(days=certificates.SERVER_DAYS - 29)
        assert [path.name for path in broker.make_certificates(in_a_year)] == ["server.key", "server.crt"]
        async with asyncio.timeout(10):
            while broker.shown_certificate() == before:
                await asyncio.sleep(0.1)
        assert device.reconnects == 0


async def test_the_health_check_tells_a_broker_that_answers_from_one_that_does_not(broker: TlsBroker):
    async with MqttSession(broker.address(DEVICE), client_id="d") as device:
        await connected(device)
    assert await asyncio.to_thread(broker.health) == (0, "")
    broker.passwd.write_text("")
    broker.let_in(DEVICE)
    async with asyncio.timeout(10):
        while (await asyncio.to_thread(broker.health))[0] == 0:
            await asyncio.sleep(0.2)


async def test_a_client_that_trusts_another_authority_does_not_connect(broker: TlsBroker, tmp_path: Path):
    certificates.ensure_certificates(tmp_path / "c", tmp_path / "a", ["localhost"], datetime.now(UTC))
    url = f"mqtts://{DEVICE}:{PASSWORD}@localhost:{broker.port}"
    stranger = MqttSession(parse_broker_url(url, ca_file=tmp_path / "c/ca.crt"), client_id="bad")
    async with MqttSession(broker.address(DEVICE), client_id="good") as good:
        await connected(good)  # the broker listens: whatever fails now is not its start
    async with stranger as bad:
        async with asyncio.timeout(10):
            while bad.last_failure is None:
                await asyncio.sleep(0.05)
        assert "certificate verify failed" in bad.last_failure
        assert not bad.connected.is_set()
