"""A connection from within a target's network to a peer, from before a fault: what passes over it then is the proof.

It sends nothing but PING, which every Redis and every Sentinel answers, if only by asking for a password.
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
"""How long a peer may take to answer before the fault, and how long an answer is waited for after it."""
BYTES = 12_000
"""The size of each PING. It is several packets, to meet a loss soon, and less than the 16 KiB that Redis allows."""


class Flow:
    """One open connection to a peer. `to` is the peer's address, port and kind.

    `before_s` is how long the peer took to answer before the fault.
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
        """A flow to the first of `peers`, address, port and kind, that answers. Without one nothing ever passes.

        `namespace` is an open file on the network namespace, which is closed here.
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
        """Return how long one PING took in all, in seconds, or None while it is not answered.

        A PING that was not answered is still waited for by the next call.
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
    """A socket that belongs to the network namespace for good. Call it in a thread that ends after it."""
    setns(namespace, CLONE_NEWNET)
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)
    return made
