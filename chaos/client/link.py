"""The TCP connections of meters, on non-blocking sockets and one epoll for all of them.

Not asyncio's transports: a meter opens hundreds of connections a second, wants no task for each, the kernel's own
error number, and bytes that are with the kernel when `write` returns, because that moment is recorded. Nor the loop's
readers and writers, which cost as much again as the connection: the loop watches the epoll, and nothing else.
"""

import asyncio
import errno
import select
import socket
from typing import Protocol

from chaos.client.outcome import of_errno
from chaos.client.ports import Address, Ports
from chaos.model import ErrorCode

READ_BYTES = 1 << 16
AT_ONCE = 64
"""Links that are served in one turn of the loop; the next turn comes to the others."""


class User(Protocol):
    """Who is told what becomes of a link. Nothing is called after `lost`, nor after the link was closed."""

    def opened(self) -> None: ...

    def received(self, data: bytes) -> None: ...

    def lost(self, error: ErrorCode) -> None: ...


class Links:
    """Those that are open or connecting, by the number of their socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ports: Ports) -> None:
        self.loop = loop
        self.ports = ports
        self._epoll = select.epoll()
        self._links: dict[int, Link] = {}
        loop.add_reader(self._epoll.fileno(), self._ready)

    def close(self) -> None:
        """Whatever is still open is left to its user."""
        self.loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def watch(self, number: int, link: "Link") -> None:
        """Until its socket is closed."""
        self._links[number] = link
        self._epoll.register(number, select.EPOLLIN if link.is_open else select.EPOLLOUT)

    def read(self, number: int) -> None:
        """From now on this link is open."""
        self._epoll.modify(number, select.EPOLLIN)

    def forget(self, number: int) -> None:
        """Its socket is about to be closed, and the epoll forgets it by itself."""
        self._links.pop(number, None)

    def _ready(self) -> None:
        links = self._links
        for link in [links[number] for number, _ in self._epoll.poll(0, AT_ONCE)]:
            link.ready()


class Link:
    """Connects at once, and may be open at once. `user` hears of everything in later turns of the loop."""

    __slots__ = ("_links", "_number", "_socket", "_user", "is_open")

    def __init__(self, links: Links, address: Address, user: User) -> None:
        self._links = links
        self._user = user
        self._socket, error = links.ports.connecting(address)
        self._number = self._socket.fileno()
        self.is_open = error == 0
        """Where it is from the start, as between neighbours on one machine, `opened` is not called."""
        if error in (0, errno.EINPROGRESS):
            links.watch(self._number, self)
        else:
            links.loop.call_soon(self._lose, of_errno(error))

    def write(self, data: bytes) -> None:
        """Hand bytes to the kernel. Trouble is told as `lost`, since the other side may have read some of them."""
        try:
            whole = self._socket.send(data) == len(data)
        except OSError as error:
            self._links.loop.call_soon(self._lose, of_errno(error.errno))
            return
        if not whole:
            self._links.loop.call_soon(self._lose, ErrorCode.OTHER)

    def close(self) -> None:
        if self._number >= 0:
            self._links.forget(self._number)
            self._number = -1
            self._socket.close()

    def ready(self) -> None:
        """The kernel has something to say of it, unless it was closed in the same turn."""
        if self._number < 0:
            return
        if self.is_open:
            self._readable()
            return
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._lose(of_errno(error))
            return
        self.is_open = True
        self._links.read(self._number)
        self._user.opened()

    def _readable(self) -> None:
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(of_errno(error.errno))
            return
        if data:
            self._user.received(data)
        else:
            self._lose(ErrorCode.CLOSED)

    def _lose(self, error: ErrorCode) -> None:
        if self._number < 0:
            return
        self.close()
        self._user.lost(error)
