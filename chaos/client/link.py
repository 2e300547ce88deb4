"""The TCP connections of meters, on non-blocking sockets and one epoll for all of them.

asyncio's transports are not used. A meter opens hundreds of connections a second and must not need a task for each. It
needs the kernel's own error number, and the kernel must have the bytes when `write` returns, because that moment is
recorded. The loop's readers and writers would cost as much again as the connection, so the loop watches only the epoll.

Meters use their source ports in turn, so that no port is used again soon. When a pod vanishes, the node's connection
tracking remembers its connections for 120 s, and leads a new connection from the same port to the same Service nowhere.
The kernel would choose ports at random distances. A client that opens 200 connections a second would use all of them
within 15 s, and meet the remembered ones again and again.
"""

import asyncio
import errno
import select
import socket
import ssl
import struct
from pathlib import Path
from random import randrange
from typing import Protocol

from chaos.access import Tls
from chaos.client.outcome import of_errno, of_tls
from chaos.model import ErrorCode

READ_BYTES = 1 << 16
AT_ONCE = 64
"""How many links are served in one turn of the loop. Further links are served in the next turn."""
Address = tuple[str, int]
RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
ABORT = struct.pack("ii", 1, 0)
"""The SO_LINGER that closes a socket by an RST.

Without it, each of hundreds of connections a second would keep a port for 60 s in TIME_WAIT, and an entry in the node's
connection tracking for 120 s.
"""
TAKEN = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)
"""The errors of a port on which somebody listens, or which a kept connection to the same address uses."""
TRIES = 50


class Ports:
    """The ports that this host gives to clients. Each address gets them in turn."""

    def __init__(self, first: int, last: int) -> None:
        self.numbers = range(first, last + 1)
        self._turn: dict[Address, int] = {}

    @classmethod
    def of_this_host(cls) -> "Ports":
        first, last = map(int, RANGE.read_text().split())
        return cls(first, last)

    def connecting(self, address: Address) -> tuple[socket.socket, int]:
        """Return a socket that has begun to connect, and the error number of that: 0 or EINPROGRESS if it goes well.

        The error is one of TAKEN if all of the TRIES ports that were tried were in use.
        """
        for _ in range(TRIES):
            one = _socket(address)
            error = _bound(one, self._next(address)) or one.connect_ex(address)
            if error not in TAKEN:
                break
            one.close()
        return one, error

    def _next(self, address: Address) -> int:
        """Return the next port for this address, but never the address's own port.

        If the server is gone, a socket of the same host that is bound to the server's port would connect to itself.
        """
        turn = self._turn.get(address)
        if turn is None:
            turn = randrange(len(self.numbers))
        self._turn[address] = turn + 1
        port = self.numbers[turn % len(self.numbers)]
        return port if port != address[1] else self._next(address)


