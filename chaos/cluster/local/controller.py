"""Whatever moves the master label of a local system: what it sees, what it writes, and the two kinds that ask Sentinel.

It is a process of its own, so that it can be killed and cut off as an operator can. `python -m chaos.operators` runs
it: what one operator does is known to its room there, and only what any of them needs is here.
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
"""MONITOR is published once a Sentinel is told of a master, as it may be after it was asked for one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """The first line of its input. `replicas` follow the master, so that there is one Redis more than that.

    `login` are the settings by which a Sentinel logs in to Redis. They come over the pipe and are in no file.
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
    """A member as the API server lists it. `role` is its label, which need not be what it does."""

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
    """The API server as the controller sees it: pods come by one pipe, labels go by another. It keeps the log too."""

    def __init__(self, out: TextIO, log: TextIO) -> None:
        self.pods: tuple[ListedPod, ...] = ()
        """In the order of their names, as an API server lists them."""
        self._written: dict[str, ListedPod] = {}
        self._out = out
        self._log = log
        self._change = asyncio.Event()

    def shown(self, line: bytes) -> None:
        """Take a line of the input: all pods as they are now."""
        pods = [self._as_written(ListedPod(**pod)) for pod in json.loads(line)["pods"]]
        self.pods = tuple(sorted(pods, key=lambda pod: pod.name))
        self._change.set()

    async def changed(self) -> None:
        """Return after the next line of pods, or at once if one has come since the last call."""
        await self._change.wait()
        self._change.clear()

    def label(self, label: Label) -> None:
        """Write a label. It shows in `pods` at once, before the API server has told of it."""
        print(json.dumps({"label": {"pod": label.pod, "role": label.role}}), file=self._out, flush=True)
        self._written.update({pod.name: replace(pod, role=label.role) for pod in self.pods if pod.name == label.pod})
        self.pods = tuple(self._as_written(pod) for pod in self.pods)

    def _as_written(self, pod: ListedPod) -> ListedPod:
        """Return the pod with the label that was written here, unless more than its label has changed since then."""
        written = self._written.get(pod.name, pod)
        if replace(pod, role=written.role) == written != pod:
            return written
        self._written.pop(pod.name, None)
        return pod

    def note(self, level: str, text: str) -> None:
        """Write a line of the log."""
        print(f"{kubelet_stamp()} level={level} msg={json.dumps(text)}", file=self._log, flush=True)


Mode = Callable[[Task, ApiServer], Awaitable[None]]
"""A way to move the label. It works until it is cancelled."""


async def serve(modes: Mapping[str, Mode]) -> None:
    """The whole process: its task is the first line of stdin, all pods are another line at each change.

    It answers on stdout with a line for each label that it writes, logs on stderr, and ends at the end of its input.
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
    """The master that a Sentinel names. `epoch` is that of its configuration: a higher one is newer."""

    epoch: int
    address: Address


async def named_by(sentinel: Address, name: str) -> NamedMaster | None:
    """None if this Sentinel does not answer, or knows no master of this name.

    It is asked twice. SENTINEL MASTER has the epoch, but the leader of a failover names the new master there only
    seconds after SENTINEL GET-MASTER-ADDR-BY-NAME does.
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
    """Return the master with the highest epoch.

    A Sentinel that was cut off still names the old one, with an old epoch.
    """
    known = [one for one in named if one]
    return max(known, key=lambda one: one.epoch).address if known else None


def moving(master: Address, pods: Sequence[ListedPod]) -> Iterator[Label]:
    """The labels that bring the master label to the pod at `master`.

    If no pod is at that address nothing is written, since an old endpoint is better than none.
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
    """Every `every_s`, believe the first Sentinel that answers, however old its word is: as a script in a loop does."""
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
    """Move the label as soon as any Sentinel publishes that it has switched.

    A Sentinel publishes only its own events, and only to those who are subscribed. So all Sentinels are listened to,
    and after every subscription all are asked: one that was cut off then answers with an old epoch and is outvoted.
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
    """Remembers which master the Sentinels named last, and brings the label there."""

    def __init__(self, task: Task, api: ApiServer, group: asyncio.TaskGroup) -> None:
        self._task = task
        self._api = api
        self._group = group
        self._master: Address | None = None
        self._switches = 0

    async def listen(self, sentinel: Address) -> None:
        """Listen to one Sentinel until cancelled; a lost connection is made again."""
        pace = Pace(RETRY_S)
        while True:
            with suppress(OSError):  # if it was subscribed, it has logged the loss
                await self._hear(sentinel)
            await pace.beat()

    def move(self) -> None:
        """Bring the label to the master. Call it at every change, since a pod may be listed later than the switch."""
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
        """`NAME OLD-ADDRESS OLD-PORT NEW-ADDRESS NEW-PORT`."""
        name, _, _, address, port = payload.split()
        if name == self._task.master:
            self._switches += 1
            self._master = (address, int(port))
            self.move()

    async def _ask(self) -> None:
        """Ask all Sentinels. Their answers do not count if a switch was heard of meanwhile, since that is newer."""
        switches = self._switches
        asked = [named_by(sentinel, self._task.master) for sentinel in _sentinels(self._api)]
        master = newest(await asyncio.gather(*asked))
        if master and switches == self._switches:
            self._master = master
            self.move()


MODES: dict[str, Mode] = {"sentinel": follow_sentinels, "poll": poll}
