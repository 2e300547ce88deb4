"""A system in memory: who is master, who is out of reach, and what it says of itself when that changes.

Times are scaled down: a failover takes half a second. What is undone is written to a file that tests read.
"""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.clock import HOST, mono_ns
from chaos.cluster.base import Disturbance, Members
from chaos.model import Member, MemberKind
from chaos.record.event_files import EventWriter
from chaos.record.events import Event, Stamped
from tests.saying import event, stamped

SERVICE = "rfrm-redis-cluster"
PORT, SENTINEL_PORT = 6379, 26379
FAILOVER_S = 0.5
UNDONE = "undone.jsonl"
"""Where the system in memory says what was undone, one JSON string a line."""


@dataclass
class World:
    """The system itself: who is master, which members are out of reach, what was done to it."""

    directory: Path
    script: str
    master: str = "rfr-redis-cluster-0"
    out: set[str] = field(default_factory=set)
    cut: str = ""
    disturbed: list[Disturbance] = field(default_factory=list)
    kept: list[list[str]] = field(default_factory=list)
    platform: "asyncio.Queue[Stamped[Event]]" = field(default_factory=asyncio.Queue)
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
        if self.script == "mute":
            self.out.add("rfr-redis-cluster-1")
        for name, member in self.members().items():
            if member.kind is MemberKind.REDIS:
                self._say_role(name)
            elif member.kind is MemberKind.SENTINEL:
                self._say_sentinel(name)

    def _say_role(self, name: str) -> None:
        assert self.agent is not None
        if self.script == "no-settings":
            self.agent.write(event("settings", member=name, component="redis", settings={}))
        where: dict[str, Any] = {"member": name, "address": self.address(name)}
        if name in self.out:
            self.agent.write(event("role.lost", **where, error="refused"))
        elif name == self.master:
            said: dict[str, Any] = {"role": "master", "master": None, "link": None}
            self.agent.write(event("role", **where, **said, run_id=f"run-{name}", syncing=False, offset=1))
        else:
            said = {"role": "slave", "master": self.address(self.master), "link": "up"}
            self.agent.write(event("role", **where, **said, run_id=f"run-{name}", syncing=False, offset=1))

    def _say_sentinel(self, name: str) -> None:
        assert self.agent is not None
        address = self.address(self.master)
        flags = "master,s_down" if self.script == "never-healthy" else "master"
        state: dict[str, Any] = {"flags": flags, "num_slaves": 2, "num_other_sentinels": 2, "quorum": 2}
        self.agent.write(event("sentinel.address", sentinel=name, address=address))
        replicas = [
            {"address": one.ip_port, "flags": "slave", "master": address}
            for one in self.members().values()
            if one.kind is MemberKind.REDIS and one.name != self.master
        ]
        self.agent.write(event("sentinel.state", sentinel=name, **state, address=address, replicas=replicas))

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
        self.agent.write(event("sentinel.event", sentinel=by, channel=channel, payload=payload))

    def _put(self, kind: str, **fields: Any) -> None:
        self.platform.put_nowait(stamped(kind, HOST, mono_ns(), **fields))


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
