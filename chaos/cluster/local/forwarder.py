"""Forward connections to the endpoints of Services. It takes the place of kube-proxy where packet rules are impossible.

`python -m chaos.cluster.local.forwarder` reads lines of JSON, each of which lists all Services as they are from now on:
`[[address, port, [[address, port], …]], …]`. It answers each line with an empty line once the line is in force, and
ends at the end of its input.

As with kube-proxy, a new connection goes to a random endpoint, and an established one stays where it is. Without
endpoints nobody listens, so the kernel refuses. When one side closes, the other side first receives what was sent
before; a reset is passed on at once. Unlike with kube-proxy, a client is accepted before its endpoint is reached.
"""

import asyncio
import json
import random
import resource
import socket
import struct
import sys
from contextlib import suppress

LINE_BYTES = 1 << 20
BACKLOG = 1024
RESET = struct.pack("ii", 1, 0)
"""The value of SO_LINGER with which close() resets the connection."""

Address = tuple[str, int]


class ForwardedConnection(asyncio.Protocol):
    """One half of a forwarded connection. What it receives is sent to its `other` half."""

    def __init__(self) -> None:
        self.other: ForwardedConnection | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        assert self.other.transport is not None
        self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None:
            self.other.end(reset=exc is not None)

    def end(self, *, reset: bool) -> None:
        """Close this half. Send what is still in its buffer first, unless `reset`."""
        if self.transport is None:
            return
        if not reset:
            self.transport.close()
            return
        with suppress(OSError):  # it is not connected any more
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()


class ClientConnection(ForwardedConnection):
    """The half to the client. Data of the client waits until the other half has reached the endpoint."""

    def __init__(self, endpoint: Address) -> None:
        super().__init__()
        self._endpoint = endpoint

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._waiting: list[bytes] = []
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
        else:
            self._waiting.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connecting.cancel()
        super().connection_lost(exc)

    async def _connect(self) -> None:
        side = ForwardedConnection()
        side.other = self
        try:
            await asyncio.get_running_loop().create_connection(lambda: side, *self._endpoint)
        except OSError:
            self.end(reset=True)
            return
        self.other = side
        for data in self._waiting:
            super().data_received(data)
        self._waiting.clear()


class ServiceListener:
    """The listener at the address of one Service. It listens only while the Service has endpoints."""

    def __init__(self, at: Address) -> None:
        self._at = at
        self._endpoints: list[Address] = []
        self._server: asyncio.Server | None = None

    async def apply(self, endpoints: list[Address]) -> None:
        """Replace the endpoints. Raises OSError if the Service's address cannot be bound."""
        self._endpoints = endpoints
        if endpoints and self._server is None:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: ClientConnection(random.choice(self._endpoints)), *self._at, backlog=BACKLOG
            )
        elif not endpoints and self._server is not None:
            self._server.close()
            self._server = None


async def main() -> None:
    lines = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    services: dict[Address, ServiceListener] = {}
    async for line in lines:
        for host, port, endpoints in json.loads(line):
            service = services.setdefault((host, port), ServiceListener((host, port)))
            await service.apply([(address, number) for address, number in endpoints])
        sys.stdout.write("\n")
        sys.stdout.flush()


def allow_files() -> None:
    """Raise the limit of open files as far as allowed, because every forwarded connection needs two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    allow_files()
    asyncio.run(main())
