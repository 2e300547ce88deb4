"""One TCP connection of a meter, on non-blocking sockets and the loop's readers.

Not asyncio's transports: a meter opens hundreds of connections a second, wants no task for each, the kernel's own
error number, and bytes that are with the kernel when `write` returns, because that moment is recorded.
"""

import asyncio
import errno
import socket
from typing import Protocol

from chaos.client.outcome import of_errno
from chaos.client.ports import Address, Ports
from chaos.model import ErrorCode

READ_BYTES = 1 << 16


class User(Protocol):
    """Who is told what becomes of a link. Nothing is called after `lost`, nor after the link was closed."""

    def opened(self) -> None: ...

    def received(self, data: bytes) -> None: ...

    def lost(self, error: ErrorCode) -> None: ...


class Link:
    """Connects at once; `user` hears of everything in later turns of the loop, never from within a call."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ports: Ports, address: Address, user: User) -> None:
        self._loop = loop
        self._user = user
        self._socket, error = ports.connecting(address)
        if error in (0, errno.EINPROGRESS):
            loop.add_writer(self._socket.fileno(), self._connected)
        else:
            loop.call_soon(self._lose, of_errno(error))

    def write(self, data: bytes) -> None:
        """Hand bytes to the kernel. Trouble is told as `lost`, since the other side may have read some of them."""
        try:
            whole = self._socket.send(data) == len(data)
        except OSError as error:
            self._loop.call_soon(self._lose, of_errno(error.errno))
            return
        if not whole:
            self._loop.call_soon(self._lose, ErrorCode.OTHER)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_writer(self._socket.fileno())
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _connected(self) -> None:
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._lose(of_errno(error))
            return
        self._loop.remove_writer(self._socket.fileno())
        self._loop.add_reader(self._socket.fileno(), self._readable)
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
        if self._socket.fileno() < 0:
            return
        self.close()
        self._user.lost(error)
