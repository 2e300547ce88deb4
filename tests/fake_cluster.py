"""A cluster in memory that keeps the protocol, its agent included: the whole pipeline runs on it in seconds.

`connect` is what a worker is given by `ref["module"]`; `ref["script"]` names how it misbehaves. Times are scaled down:
a failover takes half a second. What it does to undo itself is written to a file that tests read.
"""

import asyncio
import json
import os
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.agent.spec import AUDIT, START, STOP, AgentSpec
from chaos.client.bench import ops_header
from chaos.clock import AGENT, HOST, mono_ns
from chaos.cluster.base import Ability, Agent, Cut, Effect, Members, Stop, Versions
from chaos.errors import SetupError
from chaos.model import ErrorCode, Event, Member, MemberKind, Outcome
from chaos.progress import Message
from chaos.record.events import EventWriter
from chaos.record.layout import AUDIT as AUDIT_FOLDER
from chaos.record.layout import EVENTS, OPS, Row
from chaos.record.rows import RowWriter
from chaos.scenario import Scenario

SERVICE = "rfrm-redis-cluster"
PORT, SENTINEL_PORT = 6379, 26379
FAILOVER_S = 0.5
UNDONE = "undone.jsonl"
"""Where the fake says what was undone, one JSON string a line."""


@dataclass
class World:
    """The system itself: who is master, which members are out of reach, what was done to it."""

    scenario: Scenario
    directory: Path
    script: str
    master: str = "rfr-redis-cluster-0"
    out: set[str] = field(default_factory=set)
    cut: str = ""
    platform: "asyncio.Queue[Event]" = field(default_factory=asyncio.Queue)
    agent: EventWriter | None = None
    tasks: "set[asyncio.Task[None]]" = field(default_factory=set)

    def members(self) -> Members:
        redis = [_member(f"rfr-redis-cluster-{n}", MemberKind.REDIS, n) for n in range(3)]
        sentinels = [_member(f"rfs-redis-cluster-{n}", MemberKind.SENTINEL, n) for n in "abc"]
        return {one.name: one for one in [*redis, *sentinels, _member("redisoperator-0", MemberKind.OPERATOR, 0)]}

    def address(self, name: str) -> str:
        member = self.members()[name]
        return f"{member.address}:{member.port}"

    @property
    def good(self) -> bool:
        """Whether a write through the master's Service or through Sentinel succeeds."""
        return self.master not in self.out

    def undone(self, what: str) -> None:
        with (self.directory.parent / UNDONE).open("a") as out:
            out.write(json.dumps(what) + "\n")

    def say_platform(self) -> None:
        for name, member in self.members().items():
            if member.kind is not MemberKind.OPERATOR:
                self._put("pod", **_pod(member, role="master" if name == self.master else "slave"))
        endpoint = {"ip": self.members()[self.master].address, "pod": self.master, "ready": True}
        self._put("service", service=SERVICE, cluster_ip="10.96.0.1", selector={"redisfailovers-role": "master"})
        self._put("endpoints", service=SERVICE, endpoints=[endpoint])

    def say_roles(self) -> None:
        for name, member in self.members().items():
            if member.kind is MemberKind.REDIS:
                self._say_role(name)
            elif member.kind is MemberKind.SENTINEL:
                self._say_sentinel(name)

    def _say_role(self, name: str) -> None:
        assert self.agent is not None
        where: dict[str, Any] = {"member": name, "address": self.address(name)}
        if name in self.out:
            self.agent.write("role.lost", **where, error="refused")
        elif name == self.master:
            said: dict[str, Any] = {"role": "master", "master": None, "link": None}
            self.agent.write("role", **where, **said, run_id=f"run-{name}", syncing=False, offset=1)
        else:
            said = {"role": "slave", "master": self.address(self.master), "link": "up"}
            self.agent.write("role", **where, **said, run_id=f"run-{name}", syncing=False, offset=1)

    def _say_sentinel(self, name: str) -> None:
        assert self.agent is not None
        address = self.address(self.master)
        flags = "master,s_down" if self.script == "never-healthy" else "master"
        state: dict[str, Any] = {"flags": flags, "num_slaves": 2, "num_other_sentinels": 2, "quorum": 2}
        self.agent.write("sentinel.address", sentinel=name, address=address)
        self.agent.write("sentinel.state", sentinel=name, **state, address=address, replicas=[])

    async def fail_over(self, *, detected: bool = True) -> None:
        """What Sentinel says and does when its master is out, quickly."""
        assert self.agent is not None
        old, by = self.address(self.master), "rfs-redis-cluster-a"
        await asyncio.sleep(FAILOVER_S)
        new = "rfr-redis-cluster-1" if self.master != "rfr-redis-cluster-1" else "rfr-redis-cluster-2"
        spoken = f"master mymaster {old.replace(':', ' ')}"
        if detected:
            self._sentinel(by, "+sdown", spoken)
            self._sentinel(by, "+odown", f"{spoken} #quorum 2/2")
        self._sentinel(by, "+try-failover", spoken)
        self.master = new
        self.say_roles()
        self._sentinel(by, "+switch-master", f"mymaster {old} {self.address(new)}".replace(":", " "))
        self._sentinel(by, "+failover-end", spoken)
        self.say_platform()
        if not self.cut:
            self.out.clear()
            self.say_roles()

    def begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _sentinel(self, by: str, channel: str, payload: str) -> None:
        assert self.agent is not None
        self.agent.write("sentinel.event", sentinel=by, channel=channel, payload=payload)

    def _put(self, kind: str, **fields: Any) -> None:
        self.platform.put_nowait(Event(kind=kind, domain=HOST, at_ns=mono_ns(), fields=fields))


