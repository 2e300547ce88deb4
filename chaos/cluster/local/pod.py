"""One member of a local system, described as Kubernetes describes a pod; its network namespace; and its log."""

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
from chaos.clock import kubelet_stamp
from chaos.errors import FaultError
from chaos.linux import CLONE_NEWNET, die_with_parent, setns
from chaos.model import MemberKind
from chaos.pipe import Child
from chaos.record.events import Pod
from chaos.record.layout import kept

NODE = "local"
"""The name of the only node."""


@dataclass(frozen=True, slots=True)
class Space:
    """The network namespace and address of a member. `port` is the index of its port on the bridge.

    `file` is an open file that keeps the namespace alive. It is None if the member is at a loopback address in the
    machine's own namespace.
    """

    file: int | None
    address: str
    port: int

    def entering(self) -> Callable[[], None]:
        """Return what a child process calls before exec: it enters the namespace, and makes the child die with us. The
        kernel kills the child when the thread that started it ends, so only the nest's main thread may start children.
        """
        parent = os.getpid()

        def enter() -> None:
            die_with_parent()
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # beyond the file size limit write() fails instead
            if os.getppid() != parent:  # the parent ended before die_with_parent took effect
                os._exit(1)
            if self.file is not None:
                setns(self.file, CLONE_NEWNET)

        return enter


class Log:
    """A log file. Each line gets a time stamp in the kubelet's format, unless `stamped` is false.

    Lines get none if their writer has stamped them already, or if their time does not matter. The file is created by
    `open` or with the first line.
    """

    def __init__(self, path: Path, *, stamped: bool = True) -> None:
        self._path = path
        self._stamped = stamped
        self._file: BinaryIO | None = None

    def open(self) -> BinaryIO:
        """Return the open file. Create it if it does not exist."""
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
    """One member.

    `uid` changes when it is replaced, and `container` when its process is started again. `role` is its label.

    Whoever ends the process must set `killed` first, or `leaving` if it must not be started again in place. The pod
    implements `chaos.agent.changes.FaultTarget`.
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
        self.killed = True  # only a fault that kills the successors asks for them
        return [self.process.pid] if self.process is not None and self.process.lives and not self.gone else []

    def memory(self) -> Path | None:
        return None

    def network(self) -> int:
        if self.space.file is None:
            raise FaultError(f"{self.name} has no network of its own that could be cut")
        return os.dup(self.space.file)

    def starts(self) -> None:
        """Note that a new process is about to start, with a new container id."""
        self.killed = False
        self.container = secrets.token_hex(32)
        self.started_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def event(self) -> Pod:
        """Return the pod as a `pod` event, as the watch of Kubernetes would report it."""
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
