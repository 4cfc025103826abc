"""The frames of SOS watches: `[maker*id*length*content]`, or with an index before the length (`watch`)."""

import re
from dataclasses import dataclass

# The longest message is a voice snippet.
from gateway.decoders.stream import whole_frames

MAX_FRAME = 64 * 1024
_HEAD = re.compile(rb"\[([A-Z0-9]{2})\*(\d{5,20})\*(?:([0-9A-Fa-f]{4})\*)?([0-9A-Fa-f]{4})\*")
_ESCAPED = re.compile(rb"}([\x01-\x05])")
_PLAIN = {1: b"}", 2: b"[", 3: b"]", 4: b",", 5: b"*"}
# The length is wrong by a few octets in some firmware: a frame that ends where the buffer ends is whole.
_LENGTH_SLACK = 16


@dataclass(frozen=True, slots=True)
class Frame:
    maker: str
    device: str
    index: str | None
    kind: str
    rest: str

    def answer(self, content: str) -> bytes:
        index = "" if self.index is None else f"{self.index}*"
        return f"[{self.maker}*{self.device}*{index}{len(content):04x}*{content}]".encode()


def split(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Whole frames and what is left of the stream. Octets between frames are dropped."""
    frames, rest, begun = whole_frames(buffer, _start, _end_of)
    return frames, rest if begun and len(rest) <= MAX_FRAME else b""


def _start(buffer: bytes) -> int | None:
    found = buffer.find(b"[")
    return None if found < 0 else found


def _end_of(buffer: bytes) -> int | None:
    """Where the frame ends by its length; where that is wrong, by its bracket. None: more must come."""
    head = _HEAD.match(buffer)
    closing = buffer.find(b"]", head.end() if head else 1)
    if head is None:
        return None if closing < 0 else closing + 1
    by_length = head.end() + int(head[4], 16)
    if buffer[by_length : by_length + 1] == b"]":
        return by_length + 1
    missing = by_length + 1 - len(buffer)
    if missing > 0 and not (buffer.endswith(b"]") and missing <= _LENGTH_SLACK):
        # An alarm must not wait for octets that a wrong length promises: the next frame's start ends this one.
        following = _HEAD.search(buffer, head.end())
        return None if following is None else following.start()
    return closing + 1 if missing <= 0 and closing >= 0 else len(buffer)


def parse(frame: bytes) -> Frame | None:
    head = _HEAD.match(frame)
    if head is None or not frame.endswith(b"]"):
        return None
    content = _ESCAPED.sub(lambda match: _PLAIN[match[1][0]], frame[head.end() : -1])
    kind, _, rest = content.partition(b",")
    index = head[3].decode() if head[3] else None
    return Frame(head[1].decode(), head[2].decode(), index, kind.decode("latin-1"), rest.decode("latin-1"))


def device_of(frame: bytes, known: str | None) -> str | None:
    parsed = parse(frame)
    return parsed.device if parsed else known
