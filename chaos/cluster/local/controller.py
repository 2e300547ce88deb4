"""The controller of a local system: the process that moves the master label, as an operator does.

It is a separate process, so that it can be killed and cut off. `python -m chaos.operators` runs it. This module has
what every operator needs, and the two modes that only ask Sentinel.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal, Self, TextIO

from hiredis import ReplyError

from chaos.access import Accesses
from chaos.clock import kubelet_stamp
from chaos.observe.watch import Pace, pairs
from chaos.resp import Resp

Address = tuple[str, int]
Role = Literal["master", "slave"]

LINE_BYTES = 1 << 20
REPLY_S = 1.0
RETRY_S = 0.1
SWITCH, MONITOR = "+switch-master", "+monitor"
"""The events of Sentinel to subscribe to. +monitor follows when a Sentinel is told to monitor a master, which may be
after the controller asked the Sentinel for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """The task of the controller, which it reads as the first line of its input.

    `replicas` does not count the master. `login` holds the settings with which a Sentinel logs in to Redis; they are
    sent over the pipe and are never in a file.
    """

    mode: str
    every_s: float
    master: str
    replicas: int
    sentinels: int
    quorum: int
    settings: dict[str, dict[str, str | int]]
    login: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, line: bytes) -> Self:
        return cls(**json.loads(line))


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedPod:
    """A member as the API server lists it. `role` is its label, which may differ from its role in Redis."""

    name: str
    component: Literal["redis", "sentinel"]
    ip: str
    port: int
    phase: Literal["Running", "Pending"] = "Running"
    deleting: bool = False
    role: Role | None = None

    @property
    def address(self) -> Address:
        return self.ip, self.port

    @property
    def at_work(self) -> bool:
        return self.phase == "Running" and not self.deleting


@dataclass(frozen=True, slots=True)
class Label:
    pod: str
    role: Role


class ApiServer:
    """The API server as the controller sees it: pods arrive over one pipe, and labels are written to another."""

    def __init__(self, out: TextIO, log: TextIO) -> None:
        self.pods: tuple[ListedPod, ...] = ()
        """The pods, in the order of their names, as an API server lists them."""
        self._written: dict[str, ListedPod] = {}
        self._out = out
        self._log = log
        self._change = asyncio.Event()

    def shown(self, line: bytes) -> None:
        """Take a line of input, which lists all pods as they are now."""
        pods = [self._as_written(ListedPod(**pod)) for pod in json.loads(line)["pods"]]
        self.pods = tuple(sorted(pods, key=lambda pod: pod.name))
        self._change.set()

    async def changed(self) -> None:
        """Wait for the next list of pods. Return at once if one has arrived since the last call."""
        await self._change.wait()
        self._change.clear()

    def label(self, label: Label) -> None:
        """Write a label. `pods` has it at once, before the API server confirms it."""
        print(json.dumps({"label": {"pod": label.pod, "role": label.role}}), file=self._out, flush=True)
        self._written.update({pod.name: replace(pod, role=label.role) for pod in self.pods if pod.name == label.pod})
        self.pods = tuple(self._as_written(pod) for pod in self.pods)

    def _as_written(self, pod: ListedPod) -> ListedPod:
        """Return the pod with the label that was written here, unless the pod has changed otherwise since then."""
        written = self._written.get(pod.name, pod)
        if replace(pod, role=written.role) == written != pod:
            return written
        self._written.pop(pod.name, None)
        return pod

    def note(self, level: str, text: str) -> None:
        """Write a line to the log."""
        print(f"{kubelet_stamp()} level={level} msg={json.dumps(text)}", file=self._log, flush=True)


Mode = Callable[[Task, ApiServer], Awaitable[None]]
"""A way to decide where the label belongs. It runs until it is cancelled."""


async def serve(modes: Mapping[str, Mode]) -> None:
    """Run the controller until the end of its input.

    The first line of standard input is the task, and each later line lists all pods. The controller writes a line to
    standard output for each label that it sets, and logs to standard error.
    """
    lines = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    task, api = Task.from_json(await lines.readline()), ApiServer(sys.stdout, sys.stderr)
    api.note("info", f"mode {task.mode}, every {task.every_s:g} s, {task.master}")

    async def work() -> None:
        await api.changed()
        await modes[task.mode](task, api)

    async with asyncio.TaskGroup() as group:
        working = group.create_task(work())
        async for line in lines:
            api.shown(line)
        working.cancel()


@dataclass(frozen=True, slots=True)
class NamedMaster:
    """The master that a Sentinel names. `epoch` is the configuration epoch; a higher one is newer."""

    epoch: int
    address: Address


async def named_by(sentinel: Address, name: str) -> NamedMaster | None:
    """Return the master that this Sentinel names, or None if it does not answer or knows no master of this name.

    Two commands are needed. Only SENTINEL MASTER has the epoch, but the leader of a failover names the new master there
    seconds later than in SENTINEL GET-MASTER-ADDR-BY-NAME.
    """
    try:
        async with Resp.connect(*sentinel, REPLY_S, Accesses.from_environment().sentinel) as connection:
            state = await connection.call("SENTINEL", "MASTER", name)
            address = await connection.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
    except OSError:
        return None
    if isinstance(state, ReplyError) or not address:
        return None
    return NamedMaster(int(pairs(state)["config-epoch"]), (address[0], int(address[1])))


