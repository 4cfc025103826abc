"""The words of the MQTT session: what comes in, what is asked for, what can go wrong."""

from dataclasses import dataclass

from mqtt5 import PublishPacket, QoS, RetainHandling, TopicFilter

QOS = (QoS.AT_MOST_ONCE, QoS.AT_LEAST_ONCE)

TOPIC_NAME_INVALID = 0x90
PACKET_TOO_LARGE = 0x95

# Sentences for the reasons an operator meets; any other code is shown as its number.
REASONS = {
    0x00: "normal disconnection",
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x84: "the broker does not speak MQTT 5",
    0x85: "client id not valid",
    0x86: "bad user name or password",
    0x87: "not authorised",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8A: "banned",
    0x8B: "server shutting down",
    0x8D: "keep-alive timeout",
    0x8E: "session taken over by another connection with the same client id",
    0x8F: "topic filter invalid",
    0x90: "topic name invalid",
    0x93: "receive maximum exceeded",
    0x95: "packet too large",
    0x96: "message rate too high",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x99: "payload format invalid",
    0x9A: "retain not supported",
    0x9B: "QoS not supported",
    0x9E: "shared subscriptions not supported",
    0x9F: "connection rate exceeded",
}


def reason_text(code: int) -> str:
    """`not authorised (0x87)`"""
    return f"{REASONS.get(code, 'reason')} (0x{code:02x})"


class MqttError(Exception):
    """Base of what the session raises."""


class Disconnected(MqttError):
    """No link, or it went down before the broker answered: the outcome is unknown, the caller decides."""


class OutgoingFull(MqttError):
    """The bounded queue of unsent packets is full; nothing was queued."""


class PublishRefused(MqttError):
    """The broker answered a PUBLISH with a failure (or it can be known that it would). `code` is MQTT's."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the broker refused the message: {reason_text(code)}")
        self.code = code


class SubscribeRefused(MqttError):
    """The broker refused these filters; they are not remembered for the next connection."""

    def __init__(self, refused: dict[str, int]) -> None:
        listed = ", ".join(f"{name}: {reason_text(code)}" for name, code in refused.items())
        super().__init__(f"the broker refused the subscription to {listed}")
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Subscription:
    """One filter to read. `retain_handling`: 0 send stored retained messages, 1 only when new, 2 never.

    With `retain_as_published` a live publish keeps its retain flag, so `Message.retain` is what the
    device sent; without it the flag is set only on stored messages replayed by this subscribe.
    """

    topic_filter: str
    qos: int = 1
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 2

    def __post_init__(self) -> None:
        if self.qos not in (0, 1):
            raise ValueError(f"subscribe with QoS 0 or 1, not {self.qos}")
        if self.retain_handling not in (0, 1, 2):
            raise ValueError(f"retain handling is 0, 1 or 2, not {self.retain_handling}")
        if self.no_local and self.topic_filter.startswith("$share/"):
            # A protocol error in MQTT 5: the broker would drop the connection, again after each retry.
            raise ValueError("no_local cannot be set on a shared subscription")

    def wire(self) -> TopicFilter:
        return TopicFilter(
            self.topic_filter,
            max_qos=QOS[self.qos],
            no_local=self.no_local,
            retain_as_published=self.retain_as_published,
            retain_handling=RetainHandling(self.retain_handling),
        )


class Message:
    """One PUBLISH from the broker.

    `packet_id` is None at QoS 0 and then needs no ack. `epoch` numbers the connection it came by: an
    ack is only valid on that one. `received_at` is the session's clock when its TCP chunk arrived.
    `duplicate` is the broker's word that it may have delivered this before.
    """

    __slots__ = (
        "correlation_data",
        "duplicate",
        "epoch",
        "packet_id",
        "payload",
        "qos",
        "received_at",
        "response_topic",
        "retain",
        "topic",
        "user_properties",
    )

    def __init__(self, packet: PublishPacket, epoch: int, received_at: float) -> None:
        self.topic = packet.topic
        self.payload = packet.payload
        self.packet_id = packet.packet_id
        # The codec's enums are not Python ints; this session only ever receives QoS 0 and 1.
        self.qos = 0 if self.packet_id is None else 1
        self.retain = packet.retain
        self.duplicate = packet.duplicate
        self.response_topic = packet.response_topic
        self.correlation_data = packet.correlation_data
        self.user_properties = packet.user_properties
        self.epoch = epoch
        self.received_at = received_at

    def __repr__(self) -> str:
        return f"<Message {self.topic} qos={self.qos} id={self.packet_id} {len(self.payload)} bytes>"
