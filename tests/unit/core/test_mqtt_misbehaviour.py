"""What no good broker does: a scripted peer on the loopback plays it."""

import asyncio
import datetime as dt
import ipaddress
import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import mqtt5
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.runtime.mqtt import LinkFailed, Message, MqttSession, SubscribeRefused, Subscription, parse_broker_url

WELCOME = mqtt5.ConnAckPacket().write()


Kind = TypeVar("Kind")


class Peer:
    """One accepted connection: reads packets, writes whatever the script says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._data = b""

    async def next(self, kind: type[Kind]) -> Kind:
        """The next packet of this kind, skipping others. Ends with EOFError when the client hangs up."""
        while True:
            try:
                packet, size = mqtt5.read(memoryview(self._data))
            except IndexError:
                fresh = await self.reader.read(65536)
                if not fresh:
                    raise EOFError from None
                self._data += fresh
                continue
            self._data = self._data[size:]
            if isinstance(packet, kind):
                return packet

    def send(self, *packets: bytes) -> None:
        self.writer.write(b"".join(packets))


Script = Callable[[Peer, int], Awaitable[None]]


@asynccontextmanager
async def broker(script: Script, tls: ssl.SSLContext | None = None):
    """Runs `script(peer, n)` for the n-th connection, from 1; yields the port."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        try:
            await script(Peer(reader, writer), count)
        except (EOFError, ConnectionError):
            pass  # the client hung up, which many a script provokes
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def session(port: int, on_messages=None, **options) -> MqttSession:
    return MqttSession(f"mqtt://127.0.0.1:{port}", client_id="c", on_messages=on_messages, **options)


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


def publish(payload: bytes, *, packet_id: int | None = 1, qos=mqtt5.QoS.AT_LEAST_ONCE) -> bytes:
    return mqtt5.PublishPacket("t", payload, qos=qos, packet_id=packet_id).write()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"\x00\x00\x00", "not MQTT 5"),
        (b"\x30\x05\x00\x09abc", "not MQTT 5"),
        (publish(b"x", qos=mqtt5.QoS.EXACTLY_ONCE), "QoS 2"),
        (mqtt5.ConnAckPacket().write(), "unexpected ConnAckPacket"),
        (mqtt5.PingReqPacket().write(), "unexpected PingReqPacket"),
        (
            mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SERVER_SHUTTING_DOWN).write(),
            "server shutting down",
        ),
        (b"", "closed the connection"),
    ],
)
async def test_a_link_that_speaks_nonsense_is_left_with_its_reason_and_replaced(sent, said, caplog):
    caplog.set_level(logging.WARNING, "core.runtime")

    async def script(peer: Peer, n: int) -> None:
        await peer.next(mqtt5.ConnectPacket)
        peer.send(WELCOME)
        if n == 1:
            peer.send(sent)
            await asyncio.sleep(0.05)
        else:
            await peer.next(mqtt5.DisconnectPacket)

    async with broker(script) as port, session(port) as one:
        await eventually(lambda: one.connects == 2 and one.connected.is_set())
        assert not one.fatal.done()
    assert said in caplog.text


@pytest.mark.parametrize(
    "answer", [b"\x20\x02\x00\x05", b"HTTP/1.1 400 Bad Request\r\n\r\n", publish(b"too early"), b""]
)
async def test_a_peer_that_is_no_mqtt_5_broker_is_named_and_tried_again(answer):
    async def script(peer: Peer, n: int) -> None:
        await peer.next(mqtt5.ConnectPacket)
        peer.send(answer if n < 3 else WELCOME)
        if n >= 3:
            await peer.next(mqtt5.DisconnectPacket)

    async with broker(script) as port, session(port, lambda messages: None) as one:
        await eventually(lambda: one.last_failure is not None)
        assert "before answering" in (one.last_failure or "")
        await eventually(one.connected.is_set)