def newest(named: Iterable[NamedMaster | None]) -> Address | None:
    """Return the master with the highest epoch, or None. A Sentinel that was cut off has a lower epoch."""
    known = [one for one in named if one]
    return max(known, key=lambda one: one.epoch).address if known else None


def moving(master: Address, pods: Sequence[ListedPod]) -> Iterator[Label]:
    """Yield the labels to write so that only the pod at `master` has the master label. If no pod has that address
    nothing is written, because an old endpoint is better than none.
    """
    redis = [pod for pod in pods if pod.component == "redis"]
    if all(pod.address != master for pod in redis):
        return
    yield from (Label(pod.name, "master") for pod in redis if pod.address == master and pod.role != "master")
    yield from (Label(pod.name, "slave") for pod in redis if pod.address != master and pod.role == "master")


def _move(master: Address, api: ApiServer) -> None:
    for label in moving(master, api.pods):
        api.note("info", f"{label.pod} gets the label {label.role}")
        api.label(label)


def _sentinels(api: ApiServer) -> list[Address]:
    return [pod.address for pod in api.pods if pod.component == "sentinel" and pod.at_work]


async def poll(task: Task, api: ApiServer) -> None:
    """Ask every `every_s` seconds, and believe the first Sentinel that answers, as a script in a loop does."""
    pace = Pace(task.every_s)
    while True:
        for sentinel in _sentinels(api):
            if named := await named_by(sentinel, task.master):
                _move(named.address, api)
                break
        else:
            api.note("warning", f"no Sentinel names a master {task.master}")
        await pace.beat()


async def follow_sentinels(task: Task, api: ApiServer) -> None:
    """Move the label as soon as any Sentinel publishes a switch of the master.

    A Sentinel publishes its own events only, and only to present subscribers. So this subscribes to all Sentinels, and
    asks all of them after every subscription. If one of them was cut off, its answer has an old epoch and is ignored.
    """
    async with asyncio.TaskGroup() as group:
        listener = SwitchListener(task, api, group)
        listening: dict[Address, asyncio.Task[None]] = {}
        while True:
            wanted = set(_sentinels(api))
            for address in listening.keys() - wanted:
                listening.pop(address).cancel()
            for address in wanted - listening.keys():
                listening[address] = group.create_task(listener.listen(address))
            listener.move()
            await api.changed()


class SwitchListener:
    """Remembers the master that the Sentinels named last, and moves the label to it."""

    def __init__(self, task: Task, api: ApiServer, group: asyncio.TaskGroup) -> None:
        self._task = task
        self._api = api
        self._group = group
        self._master: Address | None = None
        self._switches = 0

    async def listen(self, sentinel: Address) -> None:
        """Listen to one Sentinel until cancelled. Reconnect after a lost connection."""
        pace = Pace(RETRY_S)
        while True:
            with suppress(OSError):  # the loss of a subscription is in the log already
                await self._hear(sentinel)
            await pace.beat()

    def move(self) -> None:
        """Move the label to the master. Call it at every change of the pods: one may be listed after the switch."""
        if self._master:
            _move(self._master, self._api)

    async def _hear(self, sentinel: Address) -> None:
        async with Resp.connect(*sentinel, REPLY_S, Accesses.from_environment().sentinel) as connection:
            reply = await connection.psubscribe(SWITCH, MONITOR)
            if isinstance(reply, ReplyError):
                raise ConnectionError(f"PSUBSCRIBE: {reply}")
            self._api.note("info", f"subscribed to {sentinel[0]}:{sentinel[1]}")
            self._group.create_task(self._ask())
            try:
                async for message in connection.messages():
                    if message.channel == SWITCH:
                        self._switched(message.payload)
                    else:
                        self._group.create_task(self._ask())
            except OSError as error:
                self._api.note("warning", f"no longer subscribed to {sentinel[0]}:{sentinel[1]}: {error!r}")
                raise

    def _switched(self, payload: str) -> None:
        """Handle the payload `NAME OLD-ADDRESS OLD-PORT NEW-ADDRESS NEW-PORT`."""
        name, _, _, address, port = payload.split()
        if name == self._task.master:
            self._switches += 1
            self._master = (address, int(port))
            self.move()

    async def _ask(self) -> None:
        """Ask all Sentinels for the master. A switch that was published meanwhile is newer than their answers."""
        switches = self._switches
        asked = [named_by(sentinel, self._task.master) for sentinel in _sentinels(self._api)]
        master = newest(await asyncio.gather(*asked))
        if master and switches == self._switches:
            self._master = master
            self.move()


MODES: dict[str, Mode] = {"sentinel": follow_sentinels, "poll": poll}
