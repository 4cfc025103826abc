"""From a stream of bytes in arbitrary pieces to whole MQTT packets. No I/O."""

import mqtt5

MAX_HEADER = 5  # one type byte, at most four of remaining length


def frame_length(head: bytes | bytearray | memoryview) -> int | None:
    """Length of the whole packet that `head` begins, None while its length field is incomplete.

    Raises ValueError when the length field has more than its four bytes.
    """
    length = 0
    for index in range(1, min(len(head), MAX_HEADER)):
        byte = head[index]
        length |= (byte & 0x7F) << (7 * (index - 1))
        if byte < 0x80:
            return 1 + index + length
    if len(head) >= MAX_HEADER:
        raise ValueError("the length of a packet is malformed")
    return None


class FrameReader:
    """Feed it what `recv` gave; it returns the packets completed by that piece, in order.

    `broken` says why once the stream is unreadable: packets in front of the fault are still returned,
    everything after is ignored. Bytes of an incomplete packet are kept (at most `max_packet` of them).
    """

    def __init__(self, *, max_packet: int) -> None:
        self._max_packet = max_packet
        self._rest = bytearray()
        self._needed = 0
        self.broken: str | None = None

    def feed(self, data: bytes) -> list[mqtt5.Packet]:
        if self.broken is not None:
            return []
        if not self._rest:
            return self._parse(data)
        self._rest += data
        # A large packet comes in many pieces: looking at it only when whole keeps this linear.
        if len(self._rest) < self._needed:
            return []
        whole = bytes(self._rest)
        self._rest.clear()
        return self._parse(whole)

    def _parse(self, data: bytes) -> list[mqtt5.Packet]:
        packets: list[mqtt5.Packet] = []
        append, read = packets.append, mqtt5.read
        view, position, end = memoryview(data), 0, len(data)
        try:
            while position < end:
                packet, consumed = read(view[position:])
                append(packet)
                position += consumed
        except IndexError:
            self._keep(view[position:])
        except ValueError as error:
            self._break(str(error))
        except BaseException as error:
            # The Rust codec panics on a string that is not UTF-8; a panic is not an Exception.
            if type(error).__name__ != "PanicException":
                raise
            self._break("a packet carries text that is not UTF-8")
        return packets

    def _keep(self, rest: memoryview) -> None:
        try:
            needed = frame_length(rest)
        except ValueError as error:
            self._break(str(error))
            return
        if needed is not None and needed <= len(rest):
            # The codec of today answers ValueError here. Should one ever ask for more bytes of a whole
            # packet, waiting would be for ever and without bound.
            self._break("a packet is shorter inside than it says")
        elif needed is not None and needed > self._max_packet:
            self._break(f"a packet of {needed} bytes exceeds the {self._max_packet} agreed")
        else:
            self._rest += rest
            self._needed = needed or 0

    def _break(self, reason: str) -> None:
        self.broken = reason
        self._rest.clear()
