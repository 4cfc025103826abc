"""The conversation that opens a link: TCP or TLS, CONNECT and CONNACK, SUBSCRIBE and SUBACK."""

import asyncio
import ssl
from collections.abc import Callable, Sequence

import mqtt5

from core.runtime.mqtt_connection import MqttConnection
from core.runtime.mqtt_types import MqttError, SubscribeRefused, Subscription, reason_text
from core.runtime.mqtt_url import BrokerAddress

ANSWER_TIMEOUT_S = 5.0


class LinkFailed(MqttError):
    """An attempt to connect, or a link, ended; the sentence says why."""


async def dial(address: BrokerAddress, tls: ssl.SSLContext | None, connection: MqttConnection) -> mqtt5.ConnAckPacket:
    """Connect and wait for the broker's welcome. Raises LinkFailed with one sentence."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await _reach(address, tls, connection)
            await connection.answered()
    except TimeoutError:
        raise LinkFailed(f"{address} did not answer within {ANSWER_TIMEOUT_S:g} s") from None
    if not connection.connack.done() or connection.connack.cancelled():
        raise LinkFailed(f"{address} closed the connection before answering: {await connection.lost}")
    connack = connection.connack.result()
    if (code := int(connack.reason_code)) >= 0x80:
        user = f" for user {address.username}" if code in (0x86, 0x87) else ""
        raise LinkFailed(f"{address} refused the connection{user}: {reason_text(code)}")
    return connack


async def _reach(address: BrokerAddress, tls: ssl.SSLContext | None, connection: MqttConnection) -> None:
    loop = asyncio.get_running_loop()
    try:
        await loop.create_connection(lambda: connection, address.host, address.port, ssl=tls)
    except (OSError, UnicodeError) as error:  # refused, unreachable, unknown or impossible host, TLS
        raise LinkFailed(f"cannot reach {address}: {error}") from error


async def request(connection: MqttConnection, subscriptions: Sequence[Subscription]) -> bool:
    """SUBSCRIBE; True when all were granted, False when the link went down first.

    Raises SubscribeRefused naming those refused (the others are granted), LinkFailed without an answer.
    """
    filters = [subscription.wire() for subscription in subscriptions]
    codes = await _answer(connection, lambda packet_id: mqtt5.SubscribePacket(packet_id, filters).write())
    if codes is None:
        return False
    names = [subscription.topic_filter for subscription in subscriptions]
    if len(codes) != len(names):
        connection.abort(reason := f"the broker answered {len(names)} filters with {len(codes)} codes")
        raise LinkFailed(reason)
    refused = {name: code for name, code in zip(names, codes, strict=True) if code >= 0x80}
    if refused:
        raise SubscribeRefused(refused)
    return True


async def withdraw(connection: MqttConnection, topic_filters: Sequence[str]) -> bool:
    """UNSUBSCRIBE; False when the link went down before the broker's answer."""
    names = list(topic_filters)
    codes = await _answer(connection, lambda packet_id: mqtt5.UnsubscribePacket(packet_id, names).write())
    return codes is not None


async def _answer(connection: MqttConnection, encode: Callable[[int], bytes]) -> list[int] | None:
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await connection.ask(encode)
    except TimeoutError:
        # Not granted, not refused: only a new connection tells, else we might be deaf and not know it.
        connection.abort(reason := f"the broker did not confirm a subscription within {ANSWER_TIMEOUT_S:g} s")
        raise LinkFailed(reason) from None