class FakeCluster:
    name, kind = "in memory", "fake"

    def __init__(self, world: World) -> None:
        self.world = world
        self.can = frozenset(Ability) - ({Ability.CUT} if world.script == "cannot-cut" else set())

    async def members(self) -> Members:
        return self.world.members()

    async def stop(self, member: Member, how: Stop) -> Effect:
        before = mono_ns()
        self.world.out.add(member.name)
        self.world.say_roles()
        if self.world.script == "fault-hangs":
            await asyncio.Event().wait()
        if self.world.script != "no-failover":
            self.world.begin(self.world.fail_over(detected=how is not Stop.DELETE))
        proved = self.world.script != "unproved"
        return _effect(before, proved, f"{member.name} is gone" if proved else "it still runs")

    async def resume(self, member: Member) -> None:
        self.world.out.discard(member.name)

    async def cut(self, cut: Cut) -> Effect:
        before = mono_ns()
        self.world.cut = cut.member.name
        self.world.out.add(cut.member.name)
        self.world.begin(self.world.fail_over())
        return _effect(before, True, f"{cut.member.name} is cut off from {len(cut.peers)} peers")

    async def heal(self) -> None:
        if self.world.script == "heal-fails":
            raise SetupError("the node helper does not answer")
        self.world.undone("heal")
        if self.world.cut:
            self.world.undone(f"cut of {self.world.cut}")
            self.world.out.discard(self.world.cut)
            self.world.cut = ""
            self.world.say_roles()

    async def events(self) -> AsyncIterator[Event]:
        self.world.say_platform()
        while True:
            yield await self.world.platform.get()
            if self.world.script == "platform-breaks":
                raise SetupError("the API server answers no more")

    async def launch(self, spec: AgentSpec) -> Agent:
        return FakeAgent(self.world, spec)


