"""Find the processes, cgroups and network namespaces of a container in /proc, send signals, and see their effect.

This needs permission to signal any process, and on a node also the node's own pid namespace (hostPID). Nothing here
depends on Kubernetes: every container runtime puts the container's id into the cgroup path of its processes, with both
cgroup versions.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.clock import mono_ns
from chaos.errors import FaultError
from chaos.undo import tag
from chaos.until import until

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
STOPPED = "T"
POLL_S = 0.001

SEEN = {signal.SIGSTOP: "stopped", signal.SIGCONT: "running"}
"""How a process is described once the signal has taken effect."""


def processes(word: str) -> list[int]:
    """Return every process whose cgroup path contains `word`: a container's id, or a pod's uid as the path has it."""
    return sorted(pid for pid in _pids() if word in _read(pid, "cgroup"))


def main_process(container: str) -> int:
    """Return the main process of a container. Raises FaultError if the container has no process.

    The main process is number 1 of its pid namespace, or else the one whose parent is outside the container. A
    container may have more processes, such as an exec probe or the child that Redis forks to save.
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
    """Return the pid, name and cgroup of each process of a pod. The cgroup is the last part of its path.

    That part contains the container's id. The systemd cgroup driver writes the pod's uid with underscores, and the
    cgroupfs driver writes it unchanged.
    """
    spelled = (uid, uid.replace("-", "_"))
    found = [(pid, _cgroup(pid, spelled)) for pid in _pids()]
    return [{"pid": pid, "name": _read(pid, "comm").strip(), "cgroup": cgroup} for pid, cgroup in found if cgroup]


def memory_cgroup(container: str) -> Path | None:
    """Return the cgroup that limits a container's memory, or None if it has none. The search uses the root directory of
    the node's process 1, because a pod sees only its own cgroup.
    """
    tops = (PROC / "1/root" / one for one in ("sys/fs/cgroup/memory", "sys/fs/cgroup"))
    top = next(top for top in (*tops, CGROUPS / "memory", CGROUPS) if os.access(top, os.R_OK))
    return next(top.rglob(f"*{container}*"), None)


def controller(name: str) -> Path | None:
    """Return the directory where cgroups of this controller are made, or None if the kernel lacks the controller."""
    if (CGROUPS / name / "cgroup.procs").exists():
        return CGROUPS / name
    enabled = CGROUPS / "cgroup.subtree_control"
    return CGROUPS if enabled.exists() and name in enabled.read_text().split() else None


def no_cgroup(name: str) -> str:
    """Return why no cgroup with this controller can be made here, or an empty string if one can."""
    top = controller(name)
    if top is None:
        return f"this kernel has no cgroups with the controller {name}"
    try:
        (top / tag("try")).mkdir()
        (top / tag("try")).rmdir()
    except OSError as error:
        return f"no cgroup can be made in {top} ({error.strerror}); run as root"
    return ""


def network_namespace(pid: int) -> int:
    """Open the network namespace of a process, which exists at least until the caller closes the descriptor."""
    return os.open(PROC / str(pid) / "ns" / "net", os.O_RDONLY | os.O_CLOEXEC)


def namespace_by_inode(inode: int) -> int | None:
    """Open the network namespace with this inode, through a process that is in it. Return None if there is no such
    process. Namespaces that we may not open are skipped, because we cannot have cut them.
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


async def stop_or_continue(pids: list[int], number: signal.Signals, within_s: float) -> None:
    """Send SIGSTOP or SIGCONT, and wait until every thread shows it. Raises FaultError after `within_s`."""
    for pid in pids:
        signal_one(pid, number)

    async def all_show_it() -> bool:
        return all(stopped is (number is signal.SIGSTOP) for pid in pids for stopped in _stops(pid))

    because = f"a process of {pids} is not yet {SEEN[number]} after {number.name}"
    await until(all_show_it, within_s=within_s, because=because, every_s=POLL_S, error=FaultError)


def name_of(pid: int) -> str:
    return _read(pid, "comm").strip()


def is_stopped(pid: int) -> bool:
    """Return whether a signal has stopped the process, as Ctrl-Z does. A process that has ended is not stopped."""
    return _state(_read(pid, "stat")) == STOPPED


def with_children(pid: int) -> list[int]:
    """Return a process and its children, such as the child that Redis forks to save."""
    found = _read(pid, f"task/{pid}/children").split()
    return [pid, *(int(child) for child in found)]


def signal_one(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process. Do nothing if it has ended."""
    try:
        with pidfd(pid) as descriptor:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return


@contextmanager
def pidfd(pid: int) -> Iterator[int]:
    """Open a pidfd, which cannot be confused with a later process of the same number. Raises ProcessLookupError."""
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def ended_ns(descriptor: int) -> int:
    """Wait until the process behind a pidfd has ended, and return the monotonic time at which we saw that."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def seen() -> None:
        if not ended.done():
            ended.set_result(mono_ns())

    loop.add_reader(descriptor, seen)
    try:
        return await ended
    finally:
        loop.remove_reader(descriptor)


def _stops(pid: int) -> Iterator[bool]:
    """Yield for each thread of a process whether it is stopped."""
    try:
        for task in (PROC / str(pid) / "task").iterdir():
            state = _state((task / "stat").read_text())
            if state not in "ZX":
                yield state == STOPPED
    except (FileNotFoundError, ProcessLookupError):
        return


def _state(stat: str) -> str:
    """Return the state letter, such as R, S or T, from the text of a `stat` file; empty for an empty file."""
    return stat.rpartition(")")[2].strip()[:1]


def _pids() -> Iterator[int]:
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def _cgroup(pid: int, words: tuple[str, ...]) -> str:
    """Return the last part of the first cgroup path that has one of `words`. Version 1 has a path per controller."""
    paths = _read(pid, "cgroup").splitlines()
    return next((path.rpartition("/")[2] for path in paths if any(word in path for word in words)), "")


def _status(pid: int, key: str) -> str:
    for line in _read(pid, "status").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return value.strip()
    return ""


def _read(pid: int, name: str) -> str:
    """Return the text of a file in /proc/<pid>, or an empty string if the process has ended."""
    try:
        return (PROC / str(pid) / name).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