async def test_a_handler_may_acknowledge_what_came_with_the_welcome():
    acknowledged = asyncio.Event()

    async def script(peer: Peer, n: int) -> None:
        await peer.next(mqtt5.ConnectPacket)
        peer.send(WELCOME, publish(b"a", packet_id=7), publish(b"b", packet_id=8))
        assert (await peer.next(mqtt5.PubAckPacket)).packet_id == 7
        assert (await peer.next(mqtt5.PubAckPacket)).packet_id == 8
        acknowledged.set()
        await peer.next(mqtt5.DisconnectPacket)

    batches: list[list[Message]] = []

    def take(messages: list[Message]) -> None:
        batches.append(messages)
        one.ack(messages)

    async with broker(script) as port:
        one = session(port, take, clock=lambda: 42.0)
        async with one, asyncio.timeout(20):
            await acknowledged.wait()
    assert [[message.payload for message in batch] for batch in batches] == [[b"a", b"b"]]
    assert [message.received_at for message in batches[0]] == [42.0, 42.0]


async def test_a_failing_handler_is_reported_also_after_somebody_stopped_waiting_for_it():
    proceed = asyncio.Event()

    async def script(peer: Peer, n: int) -> None:
        await peer.next(mqtt5.ConnectPacket)
        if n == 1:
            peer.send(WELCOME)
            await proceed.wait()
            return
        peer.send(WELCOME, publish(b"sos"))
        await peer.next(mqtt5.DisconnectPacket)

    def fail(messages: list[Message]) -> None:
        raise RuntimeError("a bug")

    async with broker(script) as port, session(port, fail) as one:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one.fatal, 0.05)
        proceed.set()
        with pytest.raises(RuntimeError, match="a bug"):
            await asyncio.wait_for(one.fatal, 20)
        assert one.connects <= 2


async def test_messages_in_front_of_a_fault_are_still_delivered():
    got: list[bytes] = []

    async def script(peer: Peer, n: int) -> None:
        await peer.next(mqtt5.ConnectPacket)
        peer.send(WELCOME, publish(b"sos"), b"\x00\x00")
        await peer.next(mqtt5.DisconnectPacket)

    def take(messages: list[Message]) -> None:
        got.extend(message.payload for message in messages)

    async with broker(script) as port, session(port, take):
        await eventually(lambda: bool(got))
    assert got[0] == b"sos"


async def test_while_one_filter_is_refused_the_others_are_heard_and_it_is_asked_for_again():
    asked: list[list[str]] = []
    got: list[Message] = []

    async def script(peer: Peer, n: int) -> None:
        await peer.next(mqtt5.ConnectPacket)
        peer.send(WELCOME)
        for codes in ([1, 0x87], [0x87], [1]):
            packet = await peer.next(mqtt5.SubscribePacket)
            asked.append([one.pattern for one in packet.topic_filters])
            granted = [mqtt5.SubAckReasonCode(code) for code in codes]
            peer.send(mqtt5.SubAckPacket(packet.packet_id, granted).write(), publish(b"x", packet_id=len(asked)))
        await peer.next(mqtt5.DisconnectPacket)

    async with broker(script) as port:
        one = session(port, got.extend, keep_alive_s=1)
        await one.subscribe([Subscription("alarm"), Subscription("other")])
        async with one:
            await eventually(lambda: len(got) == 1)
            assert not one.connected.is_set()
            assert "other: not authorised" in (one.last_failure or "")
            await eventually(one.connected.is_set)
            assert one.reconnects == 0
    assert asked == [["alarm", "other"], ["other"], ["other"]]


async def test_a_refused_subscription_is_raised_and_forgotten():
    async def script(peer: Peer, n: int) -> None:
        await peer.next(mqtt5.ConnectPacket)
        peer.send(WELCOME)
        packet = await peer.next(mqtt5.SubscribePacket)
        peer.send(mqtt5.SubAckPacket(packet.packet_id, [mqtt5.SubAckReasonCode.NOT_AUTHORIZED]).write())
        if n == 1:
            await peer.next(mqtt5.PingReqPacket)
            return
        await peer.next(mqtt5.DisconnectPacket)

    async with broker(script) as port, session(port, lambda messages: None, keep_alive_s=1) as one:
        await eventually(one.connected.is_set)
        with pytest.raises(SubscribeRefused, match="secret: not authorised"):
            await one.subscribe([Subscription("secret")])
        # The second connection asks for nothing: it is up although this broker refuses everything.
        await eventually(lambda: one.connects == 2 and one.connected.is_set())


