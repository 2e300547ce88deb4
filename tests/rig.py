"""A small real system on loopback: one master, two replicas, three Sentinels, as processes of this test run.

For tests that need the real thing and nothing more: no namespaces, no root, no Kubernetes. Members are named as the
operator names its pods. Everything is blocking: call it from a fixture, or by `asyncio.to_thread`.
"""

import itertools
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hiredis

from chaos.clock import node_domain
from chaos.model import Member, MemberKind

LOOPBACK = "127.0.0.1"
NODE = "loopback"
MASTER_NAME = "mymaster"
REDIS = ("rfr-redis-cluster-0", "rfr-redis-cluster-1", "rfr-redis-cluster-2")
SENTINELS = ("rfs-redis-cluster-a", "rfs-redis-cluster-b", "rfs-redis-cluster-c")
ASKED = ("MASTER", "REPLICAS")
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PORTS = range(12_000 + 1_000 * WORKER, 13_000 + 1_000 * WORKER)
"""Of this test worker alone, and below those that the kernel lends for outgoing connections (32768 and above)."""
_turns = itertools.count(random.randrange(len(PORTS)))


@dataclass
class Process:
    """One server: the command that starts it, the process that runs now, and how often its pod was replaced."""

    name: str
    kind: MemberKind
    port: int
    command: list[str]
    log: Path
    popen: subprocess.Popen[bytes]
    generation: int = 0

    def member(self) -> Member:
        return Member(
            name=self.name,
            kind=self.kind,
            address=LOOPBACK,
            port=self.port,
            node=NODE,
            domain=node_domain(NODE),
            uid=f"{self.name}/{self.generation}",
            container=str(self.popen.pid),
            ordinal=int(self.name[-1]) if self.kind is MemberKind.REDIS else None,
        )


