"""A stream of octets to frames: what is the same for every family that marks where a frame starts."""

from collections.abc import Callable


def whole_frames(
    buffer: bytes, start_of: Callable[[bytes], int | None], end_of: Callable[[bytes], int | None]
) -> tuple[list[bytes], bytes, bool]:
    """(whole frames, what is left, whether that begins a frame). Octets between frames are dropped.

    `start_of` says where the first frame starts; `end_of`, given a buffer that starts with one, where it ends, or None
    while more must come.
    """
    frames: list[bytes] = []
    while (start := start_of(buffer)) is not None:
        buffer = buffer[start:]
        end = end_of(buffer)
        if end is None:
            return frames, buffer, True
        frames.append(buffer[:end])
        buffer = buffer[end:]
    return frames, buffer, False