async def test_a_subscription_answered_with_the_wrong_number_of_codes_ends_the_link():
    async def script(peer: Peer, n: int) -> None:
        await peer.next(mqtt5.ConnectPacket)
        peer.send(WELCOME)
        packet = await peer.next(mqtt5.SubscribePacket)
        peer.send(mqtt5.SubAckPacket(packet.packet_id, [mqtt5.SubAckReasonCode(1)] * 2).write())
        await peer.next(mqtt5.DisconnectPacket)

    async with broker(script) as port, session(port, lambda messages: None) as one:
        await eventually(one.connected.is_set)
        with pytest.raises(LinkFailed, match="1 filters with 2 codes"):
            await one.subscribe([Subscription("a")])


async def test_close_waits_for_what_is_on_its_way_but_not_for_ever():
    async def script(peer: Peer, n: int) -> None:
        await peer.next(mqtt5.ConnectPacket)
        peer.send(WELCOME)
        packet = await peer.next(mqtt5.PublishPacket)
        assert packet.packet_id is not None
        await asyncio.sleep(0.1)
        peer.send(mqtt5.PubAckPacket(packet.packet_id).write())
        await peer.next(mqtt5.PublishPacket)  # the second is never answered
        await peer.next(mqtt5.DisconnectPacket)

    async with broker(script) as port:
        one = session(port)
        await one.start()
        await eventually(one.connected.is_set)
        first = asyncio.create_task(one.publish("t", b"1"))
        await asyncio.sleep(0)
        assert one.publish_nowait("t", b"2", qos=1)
        await one.close(drain_s=0.5)
        await first
        assert one.outgoing_pending == 0
        assert one.fatal.done()


async def test_a_session_that_never_reached_a_broker_closes_at_once():
    one = session(9)  # the discard port: nobody listens
    await one.start()
    await eventually(lambda: one.last_failure is not None)
    assert "cannot reach mqtt://127.0.0.1:9" in (one.last_failure or "")
    await one.close()


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    ca_file, key_file = folder / "ca.pem", folder / "key.pem"
    ca_file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key_file.write_bytes(key.private_bytes(*pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca_file, key_file)
    return ca_file, context


async def polite(peer: Peer, n: int) -> None:
    await peer.next(mqtt5.ConnectPacket)
    peer.send(WELCOME)
    await peer.next(mqtt5.DisconnectPacket)


async def test_tls_works_with_the_brokers_own_ca(tmp_path):
    ca_file, context = certificate(tmp_path)
    async with broker(polite, context) as port:
        address = parse_broker_url(f"mqtts://127.0.0.1:{port}", ca_file=ca_file)
        async with MqttSession(address, client_id="c") as one:
            await eventually(one.connected.is_set)


async def test_an_unknown_ca_is_not_trusted_and_named(tmp_path):
    _, context = certificate(tmp_path)
    async with broker(polite, context) as port, MqttSession(f"mqtts://127.0.0.1:{port}", client_id="c") as one:
        await eventually(lambda: one.last_failure is not None)
        assert "CERTIFICATE_VERIFY_FAILED" in (one.last_failure or "")
        assert not one.connected.is_set()


@pytest.mark.parametrize(("expiry_s", "anew"), [(0, [True, True]), (60, [False, False])])
async def test_only_a_session_that_the_broker_is_to_keep_is_resumed_after_a_lost_link(expiry_s, anew):
    """Mosquitto 2.0.21 writes a session without expiry down, takes it for expired after its restart, and cuts the
    connection that resumed it; the emergency path would be deaf again and again."""
    asked: list[bool] = []
    twice = asyncio.Event()

    async def script(peer: Peer, n: int) -> None:
        asked.append((await peer.next(mqtt5.ConnectPacket)).clean_start)
        if n == 2:
            twice.set()
        peer.send(WELCOME)

    async with (
        broker(script) as port,
        MqttSession(f"mqtt://127.0.0.1:{port}", client_id="resumed", session_expiry_s=expiry_s),
    ):
        await asyncio.wait_for(twice.wait(), 10)
    assert asked[:2] == anew
