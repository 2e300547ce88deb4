"""Watches one HAProxy: which of its servers are up, asked of its stats socket every 50 ms on a kept connection.

It tells where HAProxy sends clients, and not whether the service works: that is what clients are for. Why a server is
down is in HAProxy's own log, which is recorded beside this.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

from chaos.clock import mono_ns
from chaos.observe.watch import REPLY_S, ObservedMember, Pace, PolledFact
from chaos.record.events import ProxyLost, ProxyServers, ServerEntry

SERVERS_S = 0.05
AGAIN_NS = 1_000_000_000
"""The servers are written again after this long without news, so that silence means a dead watch."""
ASK, PROMPT = b"show servers state\n", b"\n> "
RUNNING = {"1", "2"}
"""HAProxy's numbers for a server that gets connections: starting slowly, and running (management.txt 9.3)."""
COLUMNS = ("be_name", "srv_name", "srv_addr", "srv_port", "srv_op_state")


class ProxyObserver:
    """`polled` belongs to the member's name and outlives its pods: a change across a replacement has its interval."""

    def __init__(self, observed: ObservedMember, polled: PolledFact) -> None:
        self._observed = observed
        self._polled = polled
        self._sent_ns = mono_ns()
        self._written_ns = 0

    async def observe(self) -> None:
        """Poll until the connection ends. With `prompt` HAProxy keeps it open, and says where an answer ends."""
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
            with suppress(OSError):  # what ended the connection was raised by the call that met it
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
    """The servers of every backend, in HAProxy's order. Raises ConnectionError on any answer but a table of servers.

    The first line is the format's version, the second names the columns behind a `#`. The address of a server whose
    name is not found is `-`.
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
    """What HAProxy says before its next prompt. Raises OSError; TimeoutError when the prompt does not come in time."""
    writer.write(command)
    try:
        async with asyncio.timeout(REPLY_S):
            return (await reader.readuntil(PROMPT)).decode().removesuffix(PROMPT.decode()).strip("\n")
    except asyncio.IncompleteReadError:
        raise ConnectionResetError("closed by the other side") from None
