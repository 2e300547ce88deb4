"""One member as the local system holds it: what a pod is to Kubernetes, and says of itself in the same words."""

import os
import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from chaos.agent import reach
from chaos.clock import HOST
from chaos.cluster.local.logs import Log
from chaos.cluster.local.network import Space
from chaos.errors import FaultError
from chaos.model import Member, MemberKind
from chaos.pipe import Child
from chaos.record.events import Pod as PodSaid

NODE = "local"
"""The only one."""
Fields = dict[str, Any]


@dataclass(kw_only=True, slots=True, eq=False)
class Pod:
    """`uid` is of one life under its name, `container` of one start of its process. `role` is its label.

    Whoever ends its process says so before: `killed`, or `leaving` where it is not to be started again in place.
    Keeps `chaos.agent.faults.Target`.
    """

    name: str
    kind: MemberKind
    port: int
    space: Space
    role: str | None
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    container: str = ""
    restarts: int = 0
    started_at: str | None = None
    ready: bool = False
    deleting: bool = False
    gone: bool = False
    killed: bool = False
    leaving: bool = False
    log: Log | None = None
    process: Child | None = None

    @property
    def lives(self) -> bool:
        """Its process runs, paused or not."""
        return self.process is not None and self.process.lives

    @property
    def ip_port(self) -> tuple[str, int]:
        return self.space.address, self.port

    @property
    def id(self) -> str:
        return self.container

    def processes(self) -> list[int]:
        if self.process is None or not self.process.lives:
            raise FaultError(f"{self.name} has no process that runs")
        return reach.with_children(self.process.pid)

    def network(self) -> int:
        if self.space.file is None:
            raise FaultError(f"{self.name} has no network of its own that could be cut")
        return os.dup(self.space.file)

    def starts(self) -> None:
        """As of now, for another life of its process."""
        self.killed = False
        self.container = secrets.token_hex(32)
        self.started_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def event(self) -> PodSaid:
        """What the platform says of it, as Kubernetes would."""
        return PodSaid(
            name=self.name,
            uid=self.uid,
            component=self.kind.value,
            ip=self.space.address,
            node=NODE,
            phase="Running" if self.container else "Pending",
            ready=self.ready,
            role=self.role,
            container=self.container,
            restarts=self.restarts,
            started_at=self.started_at,
            deleting=self.deleting,
            gone=self.gone,
        )


def member_of(said: PodSaid, port: int) -> Member:
    """The member that a `pod` event speaks of. Only a Redis is numbered as a StatefulSet's pods are."""
    kind = MemberKind(said.component)
    return Member(
        name=said.name,
        kind=kind,
        address=said.ip or "",
        port=port,
        node=said.node or "",
        domain=HOST,
        uid=said.uid,
        container=said.container,
        ordinal=int(said.name.rpartition("-")[2]) if kind is MemberKind.REDIS else None,
    )
