import asyncio
from collections.abc import Callable

import mqtt5
import pytest

from core.runtime.mqtt_outgoing import MAX_PACKET_ID, Outgoing, PacketIds, publish_encoder
from core.runtime.mqtt_types import Disconnected, OutgoingFull, PublishRefused


class Wire:
    """What a connection gives to Outgoing: writes are kept, scheduled work runs when the test says."""

    def __init__(self, *, limit: int = 100, limit_bytes: int = 10**6) -> None:
        self.writes: list[bytes] = []
        self.work: list[Callable[[], None]] = []
        self.outgoing = Outgoing(self.writes.append, self.work.append, limit=limit, limit_bytes=limit_bytes)

    def run(self) -> list[mqtt5.PublishPacket]:
        """Run the scheduled flush; the packets written since the last call."""
        work, self.work[:] = list(self.work), []
        for job in work:
            job()
        data = b"".join(self.writes)
        packets: list[mqtt5.PublishPacket] = []
        self.writes.clear()
        while data:
            packet, size = mqtt5.read(memoryview(data))
            assert isinstance(packet, mqtt5.PublishPacket)
            packets.append(packet)
            data = data[size:]
        return packets

    def put(self, payload: bytes = b"x", *, qos: int = 1) -> asyncio.Future[None]:
        done = asyncio.get_running_loop().create_future()
        self.outgoing.put(publish_encoder("t", payload, {}), qos=qos, done=done)
        return done


def ids(packets):
    return [packet.packet_id for packet in packets]


async def test_no_more_are_unanswered_than_the_broker_takes_and_order_is_kept():
    wire = Wire()
    wire.outgoing.open(receive_max=2, max_packet=None)
    done = [wire.put() for _ in range(4)]
    assert ids(wire.run()) == [1, 2]
    wire.outgoing.answered(2, 0)
    assert ids(wire.run()) == [3]
    assert [one.done() for one in done] == [False, True, False, False]
    wire.outgoing.answered(1, 0)
    wire.outgoing.answered(3, 0x10)  # "no matching subscribers" is a success
    assert ids(wire.run()) == [4]
    assert wire.outgoing.pending == 1
    assert not wire.outgoing.idle.is_set()
    wire.outgoing.answered(4, 0)
    wire.run()
    assert wire.outgoing.idle.is_set()


async def test_a_batch_leaves_in_one_write():
    wire = Wire()
    wire.outgoing.open(receive_max=100, max_packet=None)
    for _ in range(50):
        wire.put(qos=0)
    for job in wire.work:
        job()
    assert len(wire.writes) == 1


async def test_nothing_leaves_before_the_welcome_or_while_the_transport_is_full():
    wire = Wire()
    wire.put()
    assert wire.run() == []
    wire.outgoing.open(receive_max=10, max_packet=None)
    wire.outgoing.pause()
    assert wire.run() == []
    wire.outgoing.resume()
    assert ids(wire.run()) == [1]


async def test_the_queue_is_bounded_by_count_and_by_bytes():
    few, small = Wire(limit=2), Wire(limit_bytes=1000)
    few.put()
    few.put()
    with pytest.raises(OutgoingFull):
        few.put()
    small.put(b"x" * 5000)  # one packet always fits, else a large one could never be sent
    with pytest.raises(OutgoingFull):
        small.put()


async def test_a_refusal_reaches_the_caller_with_its_reason():
    wire = Wire()
    wire.outgoing.open(receive_max=10, max_packet=None)
    done = wire.put()
    wire.run()
    wire.outgoing.answered(1, 0x87)
    with pytest.raises(PublishRefused, match="not authorised") as caught:
        await done
    assert caught.value.code == 0x87


async def test_a_packet_larger_than_the_broker_takes_is_refused_and_its_id_is_free_again():
    wire = Wire()
    wire.outgoing.open(receive_max=10, max_packet=100)
    with pytest.raises(PublishRefused, match="too large"):
        wire.put(b"x" * 200)
    assert wire.outgoing.pending == 0
    wire.put()
    assert len(wire.run()) == 1


async def test_losing_the_link_tells_all_who_wait_and_refuses_new_ones():
    wire = Wire()
    wire.outgoing.open(receive_max=1, max_packet=None)
    sent, queued = wire.put(), wire.put()
    wire.run()
    wire.outgoing.lost("cut")
    for done in (sent, queued):
        with pytest.raises(Disconnected, match="cut"):
            await done
    with pytest.raises(Disconnected):
        wire.put()
    assert wire.outgoing.idle.is_set()


async def test_a_caller_who_gave_up_in_the_queue_is_skipped_and_one_already_sent_keeps_its_place():
    wire = Wire()
    wire.outgoing.open(receive_max=1, max_packet=None)
    sent, queued, last = wire.put(), wire.put(b"gone"), wire.put(b"last")
    wire.run()
    sent.cancel()
    queued.cancel()
    assert wire.run() == []
    wire.outgoing.answered(1, 0)
    assert [packet.payload for packet in wire.run()] == [b"last"]
    wire.outgoing.answered(3, 0)
    await last


async def test_an_answer_nobody_asked_for_changes_nothing():
    wire = Wire()
    wire.outgoing.open(receive_max=1, max_packet=None)
    wire.outgoing.answered(77, 0)
    assert wire.outgoing.pending == 0


def test_packet_ids_wrap_around_and_skip_those_in_use():
    packet_ids = PacketIds()
    first = [packet_ids.take() for _ in range(MAX_PACKET_ID)]
    assert (first[0], first[-1]) == (1, MAX_PACKET_ID)
    with pytest.raises(OutgoingFull):
        packet_ids.take()
    packet_ids.release(500)
    assert packet_ids.take() == 500
