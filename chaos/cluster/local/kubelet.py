"""Start, restart, remove and replace the members of a local system, as a kubelet and a StatefulSet do.

Every change becomes a `pod` event. Faults are decided elsewhere: whoever ends a member's process first sets the flags
of its pod, which say whether the process is started again.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from chaos.access import Accesses
from chaos.clock import HOST, mono_ns
from chaos.cluster.local.config import Recipes
from chaos.cluster.local.controller import named_by, newest
from chaos.cluster.local.network import Addresses
from chaos.cluster.local.platform import Plan
from chaos.cluster.local.pod import LocalPod, Log, Space
from chaos.errors import SetupError
from chaos.model import MemberKind
from chaos.pipe import Child, Program
from chaos.record.events import Event, LogClosed, LogOpened, Stamped
from chaos.record.layout import LOGS
from chaos.resp import Resp
from chaos.scenario.places import CONTROLLER, PROXY

AGAIN_S, REPLY_S = 0.5, 1.0
"""How often a Redis that asks Sentinel before it starts repeats the question, and how long it waits for an answer."""
THIRD = {MemberKind.REDIS: 1, MemberKind.SENTINEL: 2, MemberKind.OPERATOR: 3, MemberKind.PROXY: 5}
"""The third byte of the addresses of each kind of member. In network namespaces, the first Redis has 10.93.1.1."""
MASTER, SLAVE = "master", "slave"
"""The values of the master label."""


class Holder(Protocol):
    """What the kubelet needs of the nest, the process that runs the system."""

    def say(self, stamped: Stamped[Event]) -> None: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> object:
        """Run a coroutine as a task. If it fails, the nest fails."""

    def fail(self, error: BaseException) -> None: ...


class Net(Protocol):
    """The network of a system. It gives each member an address that begins with `members`."""

    @property
    def members(self) -> str: ...

    def space(self, address: str) -> Space: ...

    def remove(self, space: Space) -> None: ...


class Kubelet:
    """The kubelet of a local system.

    `pods` maps names to pods. A pod whose process is down is in it; a removed one is not. `listeners` are called after
    each change of a pod. `hears` is called with each line that the controller writes. While the controller is `cut_off`
    from the API server it is told nothing, and its lines are kept until later; `held_back` counts the messages of both
    directions.
    """

    def __init__(self, plan: Plan, network: Net, recipes: Recipes, nest: Holder) -> None:
        self.pods: dict[str, LocalPod] = {}
        self.listeners: list[Callable[[LocalPod], None]] = []
        self.hears: Callable[[bytes], object] = lambda _line: None
        self.up = self._leaving = False
        self.cut_off, self.held_back = False, 0
        self._late: list[bytes] = []
        self._local = plan.system.on_local
        self._system = plan.system
        self._logs = plan.directory / LOGS
        self._first = plan.first
        self._network = network
        self._recipes = recipes
        self._nest = nest
        self._addresses = {kind: Addresses(network.members, third) for kind, third in THIRD.items()}

    def of(self, kind: MemberKind) -> list[LocalPod]:
        return [pod for pod in self.pods.values() if pod.kind is kind]

    def processes(self) -> list[tuple[str, int]]:
        """Return the name and pid of every running member."""
        found = [(pod.name, pod.process) for pod in self.pods.values()]
        return [(name, process.pid) for name, process in found if process is not None and process.lives]

    def master(self) -> LocalPod | None:
        """Return the pod with the master label, or None. The label may be out of date."""
        return next((pod for pod in self.pods.values() if pod.role == MASTER), None)

    def start(self) -> None:
        """Start every server. The first Redis is the master and has the master label."""
        first: tuple[str, int] | None = None
        for kind, name in self._names():
            role = self._label(kind, MASTER if first is None else SLAVE)
            pod = self._create(kind, name, role, self._addresses[kind].next())
            self._recipes.first(pod, first)
            first = first or pod.ip_port
            self._run(pod)

    def start_controller(self) -> None:
        """Start the controller. Call it once the members run."""
        kind = MemberKind.OPERATOR
        pod = self._create(kind, CONTROLLER, None, self._addresses[kind].next())
        self._recipes.first(pod, None)
        self._run(pod)

    def cut_controller_off(self) -> None:
        """Hold back all messages between the controller and the API server, a list of all pods first."""
        self.cut_off, self.held_back = True, 0
        self._show()

    def join_controller(self) -> None:
        """End the cut. The lines that the controller wrote meanwhile take effect now, as if it had tried again."""
        if self.cut_off:
            self.cut_off, late = False, self._late
            self._late = []
            for line in late:
                self.hears(line)
            self._show()

    def _show(self) -> None:
        for pod in self.of(MemberKind.OPERATOR):
            for listener in self.listeners:
                listener(pod)

    def _controls(self, line: bytes) -> None:
        if self.cut_off:
            self.held_back += 1
            self._late.append(line)
        else:
            self.hears(line)

    def all_ready(self) -> None:
        """Make every pod ready. This ends the first start of the system, in which pods do not wait `ready` seconds."""
        self.up = True
        for pod in self.pods.values():
            pod.ready = True
        for pod in self.pods.values():
            self.changed(pod)

    def label(self, name: str, role: str) -> None:
        """Set the label of a pod. Do nothing if the pod is gone."""
        pod = self.pods.get(name)
        if pod is not None and pod.role != role:
            pod.role = role
            self.changed(pod)

    def changed(self, pod: LocalPod) -> None:
        self._nest.say(Stamped(event=pod.event(), domain=HOST, at_ns=mono_ns()))
        for listener in self.listeners:
            listener(pod)

    def take_away(self, pod: LocalPod) -> None:
        """Remove a pod whose process has ended or is about to end. A new pod of the same name replaces it later."""
        pod.gone, pod.leaving, pod.ready, pod.started_at = True, True, False, None
        del self.pods[pod.name]
        self.changed(pod)
        self._network.remove(pod.space)
        self._log_event(LogClosed, pod)
        if pod.log is not None:
            pod.log.close()
        asyncio.get_running_loop().call_later(self._local.replace.after, self._replace, pod)

    async def leave(self) -> None:
        """End every process. None is started again."""
        self._leaving = True
        processes = [pod.process for pod in self.pods.values() if pod.process is not None]
        for pod in self.pods.values():
            pod.leaving = True
        for process in processes:
            process.kill()
        await asyncio.gather(*(process.over.wait() for process in processes))

    def _replace(self, old: LocalPod) -> None:
        if self._leaving:
            return
        kept = self._local.replace.address == "kept"
        address = old.space.address if kept else self._addresses[old.kind].next()
        pod = self._create(old.kind, old.name, self._label(old.kind, SLAVE), address)
        self._recipes.replaced(pod, (self.master() or self.of(MemberKind.REDIS)[0]).ip_port)
        self._start_again(pod)

    def _names(self) -> Iterator[tuple[MemberKind, str]]:
        members = self._system.replicas + 1
        for number in range(members):
            yield MemberKind.REDIS, f"{self._local.redis}-{(self._first + number) % members}"
        for number in range(self._system.sentinels):
            yield MemberKind.SENTINEL, f"{self._local.sentinel.name}-{number}"
        if self._system.proxy is not None:
            yield MemberKind.PROXY, PROXY

    def _label(self, kind: MemberKind, role: str) -> str | None:
        """Return the label of a new pod, or None if the system has no master label."""
        return role if kind is MemberKind.REDIS and self._system.master_label is not None else None

    def _create(self, kind: MemberKind, name: str, role: str | None, address: str) -> LocalPod:
        redis = self._local.port
        ports = {MemberKind.REDIS: redis, MemberKind.PROXY: redis, MemberKind.SENTINEL: self._local.sentinel.port}
        space = self._network.space(address)
        pod = self.pods[name] = LocalPod(name=name, kind=kind, port=ports.get(kind, 0), space=space, role=role)
        pod.log = Log(self.log_of(pod), stamped=kind is not MemberKind.OPERATOR)
        pod.log.open()
        self._log_event(LogOpened, pod)
        return pod

    def _run(self, pod: LocalPod) -> None:
        pod.starts()
        program = self._program(pod)
        pod.process = Child(program, partial(self._ended, pod))
        if self.up and not self._local.ready:
            pod.ready = True
        elif self.up:
            asyncio.get_running_loop().call_later(self._local.ready, self._ready, pod, pod.container)
        self.changed(pod)

    def _program(self, pod: LocalPod) -> Program:
        """Return how to start the pod's process. Its log is standard output, or standard error of the controller."""
        assert pod.log is not None
        controls, write = pod.kind is MemberKind.OPERATOR, pod.log.write
        return Program(
            command=self._recipes.command(pod),
            directory=self._recipes.data(pod),
            out=self._controls if controls else write,
            error=write if controls else None,
            merged=not controls,
            before=pod.space.entering(),
        )

    def _ready(self, pod: LocalPod, container: str) -> None:
        """Make a pod ready, unless its process was started again meanwhile."""
        if pod.container == container and pod.lives and not pod.leaving:
            pod.ready = True
            self.changed(pod)

    def _ended(self, pod: LocalPod, process: Child) -> None:
        pod.ready, pod.started_at = False, None
        if pod.leaving:
            return
        if not self.up or (pod.kind is MemberKind.OPERATOR and not pod.killed):
            self._nest.fail(SetupError(f"{pod.name} ended by itself with {process.how}: {process.said}"))
            return
        self.changed(pod)
        asyncio.get_running_loop().call_later(self._local.restart, self._restart, pod)

    def _restart(self, pod: LocalPod) -> None:
        """Start a pod's process again in place, unless the pod is being removed."""
        if not pod.leaving:
            pod.restarts += 1
            self._recipes.restarted(pod)
            self._start_again(pod)

    def _start_again(self, pod: LocalPod) -> None:
        if self._local.asks_sentinel and pod.kind is MemberKind.REDIS:
            self._nest.spawn(self._run_once_told(pod))
        else:
            self._run(pod)

    async def _run_once_told(self, pod: LocalPod) -> None:
        """Start a Redis once Sentinel has named its master. Until then its pod has an address and no process."""
        self.changed(pod)
        sentinels = [one.ip_port for one in self.of(MemberKind.SENTINEL)]
        master = await master_for(pod.ip_port, sentinels, self._local.sentinel.master)
        if not pod.leaving:
            self._recipes.told(pod, None if master == pod.ip_port else master)
            self._run(pod)

    def log_of(self, pod: LocalPod) -> Path:
        """Return the log file of a pod's process."""
        return self._logs / _log_name(pod)

    def _log_event(self, kind: type[LogOpened | LogClosed], pod: LocalPod) -> None:
        said = kind(file=_log_name(pod), component=pod.kind.value, pod=pod.name, uid=pod.uid, container=pod.kind.value)
        self._nest.say(Stamped(event=said, domain=HOST, at_ns=mono_ns()))


def _log_name(pod: LocalPod) -> str:
    return f"{pod.kind}-{pod.name}-{pod.uid[:8]}.log"


async def master_for(own: tuple[str, int], sentinels: Sequence[tuple[str, int]], name: str) -> tuple[str, int]:
    """Return the master that a Redis at address `own` should follow, as the scripts of scenarios/statefulset choose it.

    This is the master that Sentinel names, once it answers ROLE as a master; or `own`, if Sentinel still names that.
    The Redis's own file may be out of date: a former master would start as a second master until Sentinel makes it a
    replica, and at a new address Sentinel would never find it. There is no time limit, as in those scripts, because a
    Redis that follows an address without a server would stay wrong.
    """
    while True:
        master = newest([await named_by(one, name) for one in sentinels])
        if master is not None and (master == own or await _is_master(master)):
            return master
        await asyncio.sleep(AGAIN_S)


async def _is_master(address: tuple[str, int]) -> bool:
    try:
        async with Resp.connect(*address, REPLY_S, Accesses.from_environment().redis) as connection:
            role = await connection.call("ROLE")
    except OSError:
        return False
    return isinstance(role, list) and role[0] == "master"
