"""Reaching into a node: the processes of a container, found by its id under /proc, and signals with proof.

Needs the node's own pid namespace (hostPID) and the right to signal any process. Knows nothing of Kubernetes: a
container is a word in a process's cgroup path, which every runtime and both versions of cgroups have.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.clock import mono_ns
from chaos.errors import FaultError
from chaos.until import until

PROC = Path("/proc")
STOPPED = "T"
POLL_S = 0.001

Seen = dict[signal.Signals, str]
SEEN: Seen = {signal.SIGKILL: "gone", signal.SIGSTOP: "stopped", signal.SIGCONT: "running"}
"""What proves each signal that may be sent."""


@dataclass(frozen=True, slots=True)
class Signalled:
    """`before_ns` is stamped before the signal is sent, `after_ns` once its effect was seen."""

    pid: int
    before_ns: int
    after_ns: int
    seen: str


def processes(word: str) -> list[int]:
    """Every process whose cgroup path names `word`: a container's id, or a pod's uid as the path spells it."""
    return sorted(pid for pid in _pids() if word in _read(pid, "cgroup"))


def main_process(container: str) -> int:
    """The container's own process: number 1 of its pid namespace, else the one whose parent is outside.

    A container has more processes than that (exec probes, a forked child that saves). Raises FaultError where none is.
    """
    if not container:
        raise FaultError("a container without an id cannot be found")
    found = processes(container)
    for pid in found:
        if _status(pid, "NSpid").split()[1:][-1:] == ["1"]:
            return pid
    outside = [pid for pid in found if _status(pid, "PPid") not in {str(other) for other in found}]
    if not outside:
        raise FaultError(f"no process of container {container[:12]} on this node")
    return outside[0]


def of_pod(uid: str) -> list[dict[str, str | int]]:
    """The processes of a pod, each with its name and its cgroup's last part, which holds the container's id.

    The systemd driver writes a uid with underscores, the cgroupfs driver as it is.
    """
    spelled = (uid, uid.replace("-", "_"))
    found = [(pid, _cgroup(pid, spelled)) for pid in _pids()]
    return [{"pid": pid, "name": _read(pid, "comm").strip(), "cgroup": cgroup} for pid, cgroup in found if cgroup]


async def send(container: str, number: signal.Signals, within_s: float) -> Signalled:
    """Signal a container and wait until it shows: SIGKILL to its own process, SIGSTOP and SIGCONT to all of them.

    Raises FaultError when it did not show in time, or when there was nothing to signal.
    """
    own = main_process(container)
    pids = [own] if number is signal.SIGKILL else [own, *(pid for pid in processes(container) if pid != own)]
    before_ns = mono_ns()
    if number is signal.SIGKILL:
        await _kill(own, container, within_s)
    else:
        await stop_or_continue(pids, number, within_s)
    return Signalled(own, before_ns, mono_ns(), SEEN[number])


def proceed(container: str) -> None:
    """SIGCONT to every process of a container, without waiting: the way back from SIGSTOP, good at any time."""
    continue_all(processes(container))


def continue_all(pids: list[int]) -> None:
    """As `proceed`, of processes that are known."""
    for pid in pids:
        signal_one(pid, signal.SIGCONT)


def network_namespace(pid: int) -> int:
    """Open the network namespace of a process; the descriptor keeps it alive. The caller closes it."""
    return os.open(PROC / str(pid) / "ns" / "net", os.O_RDONLY | os.O_CLOEXEC)


def namespace_by_inode(inode: int) -> int | None:
    """Open the network namespace with this number, through any process that is in it; None: nobody is.

    A namespace that may not be opened was not cut by us.
    """
    for pid in _pids():
        try:
            descriptor = network_namespace(pid)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if os.fstat(descriptor).st_ino == inode:
            return descriptor
        os.close(descriptor)
    return None


async def _kill(pid: int, container: str, within_s: float) -> None:
    with _pidfd(pid) as descriptor:
        if container not in _read(pid, "cgroup"):
            raise FaultError(f"process {pid} of container {container[:12]} ended before it was signalled")
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        try:
            async with asyncio.timeout(within_s):
                await _readable(descriptor)
        except TimeoutError:
            raise FaultError(f"process {pid} is still there {within_s:g} s after SIGKILL") from None


async def stop_or_continue(pids: list[int], number: signal.Signals, within_s: float) -> None:
    """SIGSTOP or SIGCONT, and wait until every thread of every process shows it. Raises FaultError if not in time."""
    for pid in pids:
        signal_one(pid, number)

    async def all_show_it() -> bool:
        return all(stopped is (number is signal.SIGSTOP) for pid in pids for stopped in _stops(pid))

    because = f"a process of {pids} is not yet {SEEN[number]} after {number.name}"
    await until(all_show_it, within_s=within_s, because=because, every_s=POLL_S, error=FaultError)


def with_children(pid: int) -> list[int]:
    """A process and what it has forked, as a server does that saves; without those of the children."""
    found = _read(pid, f"task/{pid}/children").split()
    return [pid, *(int(child) for child in found)]


def signal_one(pid: int, number: signal.Signals) -> None:
    """Nothing where it has ended."""
    try:
        with _pidfd(pid) as descriptor:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return


@contextmanager
def _pidfd(pid: int) -> Iterator[int]:
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def _readable(descriptor: int) -> None:
    """A pidfd becomes readable when its process ends."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)


def _stops(pid: int) -> Iterator[bool]:
    """Of each thread of a process that is there: is it stopped?"""
    try:
        for task in (PROC / str(pid) / "task").iterdir():
            state = (task / "stat").read_text().rpartition(")")[2].split()[0]
            if state not in "ZX":
                yield state == STOPPED
    except (FileNotFoundError, ProcessLookupError):
        return


def _pids() -> Iterator[int]:
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def _cgroup(pid: int, words: tuple[str, ...]) -> str:
    """The last part of the first cgroup path that names one of `words`; version 1 has a path a controller."""
    paths = _read(pid, "cgroup").splitlines()
    return next((path.rpartition("/")[2] for path in paths if any(word in path for word in words)), "")


def _status(pid: int, key: str) -> str:
    for line in _read(pid, "status").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return value.strip()
    return ""


def _read(pid: int, name: str) -> str:
    """A file of a process; empty when the process has ended meanwhile."""
    try:
        return (PROC / str(pid) / name).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