def _socket(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return one


def _bound(one: socket.socket, port: int) -> int:
    try:
        one.bind(("", port))
    except OSError as error:
        return error.errno or errno.EADDRINUSE
    return 0


class User(Protocol):
    """Is called with what becomes of a link. Nothing is called any more after `lost`, or after the link was closed."""

    def opened(self) -> None: ...

    def received(self, data: bytes) -> None: ...

    def lost(self, error: ErrorCode) -> None: ...


class Links:
    """The links that are open or connecting, by the number of their socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ports: Ports) -> None:
        self.loop = loop
        self.ports = ports
        self._epoll = select.epoll()
        self._links: dict[int, Link] = {}
        loop.add_reader(self._epoll.fileno(), self._ready)

    def close(self) -> None:
        """Stop watching. Links that are still open stay open until their users close them."""
        self.loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def watch(self, number: int, link: "Link") -> None:
        """Call `ready` of a link whenever the kernel reports something about its socket, until it is closed."""
        self._links[number] = link
        self._epoll.register(number, select.EPOLLIN if link.is_open else select.EPOLLOUT)

    def read(self, number: int) -> None:
        """Watch a link for data from now on."""
        self._epoll.modify(number, select.EPOLLIN)

    def write(self, number: int) -> None:
        """Watch a link for room to write, as its handshake asks for."""
        self._epoll.modify(number, select.EPOLLOUT)

    def forget(self, number: int) -> None:
        """Stop calling a link whose socket is about to be closed. The epoll then forgets the socket by itself."""
        self._links.pop(number, None)

    def _ready(self) -> None:
        links = self._links
        for link in [links[number] for number, _ in self._epoll.poll(0, AT_ONCE)]:
            link.ready()


class Link:
    """One connection. It begins to connect when it is made, and calls `user` in later turns of the loop."""

    __slots__ = ("_links", "_number", "_socket", "_user", "is_open")

    def __init__(self, links: Links, address: Address, user: User) -> None:
        self._links = links
        self._user = user
        self._socket, error = links.ports.connecting(address)
        self._number = self._socket.fileno()
        self.is_open = error == 0
        """A link may be open from the start, as between neighbours on one machine. `opened` is not called then."""
        if error in (0, errno.EINPROGRESS):
            links.watch(self._number, self)
        else:
            links.loop.call_soon(self._lose, of_errno(error))

    def write(self, data: bytes) -> None:
        """Hand bytes to the kernel.

        An error is reported as `lost`, since the other side may have read some of the bytes.
        """
        try:
            whole = self._socket.send(data) == len(data)
        except OSError as error:
            self._links.loop.call_soon(self._lose, of_tls(error))
            return
        if not whole:
            self._links.loop.call_soon(self._lose, ErrorCode.OTHER)

    def close(self) -> None:
        if self._number >= 0:
            self._links.forget(self._number)
            self._number = -1
            self._socket.close()

    def ready(self) -> None:
        """Act on what the kernel reports about this link, unless the link was closed in the same turn."""
        if self._number < 0:
            return
        if self.is_open:
            self._readable()
            return
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._lose(of_errno(error))
            return
        self._connected()

    def _connected(self) -> None:
        """Open the link, because the kernel has connected it."""
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


class SecureLink(Link):
    """A link that speaks TLS. It is open once the handshake is done, which is part of connecting.

    The kernel has the bytes of a write when `write` returns, as on any other link.
    """

    __slots__ = ("_host", "_secure", "_tls")

    def __init__(self, links: Links, address: Address, user: User, tls: Tls, host: str) -> None:
        """`host` is the name that was connected to. The certificate has to bear this name, unless `tls` has another."""
        super().__init__(links, address, user)
        self._tls, self._host = tls, host
        self._secure: ssl.SSLSocket | None = None
        if self.is_open:  # to the kernel only; `ready` begins the handshake once the socket can be written to
            self.is_open = False
            links.write(self._number)

    def _connected(self) -> None:
        try:
            if self._secure is None:
                self._socket = self._secure = self._tls.context.wrap_socket(
                    self._socket, server_hostname=self._tls.name_for(self._host), do_handshake_on_connect=False
                )
            self._secure.do_handshake()
        except ssl.SSLWantReadError:
            self._links.read(self._number)
        except ssl.SSLWantWriteError:
            self._links.write(self._number)
        except OSError as error:
            self._lose(of_tls(error))
        else:
            super()._connected()

    def _readable(self) -> None:
        """Read until nothing is left, because the kernel does not report bytes that TLS has taken from it already."""
        while self._number >= 0:
            try:
                data = self._socket.recv(READ_BYTES)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                self._lose(of_tls(error))
                return
            if not data:
                self._lose(ErrorCode.CLOSED)
                return
            self._user.received(data)


def link_to(links: Links, address: Address, user: User, tls: Tls | None, host: str) -> Link:
    """Return a link that begins to connect, with TLS or without."""
    return Link(links, address, user) if tls is None else SecureLink(links, address, user, tls, host)