@dataclass
class Rig:
    """`master_port` is where the first master listens; ask `master()` who it is now."""

    directory: Path
    program: str = "redis-server"
    down_after_ms: int = 2000
    failover_timeout_ms: int = 3000
    processes: dict[str, Process] = field(default_factory=dict)

    # Who is there.

    def members(self) -> list[Member]:
        return [process.member() for process in self.processes.values()]

    def member(self, name: str) -> Member:
        return self.processes[name].member()

    def pid(self, name: str) -> int:
        return self.processes[name].popen.pid

    def log(self, name: str) -> str:
        return self.processes[name].log.read_text()

    def call(self, name: str, *command: str | int) -> Any:
        """One command to one member, on a connection of its own; an error reply is returned as a value."""
        return call(self.processes[name].port, *command)

    def master(self, sentinel: str = SENTINELS[0]) -> str:
        """The name of the master as this Sentinel gives it."""
        _, port = self.call(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME)
        return next(p.name for p in self.processes.values() if p.port == int(port))

    # What is done to it.

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until the process is gone and its port refuses."""
        popen = self.processes[name].popen
        popen.kill()
        popen.wait(timeout=60)

    def pause(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGSTOP)

    def resume(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGCONT)

    def restart(self, name: str) -> None:
        """Start a killed member again under its old address, as a container restarted in place."""
        process = self.processes[name]
        assert process.popen.poll() is not None, f"{name} still runs"
        process.popen = launch(process.command, process.log)
        wait_for(lambda: call(process.port, "PING") == "PONG", f"{name} answers again")

    def replace(self, name: str, master: str) -> None:
        """Kill a Redis where it still runs, and start it anew under another address, as a replaced pod."""
        old = self.processes[name]
        if old.popen.poll() is None:
            self.kill(name)
        self._start_redis(name, master_port=self.processes[master].port, generation=old.generation + 1)

    def close(self) -> None:
        """End what still runs, stopped processes too, each by its own pid."""
        for process in self.processes.values():
            process.popen.kill()
        for process in self.processes.values():
            process.popen.wait(timeout=60)

    # How it comes up.

    def assemble(self) -> None:
        """Start all and return once every Sentinel knows two replicas in sync and two other Sentinels."""
        self._start_redis(REDIS[0])
        first = self.processes[REDIS[0]].port
        for name in REDIS[1:]:
            self._start_redis(name, master_port=first)
        wait_for(self._replicas_in_sync, "two replicas in sync")
        for name in SENTINELS:
            self._start_sentinel(name, first)
        self._introduce(first)
        wait_for(self._sentinels_complete, "three Sentinels that know each other and both replicas")

    def _start_redis(self, name: str, *, master_port: int | None = None, generation: int = 0) -> None:
        port = free_port()
        data = self.directory / f"{name}-{generation}"
        data.mkdir()
        command = [self.program, "--port", str(port), "--bind", LOOPBACK, "--dir", str(data), "--save", ""]
        command += ["--repl-diskless-sync-delay", "0"]
        if master_port:
            command += ["--replicaof", LOOPBACK, str(master_port)]
        self._start(name, MemberKind.REDIS, port, command, generation)

    def _start_sentinel(self, name: str, master_port: int) -> None:
        port = free_port()
        config = self.directory / f"{name}.conf"
        config.write_text(
            f"port {port}\nbind {LOOPBACK}\ndir {self.directory}\n"
            f"sentinel monitor {MASTER_NAME} {LOOPBACK} {master_port} 2\n"
            f"sentinel down-after-milliseconds {MASTER_NAME} {self.down_after_ms}\n"
            f"sentinel failover-timeout {MASTER_NAME} {self.failover_timeout_ms}\n"
            f"sentinel parallel-syncs {MASTER_NAME} 2\n"
        )
        self._start(name, MemberKind.SENTINEL, port, [self.program, str(config), "--sentinel"])

    def _start(self, name: str, kind: MemberKind, port: int, command: list[str], generation: int = 0) -> None:
        log = self.directory / f"{name}-{generation}.log"
        popen = launch(command, log)
        self.processes[name] = Process(name, kind, port, command, log, popen, generation)
        wait_for(lambda: call(port, "PING") == "PONG", f"{name} answers; see {log}")

    def _introduce(self, master_port: int) -> None:
        """Hand each Sentinel the hello of the others: by themselves they say it every two seconds."""
        for name in SENTINELS:
            who = f"{LOOPBACK},{self.processes[name].port},{self.call(name, 'SENTINEL', 'MYID')},0"
            hello = f"{who},{MASTER_NAME},{LOOPBACK},{master_port},0"
            for other in SENTINELS:
                if other != name:
                    self.call(other, "PUBLISH", "__sentinel__:hello", hello)

    def _replicas_in_sync(self) -> bool:
        return all(self.call(name, "ROLE")[3] == "connected" for name in REDIS[1:])

    def _sentinels_complete(self) -> bool:
        return all(complete(*(self.call(name, "SENTINEL", ask, MASTER_NAME) for ask in ASKED)) for name in SENTINELS)


def complete(master: list[str], replicas: list[list[str]]) -> bool:
    state = fields(master)
    known = (state["flags"], state["num-slaves"], state["num-other-sentinels"]) == ("master", "2", "2")
    return known and all(fields(replica)["flags"] == "slave" for replica in replicas)


def fields(reply: list[str]) -> dict[str, str]:
    return dict(zip(reply[::2], reply[1::2], strict=True))


def launch(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)


def call(port: int, *command: str | int) -> Any:
    """The reply of one command, or None while nobody answers at this port."""
    reader = hiredis.Reader(encoding="utf-8")
    words: Any = tuple(str(word) for word in command)
    try:
        with socket.create_connection((LOOPBACK, port), timeout=60) as connection:
            connection.sendall(hiredis.pack_command(words))
            while (reply := reader.gets()) is False:
                data = connection.recv(65536)
                if not data:
                    return None
                reader.feed(data)
            return reply
    except (ConnectionRefusedError, ConnectionResetError):
        return None


def free_port() -> int:
    """A port at which nobody listens. Nobody else takes it before the test's own server does, or at all."""
    for turn in itertools.islice(_turns, len(PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, PORTS[turn % len(PORTS)]))
            return PORTS[turn % len(PORTS)]
    raise AssertionError(f"every port of {PORTS} is taken")


def wait_for(condition: Callable[[], bool], because: str, within_s: float = 60.0) -> None:
    """The blocking twin of chaos.until, for a rig that is built outside of any event loop.

    It waits for a minute: a Sentinel that had to wait two seconds for a core is in TILT for 30 s.
    """
    limit = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < limit, f"gave up after {within_s:g} s: {because}"
        time.sleep(0.02)


@contextmanager
def running(directory: Path, *, program: str = "redis-server", down_after_ms: int = 2000) -> Iterator[Rig]:
    """A rig that is healthy on entry and gone on exit, whatever happens between."""
    rig = Rig(directory, program, down_after_ms)
    try:
        rig.assemble()
        yield rig
    finally:
        rig.close()
