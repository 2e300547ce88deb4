"""The agent of the system in memory: it writes what a real one would, straight into the trial's directory."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from chaos.agent.orders import AUDIT, START, STOP, AgentSpec
from chaos.clock import AGENT, mono_ns
from chaos.errors import SetupError
from chaos.model import ErrorCode, MemberKind, Outcome
from chaos.record.event_files import EventWriter
from chaos.record.layout import AUDIT as AUDIT_FOLDER
from chaos.record.layout import EVENTS, OPS, Row
from chaos.record.ops_files import RowWriter, ops_header
from tests.fake_world import World
from tests.saying import event


class FakeAgent:
    """Scripts of its own, each from when the host has begun that step: `agent-dies-at-<step>`, by which it is gone, and
    `crowded-at-<step>` and `silent-at-<step>`, by which its clients' operations are late.
    """

    domain, address = AGENT, "10.0.0.9"

    def __init__(self, world: World, spec: AgentSpec) -> None:
        self.world = world
        self.spec = spec
        self.events = EventWriter(world.directory / EVENTS / "agent.jsonl", AGENT)
        self.load: asyncio.Task[None] | None = None
        self.runs = self.seq = 0
        self.applied: dict[int, list[int]] = defaultdict(list)
        self.gone = False
        self.left_out: list[int] = []
        world.agent = self.events
        world.say_roles()
        self._commands: dict[str, Callable[[dict[str, Any]], None]] = {
            START: self._start,
            STOP: self._stop,
            AUDIT: self._audit,
        }

    async def put(self, path: str, text: str) -> None:
        await self.pull()
        if path in self._commands:
            self._commands[path](json.loads(text))

    async def pull(self) -> None:
        if self.gone or self._does("agent-dies"):
            self.gone = True
            raise SetupError("the agent is gone")

    def _does(self, what: str) -> bool:
        begin, _, step = self.world.script.partition("-at-")
        host = self.world.directory / EVENTS / "host.jsonl"
        return begin == what and (not step or f'"name":"{step}","state":"begun"' in host.read_text())

    async def close(self) -> None:
        self.world.undone("agent closed")
        if self.load is not None:
            self.load.cancel()
        self.events.close()

    def _start(self, data: dict[str, Any]) -> None:
        if self.load is not None:
            self._stop({})
        name = f"meters-{self.runs}.rows" if self.runs else "meters.rows"
        header = ops_header(AGENT, [_client(one) for one in self.spec.clients])
        rows = RowWriter(self.world.directory / OPS / name, header)
        most = data["most"] or len(self.spec.clients)
        ways = [(one.path, one.connection) for one in self.spec.clients]
        self.left_out = [
            one.number for index, one in enumerate(self.spec.clients) if ways[:index].count(ways[index]) >= most
        ]
        self.load = asyncio.create_task(self._write(rows, data["deadline_s"]))
        self.events.write(event("clients.started", deadline_s=data["deadline_s"], left_out=self.left_out))
        self.runs += 1
        self._say_sane()

    def _stop(self, _data: dict[str, Any]) -> None:
        assert self.load is not None
        self.load.cancel()
        self.load = None
        self.events.write(event("clients.stopped", deadline_s=0.1))

    def _audit(self, data: dict[str, Any]) -> None:
        """Every key that was applied is there."""
        if self.world.script == "audit-hangs":
            return
        folder = self.world.directory / AUDIT_FOLDER
        folder.mkdir()
        for client in self.spec.clients:
            bits = sum(1 << seq for seq in self.applied[client.number])
            (folder / f"{client.number}.bits").write_bytes(bits.to_bytes(self.seq // 8 + 1, "little"))
        keys = sum(map(len, self.applied.values()))
        said = {"address": data["addresses"][0], "others": data["addresses"][1:]}
        self.events.write(event("audit", **said, run_id="run", keys=keys, present=keys, took_s=0.0, undecided=""))
        self._say_sane()

    def _say_sane(self) -> None:
        for name, member in self.world.members().items():
            if member.kind is MemberKind.REDIS:
                masters = [self.world.address(name)] if name == self.world.master else []
                self.events.write(event("sanity", member=name, evicted_keys=0, expired_keys=0, masters=masters))

    async def _write(self, rows: RowWriter, deadline_s: float) -> None:
        """20 operations a second and client; the path `given` never works."""
        try:
            while True:
                for client in (one for one in self.spec.clients if one.number not in self.left_out):
                    rows.put(self._row(client.number, client.path, self.seq, deadline_s))
                self.seq += 1
                self.events.write(event("hiccups", worst_ns=0, ticks=50))
                if self._does("crowded") or (self.world.script == "heavy" and not self.left_out):
                    self.events.write(event("hiccup", late_ns=60_000_000))
                await asyncio.sleep(0.05)
        finally:
            rows.close()

    def _row(self, client: int, path: str, seq: int, deadline_s: float) -> Row:
        outcome, error = Outcome.OK, ErrorCode.NONE
        if path == "given" or self.world.script == "nothing-works":
            outcome, error = Outcome.FAILED, ErrorCode.NAME_NOT_FOUND
        elif self._does("crowded") or self._does("silent"):
            outcome, error = Outcome.UNKNOWN, ErrorCode.REPLY_TIMEOUT
        elif not self.world.good:
            outcome, error = Outcome.FAILED, ErrorCode.REFUSED
        elif self.world.script == "slow" and deadline_s < 0.2 and seq % 5 == 0:
            outcome, error = Outcome.UNKNOWN, ErrorCode.REPLY_TIMEOUT
        if outcome is not Outcome.FAILED:
            self.applied[client].append(seq)
        return Row(client, 0, seq, mono_ns(), 10, 300, outcome, error, 0, 0, 0)


def _client(spec: Any) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in spec.__slots__}
