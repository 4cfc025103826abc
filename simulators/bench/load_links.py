"""Many broker connections on raw sockets in one thread: frames go out in large writes, PUBACKs are counted by bytes."""

import select
import socket
import struct
import time
from collections.abc import Iterable, Sequence

from core.domain.fleet import FleetMember
from core.errors import Unavailable
from simulators.bench.load_frames import remaining_length

_CONNACK_BYTES = PUBACK_BYTES = 4
_READ = bytearray(64 * 1024)  # what came is counted, never read
_ANSWER_WITHIN_S = 30.0
_CONNECT_AT_ONCE = 100
_LAST_PACKET_ID = 65_535


def connect_frame(member: FleetMember, client_id: str) -> bytes:
    """MQTT 3.1.1, clean session, no keep-alive (a load that is busy sends no pings)."""
    fields = (client_id, member.username, member.password)
    body = b"\x00\x04MQTT\x04\xc2\x00\x00" + b"".join(struct.pack(">H", len(f)) + f.encode() for f in fields)
    return b"\x10" + remaining_length(len(body)) + body


class Link:
    """One connection. `waiting`: written or queued messages without a PUBACK."""

    __slots__ = ("_acks", "_part", "name", "out", "packet_id", "sent", "socket")

    def __init__(self, name: str, connection: socket.socket) -> None:
        self.name, self.socket = name, connection
        self.out = bytearray()
        self.packet_id = self.sent = self._acks = self._part = 0

    @property
    def acknowledged(self) -> int:
        return self._acks

    @property
    def waiting(self) -> int:
        return self.sent - self._acks

    def queue(self, opening: bytes, payload: bytes) -> None:
        """A PUBLISH, as what stands before its packet id and what after it."""
        self.packet_id = number = self.packet_id % _LAST_PACKET_ID + 1
        self.out += b"%b%c%c%b" % (opening, number >> 8, number & 0xFF, payload)
        self.sent += 1

    def flush(self) -> bool:
        """True when everything was handed to the kernel."""
        if self.out:
            try:
                del self.out[: self.socket.send(self.out)]
            except BlockingIOError:
                return False
        return not self.out

    def read(self) -> None:
        """Count what came. Raises Unavailable when the broker closed the connection."""
        try:
            got = self.socket.recv_into(_READ)
        except BlockingIOError:
            return
        if not got:
            raise Unavailable(f"The broker closed the connection of {self.name}.")
        done, self._part = divmod(self._part + got, PUBACK_BYTES)
        self._acks += done


class Links:
    """Opens with the first call of `open`; `turn` is one round of the event loop."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._poll = select.epoll()
        self._by_fd: dict[int, Link] = {}
        self._blocked: set[int] = set()
        self.links: list[Link] = []

    def open(self, members: Sequence[FleetMember], prefix: str) -> None:
        """Connect all and wait for their CONNACKs. Raises Unavailable for the first that is refused."""
        for start in range(0, len(members), _CONNECT_AT_ONCE):
            batch = members[start : start + _CONNECT_AT_ONCE]
            fresh = [(member, socket.create_connection(self._address, _ANSWER_WITHIN_S)) for member in batch]
            for member, connection in fresh:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.sendall(connect_frame(member, f"{prefix}-{member.device_id}"))
            for member, connection in fresh:
                self._welcome(member, connection)

    def _welcome(self, member: FleetMember, connection: socket.socket) -> None:
        answer = b""
        while len(answer) < _CONNACK_BYTES:
            got = connection.recv(_CONNACK_BYTES - len(answer))
            if not got:
                break
            answer += got
        if answer[3:] != b"\x00":
            raise Unavailable(f"The broker did not let {member.device_id} in (answer {answer.hex() or 'none'}).")
        connection.setblocking(False)
        link = Link(member.device_id, connection)
        self.links.append(link)
        self._by_fd[connection.fileno()] = link
        self._poll.register(connection.fileno(), select.EPOLLIN)

    def flush(self, links: Iterable[Link]) -> None:
        for link in links:
            self._flush(link)

    def _flush(self, link: Link) -> None:
        fd = link.socket.fileno()
        if link.flush():
            if fd in self._blocked:
                self._blocked.discard(fd)
                self._poll.modify(fd, select.EPOLLIN)
        elif fd not in self._blocked:
            self._blocked.add(fd)
            self._poll.modify(fd, select.EPOLLIN | select.EPOLLOUT)

    def turn(self, timeout_s: float) -> None:
        """Read what came and write what fits, waiting at most so long for either."""
        for fd, what in self._poll.poll(max(0.0, timeout_s)):
            link = self._by_fd[fd]
            if what & ~select.EPOLLOUT:
                link.read()
            if what & select.EPOLLOUT:
                self._flush(link)

    @property
    def waiting(self) -> int:
        return sum(link.waiting for link in self.links)

    @property
    def acknowledged(self) -> int:
        return sum(link.acknowledged for link in self.links)

    def drain(self, seconds: float) -> None:
        """Until every message has its PUBACK, or the time is over."""
        deadline = time.monotonic() + seconds
        while self.waiting and time.monotonic() < deadline:
            self.turn(0.05)

    def close(self) -> None:
        for link in self.links:
            link.socket.close()
        self._poll.close()
