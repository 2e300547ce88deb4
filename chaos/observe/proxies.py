"""Watches one HAProxy: every 50 ms it asks the stats socket, on one connection, which servers are up.

This shows where HAProxy sends clients. The clients show whether the service works, and HAProxy's own log, which is
recorded too, shows why a server is down.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

from chaos.clock import mono_ns
from chaos.observe.watch import REPLY_S, ObservedMember, Pace, PolledFact
from chaos.record.events import ProxyLost, ProxyServers, ServerEntry

SERVERS_S = 0.05
AGAIN_NS = 1_000_000_000
"""Servers that did not change are written again after this time, so that silence means that the observer is gone."""
ASK, PROMPT = b"show servers state\n", b"\n> "
RUNNING = {"1", "2"}
"""HAProxy's numbers for the states in which a server gets connections: starting, and running (management.txt 9.3)."""
COLUMNS = ("be_name", "srv_name", "srv_addr", "srv_port", "srv_op_state")


class ProxyObserver:
    """Observes one HAProxy.

    `polled` belongs to its name and outlives its pods, so that a change between pods is seen.
    """

    def __init__(self, observed: ObservedMember, polled: PolledFact) -> None:
        self._observed = observed
        self._polled = polled
        self._sent_ns = mono_ns()
        self._written_ns = 0

    async def observe(self) -> None:
        """Poll until the connection ends.

        HAProxy keeps it open after the command `prompt`, and marks where answers end.
        """
        self._sent_ns = mono_ns()
        member = self._observed.member
        async with asyncio.timeout(REPLY_S):
            reader, writer = await asyncio.open_connection(member.address, member.port)
        try:
            await _answer(reader, writer, b"prompt\n")
            pace = Pace(SERVERS_S)
            while True:
                self._sent_ns = mono_ns()
                self._shown(list(servers_in(await _answer(reader, writer, ASK))))
                await pace.beat()
        finally:
            writer.transport.abort()
            with suppress(OSError):  # the call that met the error has raised it
                await writer.wait_closed()

    def lost(self, error: str) -> None:
        change = self._polled.failed(self._sent_ns)
        if change:
            event = ProxyLost(proxy=self._observed.member.name, error=error)
            self._observed.events.write(event, since_ns=change.since_ns)

    def _shown(self, servers: list[ServerEntry]) -> None:
        change = self._polled.shown(servers, self._sent_ns)
        if change or mono_ns() - self._written_ns >= AGAIN_NS:
            self._written_ns = mono_ns()
            event = ProxyServers(proxy=self._observed.member.name, servers=servers)
            self._observed.events.write(event, since_ns=change.since_ns if change else None)


def servers_in(answer: str) -> Iterator[ServerEntry]:
    """Yield the servers of every backend, in HAProxy's order. Raises ConnectionError if `answer` is not such a table.

    The first line is the version of the format. The second line names the columns after a `#`. The address of a server
    is `-` if its name is not found.
    """
    lines = answer.split("\n")
    header = lines[1].removeprefix("# ").split() if len(lines) > 1 else []
    if not set(COLUMNS) <= set(header):
        raise ConnectionError(f"HAProxy's stats socket said {lines[0]!r} to {ASK.decode().strip()}")
    for line in filter(None, lines[2:]):
        row = dict(zip(header, line.split(), strict=True))
        address = f"{row['srv_addr']}:{row['srv_port']}"
        up = row["srv_op_state"] in RUNNING
        yield {"backend": row["be_name"], "server": row["srv_name"], "address": address, "up": up}


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: bytes) -> str:
    """Send a command and return the answer, up to the next prompt. Raises OSError, also for a time-out."""
    writer.write(command)
    try:
        async with asyncio.timeout(REPLY_S):
            return (await reader.readuntil(PROMPT)).decode().removesuffix(PROMPT.decode()).strip("\n")
    except asyncio.IncompleteReadError:
        raise ConnectionResetError("closed by the other side") from None
