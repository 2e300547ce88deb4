"""A small Redis client for observers, the audit and discovery: RESP2, one connection, a timeout for every call.

Outages are not measured with it (see chaos.client for that). Tasks must not share a connection. An error reply of Redis
is returned, as `hiredis.ReplyError`. A connection error is raised as OSError, of which TimeoutError is one; the
connection is unusable then.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple, Self

import hiredis

from chaos.access import PLAIN, Access
from chaos.clock import mono_ns
from chaos.timers import next_multiple

READ_BYTES = 1 << 16


def pack(*command: str | bytes | int) -> bytes:
    """Return a command as bytes in RESP."""
    words: Any = command  # hiredis's stub asks for a tuple of one
    packed: bytes = hiredis.pack_command(words)
    return packed


def info_fields(reply: str) -> dict[str, str]:
    """Return the fields of an INFO reply, of all sections together."""
    return dict(line.split(":", 1) for line in reply.splitlines() if ":" in line)


class Published(NamedTuple):
    """A published message. `at_ns` is the monotonic time at which it was read."""

    channel: str
    payload: str
    at_ns: int


class Resp:
    """One connection. Bytes that are not UTF-8 become surrogates, so that JSON can hold them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout_s: float) -> None:
        self._reader = reader
        self._writer = writer
        self._timeout_s = timeout_s
        self._parser: hiredis.Reader | None = hiredis.Reader(encoding="utf-8", errors="surrogateescape")
        self._read_ns = 0
        self.quiet_ns = 0
        """When the last answered ping of `messages` was sent. All messages published before that have been read."""

    @classmethod
    @asynccontextmanager
    async def connect(cls, host: str, port: int, timeout_s: float, access: Access = PLAIN) -> AsyncIterator[Self]:
        """Connect, with TLS if `access` has it, and log in. Each of these, and every call, may take `timeout_s`.

        Raises OSError: TimeoutError if it takes too long, ssl.SSLError if the handshake fails, PermissionError if the
        login is refused.
        """
        secure: Any = {} if access.tls is None else {"ssl": access.tls.context}
        if access.tls is not None:
            secure["server_hostname"] = access.tls.name_for(host)
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port, **secure)
        try:
            connection = cls(reader, writer, timeout_s)
            answer = await connection.call(*access.login) if access.login else None
            if isinstance(answer, hiredis.ReplyError):
                raise PermissionError(str(answer))
            yield connection
        finally:
            writer.transport.abort()
            with suppress(OSError):  # a call has raised this error already
                await writer.wait_closed()

    async def call(self, *command: str | bytes | int) -> Any:  # noqa: ANN401  a reply is any of RESP's types
        """Return the reply to one command. Raises OSError, or TimeoutError if no reply came in time."""
        if self._parser is None:
            raise ConnectionAbortedError("a call failed before on this connection")
        try:
            async with asyncio.timeout(self._timeout_s):
                self._writer.write(pack(*command))
                return await self._reply()
        except BaseException:
            self._parser = None  # a later call would read the reply to this one
            raise

    async def psubscribe(self, *patterns: str) -> Any:  # noqa: ANN401
        """Subscribe, and return the reply to the first pattern. After this, use only `messages`."""
        self.quiet_ns = mono_ns()
        return await self.call("PSUBSCRIBE", *patterns)

    async def messages(self, idle_s: float = 1.0) -> AsyncIterator[Published]:
        """Yield messages as they arrive, without end. Ping the server at each multiple of `idle_s`.

        Raises OSError when the connection ends, and TimeoutError if a ping is not answered. So a peer whose packets are
        dropped is noticed within `idle_s` and the timeout of a call. The pings of all connections of a process are sent
        at the same time.
        """
        pinged_ns, idle_ns = self.quiet_ns, round(idle_s * 1e9)
        ping_ns = next_multiple(idle_ns, mono_ns())
        while True:
            try:
                async with asyncio.timeout((ping_ns - mono_ns()) / 1e9):
                    reply = await self._reply()
            except TimeoutError:
                pinged_ns = mono_ns()
                ping_ns = next_multiple(idle_ns, max(pinged_ns, ping_ns) + 1)
                reply = await self.call("PING")
            if isinstance(reply, hiredis.ReplyError):
                raise ConnectionAbortedError(str(reply))
            if reply[0] == "pong":
                self.quiet_ns = pinged_ns
            elif reply[0] == "pmessage":
                yield Published(channel=reply[2], payload=reply[3], at_ns=self._read_ns)

    async def _reply(self) -> Any:  # noqa: ANN401
        parser = self._parser
        assert parser is not None
        try:
            while (reply := parser.gets()) is False:
                data = await self._reader.read(READ_BYTES)
                if not data:
                    raise ConnectionResetError("closed by the other side")
                self._read_ns = mono_ns()
                parser.feed(data)
        except hiredis.ProtocolError as error:
            raise ConnectionAbortedError(f"not RESP: {error}") from error
        return reply
