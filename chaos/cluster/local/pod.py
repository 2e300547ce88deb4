"""One member as the local system holds it, described as Kubernetes describes a pod; where it is, and its log."""

import os
import secrets
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from chaos.agent import reach
from chaos.clock import HOST, kubelet_stamp
from chaos.errors import FaultError
from chaos.linux import CLONE_NEWNET, die_with_parent, setns
from chaos.model import Member, MemberKind
from chaos.pipe import Child
from chaos.record.events import Pod
from chaos.record.layout import kept

NODE = "local"
"""The name of the only node."""


@dataclass(frozen=True, slots=True)
class Space:
    """Where a member is: a network namespace and its address. `port` is the index of its port on the bridge.

    `file` is an open file that keeps the namespace. It is None if the member is in the machine's own namespace, at an
    address of loopback.
    """

    file: int | None
    address: str
    port: int

    def entering(self) -> Callable[[], None]:
        """What a child calls before it becomes its program: it moves into the namespace, and dies with its parent.

        The kernel kills it when the thread that started it ends, so only the nest's main thread may start one.
        """
        parent = os.getpid()

        def enter() -> None:
            die_with_parent()
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that may not grow is an error to write to, no end
            if os.getppid() != parent:  # which ended before the kernel was told
                os._exit(1)
            if self.file is not None:
                setns(self.file, CLONE_NEWNET)

        return enter


class Log:
    """A file of log lines, each stamped as the kubelet stamps it. It is made when it is opened or with its first line.

    Lines are not `stamped` if their writer has stamped them, or if nobody places them in time.
    """

    def __init__(self, path: Path, *, stamped: bool = True) -> None:
        self._path = path
        self._stamped = stamped
        self._file: BinaryIO | None = None

    def open(self) -> BinaryIO:
        """Return the open file, which is made if it is not there yet."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab", buffering=0)
        return self._file

    def write(self, line: bytes) -> None:
        with kept(self._path):
            self.open().write((kubelet_stamp().encode() + b" " if self._stamped else b"") + line + b"\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


@dataclass(kw_only=True, slots=True, eq=False)
class LocalPod:
    """One member. `uid` is new when it is replaced, `container` when its process starts again. `role` is its label.

    Whoever ends its process sets `killed` before, or `leaving` if it is not to be started again in place. The pod is a
    `chaos.agent.faults.FaultTarget`.
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
        """Whether its process runs, paused or not."""
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

    def successors(self) -> list[int]:
        self.killed = True  # whoever asks is about to end it
        return [self.process.pid] if self.process is not None and self.process.lives and not self.gone else []

    def memory(self) -> Path | None:
        return None

    def network(self) -> int:
        if self.space.file is None:
            raise FaultError(f"{self.name} has no network of its own that could be cut")
        return os.dup(self.space.file)

    def starts(self) -> None:
        """Begin another life of its process now."""
        self.killed = False
        self.container = secrets.token_hex(32)
        self.started_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def event(self) -> Pod:
        """Return the pod as an event, as the watch of Kubernetes would say it."""
        return Pod(
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


def member_of(said: Pod, port: int) -> Member:
    """Return the member that a `pod` event speaks of. Only a Redis is numbered as a StatefulSet's pods are."""
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
