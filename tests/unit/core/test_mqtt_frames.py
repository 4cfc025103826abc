from itertools import pairwise

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.runtime.mqtt_frames import FrameReader, frame_length

# The codec writes the text it could not decode to stderr and panics; both are its own, the reader's part
# is to survive it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def feed(reader: FrameReader, data: bytes) -> list[mqtt5.PublishPacket]:
    return [packet for packet in reader.feed(data) if isinstance(packet, mqtt5.PublishPacket)]


def publish(payload: bytes, packet_id: int) -> bytes:
    return mqtt5.PublishPacket("a/b", payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=packet_id).write()


@given(
    sizes=st.lists(st.integers(0, 40_000), min_size=1, max_size=6),
    cuts=st.lists(st.integers(0, 250_000), max_size=30),
)
def test_packets_come_out_whole_and_in_order_however_the_stream_is_cut(sizes, cuts):
    stream = b"".join(publish(b"x" * size, index + 1) for index, size in enumerate(sizes))
    edges = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    reader = FrameReader(max_packet=100_000)
    packets = [packet for start, end in pairwise(edges) for packet in feed(reader, stream[start:end])]
    assert [(packet.packet_id, len(packet.payload)) for packet in packets] == [
        (index + 1, size) for index, size in enumerate(sizes)
    ]
    assert reader.broken is None


def test_single_bytes_make_a_packet():
    reader = FrameReader(max_packet=1000)
    packets = [packet for byte in publish(b"y" * 300, 9) for packet in feed(reader, bytes([byte]))]
    assert [packet.packet_id for packet in packets] == [9]


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("unknown type", b"\x00\x00"),
        ("length of five bytes", b"\xff\xff\xff\xff\xff"),
        ("QoS 3", b"\x36\x06\x00\x01a\x00\x01\x00"),
        ("topic longer than the packet", b"\x30\x05\x00\x09abc"),
        ("cut property", b"\x30\x06\x00\x01a\x90\x00\x00"),
        ("unknown reason", b"\x20\x03\x00\x42\x00"),
        ("topic not UTF-8", b"\x30\x04\x00\x01\xff\x00"),
    ],
)
def test_what_is_not_mqtt_breaks_the_stream_after_the_packets_in_front(name, bad):
    reader = FrameReader(max_packet=1000)
    packets = feed(reader, publish(b"good", 1) + bad + publish(b"after", 2))
    assert [packet.packet_id for packet in packets] == [1], name
    assert reader.broken, name
    assert feed(reader, publish(b"later", 3)) == []


@given(st.binary(max_size=300))
def test_no_bytes_raise(noise):
    reader = FrameReader(max_packet=1000)
    feed(reader, noise)
    feed(reader, noise)


def test_a_promise_of_more_than_agreed_is_not_waited_for():
    reader = FrameReader(max_packet=1000)
    assert feed(reader, publish(b"x" * 2000, 1)[:10]) == []
    assert reader.broken is not None
    assert "exceeds the 1000" in reader.broken


@pytest.mark.parametrize("length", [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_the_length_of_a_frame_is_read_at_every_width(length):
    head = bytearray(b"\x30")
    rest = length
    while rest > 127:
        head.append(rest % 128 | 128)
        rest //= 128
    head.append(rest)
    assert frame_length(head) == len(head) + length
    assert frame_length(head[:-1]) is None


def test_a_codec_that_wants_more_of_a_whole_packet_is_not_waited_for(monkeypatch):
    def never_enough(buffer: memoryview) -> None:
        raise IndexError("Not enough bytes")

    monkeypatch.setattr(mqtt5, "read", never_enough)
    reader = FrameReader(max_packet=1000)
    assert reader.feed(publish(b"whole", 1)) == []
    assert reader.broken == "a packet is shorter inside than it says"
