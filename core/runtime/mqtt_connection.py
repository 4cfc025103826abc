"""One TCP connection to the broker, from CONNECT to its loss. `MqttSession` makes them one after another."""

import asyncio
import logging
import struct
from collections.abc import Callable, Iterable
from typing import cast

import mqtt5

from core.runtime.mqtt_frames import FrameReader
from core.runtime.mqtt_outgoing import Outgoing
from core.runtime.mqtt_types import Message, reason_text
from core.runtime.mqtt_unacked import Unacked

log = logging.getLogger(__name__)

OnMessages = Callable[[list[Message]], None]

_PUBACK = struct.Struct(">BBH").pack
_PINGREQ = mqtt5.PingReqPacket().write()
# A chunk of so much was worth its turn of the loop.
_LARGE_READ_BYTES = 64 * 1024
# How long a closing transport may take to flush before it is cut.
LINGER_S = 1.0


class MqttConnection(asyncio.Protocol):
    """The protocol of one connection `epoch`.

    `connack` ends with the broker's answer, cancelled when none came; `lost` always ends, with the reason
    as text. `unacked` holds what was delivered and not yet acknowledged.
    """

    def __init__(
        self,
        epoch: int,
        hello: mqtt5.ConnectPacket,
        *,
        on_messages: OnMessages,
        on_crash: Callable[[BaseException], None],
        clock: Callable[[], float],
        max_packet: int,
        queue_limit: int,
        queue_limit_bytes: int,
        read_pause_s: float,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.epoch = epoch
        self.connack: asyncio.Future[mqtt5.ConnAckPacket] = loop.create_future()
        self.lost: asyncio.Future[str] = loop.create_future()
        self.unacked = Unacked()
        self.heard = False
        self.outgoing = Outgoing(self._write, loop.call_soon, limit=queue_limit, limit_bytes=queue_limit_bytes)
        self._hello = hello.write()
        self._on_messages, self._on_crash, self._clock = on_messages, on_crash, clock
        self._frames = FrameReader(max_packet=max_packet)
        self._read_pause_s = read_pause_s
        self._answers: dict[int, asyncio.Future[list[int]]] = {}
        self._transport: asyncio.Transport | None = None
        self._reason: str | None = None
        self._accepted = False

    @property
    def open(self) -> bool:
        """The broker accepted us and the link has not been given up."""
        return self._accepted and self._reason is None

    # --- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._hello)

    def pause_writing(self) -> None:
        self.outgoing.pause()

    def resume_writing(self) -> None:
        self.outgoing.resume()

    def data_received(self, data: bytes) -> None:
        if self._reason is not None:
            return
        self.heard = True
        if self._read_pause_s and len(data) < _LARGE_READ_BYTES:
            self._pause_reading()
        try:
            self._receive(data)
        except Exception as error:
            # A handler that failed may have lost messages it was given: going on would acknowledge
            # later ones around a hole. The service must end and be restarted.
            self.abort("the message handler failed")
            self._on_crash(error)

    def connection_lost(self, exc: Exception | None) -> None:
        reason = self._reason or (f"{type(exc).__name__}: {exc}" if exc else "the broker closed the connection")
        self._reason = reason
        self._transport = None
        self.outgoing.lost(reason)
        for answer in self._answers.values():
            answer.cancel()
        if not self.connack.done():
            self.connack.cancel()
        if not self.lost.done():
            self.lost.set_result(reason)

    # --- what the session calls

    async def answered(self) -> None:
        """Wait for the CONNACK or the loss of the link; the caller sets the time limit."""
        waiting: set[asyncio.Future[object]] = {cast("asyncio.Future[object]", self.connack)}
        waiting.add(cast("asyncio.Future[object]", self.lost))
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

    def ack(self, messages: Iterable[Message]) -> None:
        epoch = self.epoch
        due = self.unacked.release(
            packet_id for message in messages if message.epoch == epoch and (packet_id := message.packet_id) is not None
        )
        if due:
            self._write(b"".join([_PUBACK(0x40, 2, packet_id) for packet_id in due]))

    async def ask(self, encode: Callable[[int], bytes]) -> list[int] | None:
        """Send a SUBSCRIBE or UNSUBSCRIBE, return the reason codes; None when the link went down first."""
        packet_id = self.outgoing.ids.take()
        answer = asyncio.get_running_loop().create_future()
        self._answers[packet_id] = answer
        try:
            self._write(encode(packet_id))
            await asyncio.wait({answer, self.lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._answers[packet_id]
            # An id that was never answered stays taken: its late answer must not be read as another's.
            if answer.done():
                self.outgoing.ids.release(packet_id)
        return None if answer.cancelled() or not answer.done() else answer.result()

    def ping(self) -> None:
        self._write(_PINGREQ)

    def say_goodbye(self, reason: str, code: mqtt5.DisconnectReasonCode) -> None:
        """DISCONNECT, flush, close; cut after LINGER_S if the peer does not take it."""
        if self._reason is not None:
            return
        self._write(mqtt5.DisconnectPacket(reason_code=code).write())
        self._reason = reason
        if self._transport is not None:
            self._transport.close()
            asyncio.get_running_loop().call_later(LINGER_S, self._cut)

    def abort(self, reason: str) -> None:
        """Cut without a word: the broker publishes the will and keeps what we did not acknowledge."""
        if self._reason is None:
            self._reason = reason
        self._cut()

    def _pause_reading(self) -> None:
        """Let more arrive, so that one turn of the loop reads it all."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(self._read_pause_s, self._resume_reading)

    def _resume_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and self._reason is None:
            self._transport.write(data)

    # --- what the broker sends

    def _receive(self, data: bytes) -> None:
        messages: list[Message] = []
        append, add, epoch = messages.append, self.unacked.add, self.epoch
        publish_packet, received_at = mqtt5.PublishPacket, self._clock()
        for packet in self._frames.feed(data):
            if type(packet) is publish_packet:
                if (packet_id := packet.packet_id) is not None:
                    if packet.qos != 1:
                        self._protocol_error("a QoS 2 message nobody subscribed to")
                        break
                    if not add(packet_id):
                        continue
                append(Message(packet, epoch, received_at))
            elif not self._control(packet):
                break
        if messages:
            if not self.connack.done():
                self._protocol_error("a message before CONNACK")
                return
            self._on_messages(messages)
        if self._frames.broken is not None:
            self.say_goodbye(
                f"the broker sent what is not MQTT 5: {self._frames.broken}",
                mqtt5.DisconnectReasonCode.MALFORMED_PACKET,
            )

    def _control(self, packet: mqtt5.Packet) -> bool:
        """False when nothing after this packet counts."""
        if isinstance(packet, mqtt5.PubAckPacket):
            self.outgoing.answered(packet.packet_id, int(packet.reason_code))
        elif isinstance(packet, mqtt5.PingRespPacket):
            pass  # `heard` is all it was for
        elif isinstance(packet, mqtt5.SubAckPacket | mqtt5.UnsubAckPacket):
            answer = self._answers.get(packet.packet_id)
            if answer is not None and not answer.done():
                answer.set_result([int(code) for code in packet.reason_codes])
        elif isinstance(packet, mqtt5.ConnAckPacket) and not self.connack.done():
            self._welcome(packet)
        elif isinstance(packet, mqtt5.DisconnectPacket):
            text = f" ({packet.reason_str})" if packet.reason_str else ""
            self.abort(f"the broker disconnected us: {reason_text(int(packet.reason_code))}{text}")
            return False
        else:
            self._protocol_error(f"an unexpected {type(packet).__name__}")
            return False
        return True

    def _welcome(self, packet: mqtt5.ConnAckPacket) -> None:
        if int(packet.reason_code) < 0x80:
            self._accepted = True
            self.outgoing.open(receive_max=packet.receive_max, max_packet=packet.max_packet_size)
        self.connack.set_result(packet)

    def _protocol_error(self, what: str) -> None:
        self.say_goodbye(f"the broker sent {what}", mqtt5.DisconnectReasonCode.PROTOCOL_ERROR)
