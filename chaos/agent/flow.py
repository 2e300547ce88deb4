"""A TCP connection, opened before a fault, from a target's network to one of its peers. It proves the fault's effect.

Only PING is sent over the connection. Every Redis and every Sentinel answers it, even if only with "authentication
required".
"""

import asyncio
import os
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

import hiredis

from chaos.access import Access, Accesses
from chaos.clock import mono_ns
from chaos.linux import CLONE_NEWNET, apart, setns
from chaos.model import MemberKind
from chaos.resp import pack

OPEN_S, ANSWER_S = 1.0, 0.5
"""How many seconds a peer may take to answer before the fault, and how many we wait for an answer after it."""
BYTES = 12_000
"""The size of each PING. It fills several packets, so that a lossy link soon loses one, and stays below the 16 KiB that
Redis allows."""


class Flow:
    """One open connection to a peer.

    `to` is the peer's address, port and kind, or None if no peer answered. `before_s` is how long the peer took to
    answer before the fault.
    """

    def __init__(self) -> None:
        self.to: tuple[str, int, str] | None = None
        self.before_s = 0.0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._replies = hiredis.Reader()
        self._sent_ns = 0
        self._now = "nothing was asked yet"

    @classmethod
    async def opened(cls, namespace: int, peers: Sequence[tuple[str, int, str]]) -> "Flow":
        """Return a connection to the first of `peers` that answers a PING.

        If none answers, return a Flow that is not connected.

        A peer is an address, a port and a kind of member. `namespace` is an open file of the network namespace to
        connect from. It is closed here.
        """
        try:
            for address, port, kind in peers:
                flow = cls()
                try:
                    async with asyncio.timeout(OPEN_S):
                        await flow._open(namespace, address, port, Accesses.from_environment().of(MemberKind(kind)))
                        took_s = await flow.pinged(OPEN_S)
                except OSError:
                    took_s = None
                if took_s is not None:
                    flow.to, flow.before_s = (address, port, kind), took_s
                    return flow
                flow.close()
        finally:
            os.close(namespace)
        return cls()

    async def pinged(self, within_s: float = ANSWER_S) -> float | None:
        """Return how many seconds one PING took, or None if it was not answered within `within_s`. If the previous PING
        was not answered yet, wait for its answer instead of sending another.
        """
        if self._streams is None:
            return None
        reader, writer = self._streams
        begun_ns = mono_ns()
        try:
            async with asyncio.timeout(within_s):
                if not self._sent_ns:
                    self._sent_ns = mono_ns()
                    writer.write(pack("PING", "x" * BYTES))
                while self._replies.gets() is False:
                    data = await reader.read(1 << 16)
                    if not data:
                        raise ConnectionResetError
                    self._replies.feed(data)
        except TimeoutError:
            self._now = f"is not answered for {(mono_ns() - begun_ns) / 1e9:.1f} s"
            return None
        except OSError as error:
            self._now = f"is refused ({os.strerror(error.errno) if error.errno else 'closed by the peer'})"
            return None
        took_s = (mono_ns() - self._sent_ns) / 1e9
        self._sent_ns, self._now = 0, f"is answered in {took_s * 1000:.1f} ms"
        return took_s

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
        self._streams, self._sent_ns = None, 0

    async def _open(self, namespace: int, address: str, port: int, access: Access) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = apart(partial(_socket_in, namespace, family))
        try:
            await asyncio.get_running_loop().sock_connect(made, (address, port))
        except BaseException:
            made.close()
            raise
        secure: Any = {}
        if access.tls is not None:
            secure = {"ssl": access.tls.context, "server_hostname": access.tls.name_for(address)}
        self._streams = await asyncio.open_connection(sock=made, **secure)

    def __str__(self) -> str:
        if self.to is None:
            return "no peer answered a PING before the fault, so that no connection shows its effect"
        before_ms = self.before_s * 1000
        return f"a connection from before it to {self.to[0]}:{self.to[1]}, answered in {before_ms:.1f} ms, {self._now}"


def _socket_in(namespace: int, family: int) -> socket.socket:
    """Return a socket of the network namespace. Call it in a thread of its own, which it moves there."""
    setns(namespace, CLONE_NEWNET)
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)
    return made