class FakeAgent:
    """Writes what a real one would, straight into the trial's directory."""

    domain = AGENT

    def __init__(self, world: World, spec: AgentSpec) -> None:
        self.world = world
        self.spec = spec
        self.events = EventWriter(world.directory / EVENTS / "agent.jsonl", AGENT)
        self.load: asyncio.Task[None] | None = None
        self.runs = self.seq = 0
        self.applied: dict[int, list[int]] = defaultdict(list)
        self.gone = False
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
        if self.gone or self._dies_now():
            self.gone = True
            raise SetupError("the agent is gone")

    def _dies_now(self) -> bool:
        """`agent-dies-at-<step>`: once the host has begun that step, or a fault was applied for `experiment`."""
        begin, _, step = self.world.script.partition("-at-")
        if begin != "agent-dies":
            return False
        if step == "experiment":
            return bool(self.world.out)
        return f'"name":"{step}","state":"begun"' in (self.world.directory / EVENTS / "host.jsonl").read_text()

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
        self.load = asyncio.create_task(self._write(rows, data["deadline_s"]))
        self.events.write("clients.started", deadline_s=data["deadline_s"])
        self.runs += 1
        self._say_sane()

    def _stop(self, _data: dict[str, Any]) -> None:
        assert self.load is not None
        self.load.cancel()
        self.load = None
        self.events.write("clients.stopped", deadline_s=0.1)

    def _audit(self, data: dict[str, Any]) -> None:
        """Every key that was applied is there."""
        folder = self.world.directory / AUDIT_FOLDER
        folder.mkdir()
        for client in self.spec.clients:
            bits = sum(1 << seq for seq in self.applied[client.number])
            (folder / f"{client.number}.bits").write_bytes(bits.to_bytes(self.seq // 8 + 1, "little"))
        keys = sum(map(len, self.applied.values()))
        self.events.write("audit", **data, run_id="run", keys=keys, present=keys, took_s=0.0, undecided="")
        self._say_sane()

    def _say_sane(self) -> None:
        for name, member in self.world.members().items():
            if member.kind is MemberKind.REDIS:
                masters = [self.world.address(name)] if name == self.world.master else []
                self.events.write("sanity", member=name, evicted_keys=0, expired_keys=0, masters=masters)

    async def _write(self, rows: RowWriter, deadline_s: float) -> None:
        """20 operations a second and client; the path `given` never works."""
        try:
            while True:
                for client in self.spec.clients:
                    rows.put(self._row(client.number, client.path, self.seq, deadline_s))
                self.seq += 1
                self.events.write("hiccups", worst_ns=0, ticks=50)
                await asyncio.sleep(0.05)
        finally:
            rows.close()

    def _row(self, client: int, path: str, seq: int, deadline_s: float) -> Row:
        outcome, error = Outcome.OK, ErrorCode.NONE
        if path == "given" or self.world.script == "nothing-works":
            outcome, error = Outcome.FAILED, ErrorCode.NAME_NOT_FOUND
        elif not self.world.good:
            outcome, error = Outcome.FAILED, ErrorCode.REFUSED
        elif self.world.script == "slow" and deadline_s < 0.2 and seq % 5 == 0:
            outcome, error = Outcome.UNKNOWN, ErrorCode.REPLY_TIMEOUT
        if outcome is not Outcome.FAILED:
            self.applied[client].append(seq)
        return Row(client, 0, seq, mono_ns(), 10, 300, outcome, error, 0, 0, 0)


class FakePlatform:
    """`script` goes to the cluster of every trial; what the campaign asked of the platform is in `asked`."""

    kind, name = "fake", "in memory"

    def __init__(self, script: str) -> None:
        self.script = script
        self.asked: list[str] = []

    async def __aenter__(self) -> "FakePlatform":
        self.asked.append("up")
        if self.script == "up-hangs":
            await asyncio.Event().wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.asked.append("down")

    async def deploy(self, *, fresh: bool = False) -> None:
        self.asked.append("deploy fresh" if fresh else "deploy")
        if fresh and self.script == "healthy-when-fresh":
            self.script = ""

    def ref(self) -> dict[str, str]:
        script = "never-healthy" if self.script == "healthy-when-fresh" else self.script
        return {"module": "tests.fake_cluster", "script": script}

    def versions(self) -> Versions:
        return Versions(platform={"fake": "1"})


made: list[FakePlatform] = []
"""Every platform that a campaign had made in this process, the newest last."""


def platform(_scenario: Scenario, _folder: Path, *, keep: bool, say: Callable[[Message], None]) -> FakePlatform:
    """Its script is taken from the environment, as the options have no place for one."""
    made.append(FakePlatform(os.environ.get("FAKE_SCRIPT", "")))
    return made[-1]


@asynccontextmanager
async def connect(ref: dict[str, str], scenario: Scenario, directory: Path) -> AsyncIterator[FakeCluster]:
    world = World(scenario, directory, ref["script"])
    if world.script == "worker-dies":
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        yield FakeCluster(world)
    finally:
        for task in tuple(world.tasks):
            task.cancel()
        world.undone("disconnected")


def _member(name: str, kind: MemberKind, last: int | str) -> Member:
    number = last if isinstance(last, int) else "abc".index(last)
    subnet = {MemberKind.REDIS: 1, MemberKind.SENTINEL: 2, MemberKind.OPERATOR: 3}[kind]
    return Member(
        name=name,
        kind=kind,
        address=f"10.0.{subnet}.{number}",
        port=SENTINEL_PORT if kind is MemberKind.SENTINEL else PORT,
        node="fake",
        domain=HOST,
        uid=f"uid-{name}",
        container=f"container-{name}",
        ordinal=number if kind is MemberKind.REDIS else None,
    )


def _pod(member: Member, role: str) -> dict[str, Any]:
    state = {"phase": "Running", "ready": True, "role": role if member.kind is MemberKind.REDIS else ""}
    return {"name": member.name, "uid": member.uid, "component": str(member.kind), "ip": member.address, **state}


def _client(spec: Any) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in spec.__slots__}


def _effect(before: int, proved: bool, evidence: str) -> Effect:
    now = mono_ns()
    return Effect(
        domain=HOST,
        earliest_ns=before,
        latest_ns=now,
        accepted_ns=now,
        confirmed_ns=mono_ns() if proved else None,
        evidence=evidence,
    )
