"""Changes to a process that a fault makes and later takes back: a setting, its CPU share, its file size, its link.

Each kind of change is a class with the four methods of `KindOfChange`. All of them may block, for at most ANSWER_S.
"""

import asyncio
import errno
import os
import resource
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import hiredis

from chaos.access import Accesses
from chaos.agent import reach
from chaos.clock import mono_ns
from chaos.errors import FaultError
from chaos.linux import CLONE_NEWNET, apart, setns
from chaos.model import MemberKind
from chaos.net.netlink import LinkSocket, shaped, unshaped
from chaos.resp import pack
from chaos.undo import tag
from chaos.until import until

ANSWER_S = 2.0
KILLED_S, LOOK_S = 5.0, 0.005
"""How long to wait for an OOM kill, and how often to look whether the kernel has counted one."""
PERIOD_US = 100_000
"""The period over which a process gets its share of a core, in µs."""
SIGXFSZ_BIT = 24
"""The bit of SIGXFSZ in the mask of ignored signals. A process that does not ignore SIGXFSZ is killed by the file size
limit."""
LATE_S, WORK_BYTES = 0.05, 8 << 20
"""A process that gets too little CPU time takes longer than LATE_S to answer a PING of WORK_BYTES."""

Data = dict[str, Any]


class FaultTarget(Protocol):
    """The target of a fault. The program that runs the executor implements it."""

    @property
    def id(self) -> str:
        """The id of the target's container. It names the target in its leases."""

    def processes(self) -> list[int]:
        """Return the running processes of the target, its main process first. Raises FaultError if none runs."""

    def successors(self) -> list[int]:
        """Return the main processes that run in the target's pod now, even restarted ones. Empty if none runs."""

    def memory(self) -> Path | None:
        """Return the cgroup that limits the target's memory, or None if the target has no cgroup of its own."""

    def network(self) -> int:
        """Open the target's network namespace, for the caller to close. Raises FaultError if there is none."""


class KindOfChange(Protocol):
    """One kind of change. Its methods raise OSError if the kernel or a server refuses, or FaultError."""

    def before(self, target: FaultTarget, request: Data) -> Data:
        """Return the data that `undo` needs. Called before anything is changed."""

    def make(self, request: Data, undo: Data) -> None:
        """Make the change."""

    def proof(self, request: Data, undo: Data) -> tuple[bool, str]:
        """Return whether the change is in force, and what was seen. Look in another way than `make` does."""

    def undo(self, undo: Data) -> None:
        """Take the change back with that data. Any process may call it, at any time and repeatedly."""


def talk(at: Mapping[str, Any], *command: str) -> Any:  # noqa: ANN401  a reply is any of RESP's types
    """Return a server's reply to one command, sent over a new connection. Raises OSError."""
    access, parser = Accesses.from_environment().of(MemberKind(at["kind"])), hiredis.Reader(encoding="utf-8")
    plain = socket.create_connection((at["address"], int(at["port"])), ANSWER_S)
    tls = access.tls
    with tls.context.wrap_socket(plain, server_hostname=tls.name_for(at["address"])) if tls else plain as connection:
        for words in [access.login, command] if access.login else [command]:
            connection.sendall(pack(*words))
            while (reply := parser.gets()) is False:
                data = connection.recv(1 << 16)
                if not data:
                    raise ConnectionResetError("closed by the other side")
                parser.feed(data)
    return reply


def _at(request: Data) -> Data:
    return {key: request[key] for key in ("address", "port", "kind")}


class CommandChange:
    """One command is sent to a server, and another one undoes it. The host proves the effect, not `proof`."""

    def before(self, _: FaultTarget, request: Data) -> Data:
        return {"at": _at(request), "command": request["undo"]}

    def make(self, request: Data, undo: Data) -> None:
        reply = talk(undo["at"], *request["command"])
        if isinstance(reply, hiredis.ReplyError):
            raise FaultError(f"{' '.join(request['command'])} was answered {reply}")

    def proof(self, _request: Data, _undo: Data) -> tuple[bool, str]:
        return True, "it was made"

    def undo(self, undo: Data) -> None:
        """Send the command that undoes the change, unless the server is gone. Raises OSError if it is refused."""
        command = undo["command"]
        try:
            reply = talk(undo["at"], *command)
            if command[0] == "CONFIG":
                now = talk(undo["at"], "CONFIG", "GET", command[2])
                if now[1:] != command[3:]:
                    raise OSError(f"{' '.join(command)} was answered {reply}, and {command[2]} is {now[1]}")
            elif isinstance(reply, hiredis.ReplyError):
                raise OSError(f"{' '.join(command)} was answered {reply}")
        except ConnectionRefusedError:
            return


class SettingChange(CommandChange):
    """A setting of a server is changed by CONFIG SET."""

    def before(self, _: FaultTarget, request: Data) -> Data:
        said = talk(request, "CONFIG", "GET", request["name"])
        if not isinstance(said, list) or len(said) != 2:  # a name and its value
            raise FaultError(f"CONFIG GET {request['name']} was answered {said}: there is no such setting")
        return {"at": _at(request), "command": ["CONFIG", "SET", request["name"], said[1]]}

    def make(self, request: Data, _undo: Data) -> None:
        talk(request, "CONFIG", "SET", request["name"], request["value"])

    def proof(self, request: Data, undo: Data) -> tuple[bool, str]:
        """Check that CONFIG GET shows the new value, and that the reply to `asked`, if any, begins with `answered`."""
        now = talk(request, "CONFIG", "GET", request["name"])
        said = f"CONFIG GET shows {request['name']} {now[1]}, before {undo['command'][-1]}"
        if not request["asked"]:
            return now[1] == request["value"], said
        reply = str(talk(request, *request["asked"]))
        said += f"; {' '.join(request['asked'])} is answered {reply}"
        return now[1] == request["value"] and reply.startswith(request["answered"]), said


def confined(name: str, pid: int) -> Data:
    """Make a cgroup for a process, and return its path, that of the present cgroup, and the pid, not moved yet."""
    top = reach.controller(name)
    if top is None:
        raise FaultError(reach.no_cgroup(name))
    lines = [line.split(":", 2) for line in (reach.PROC / str(pid) / "cgroup").read_text().splitlines()]
    back = next(path for _, names, path in lines if names in (name, "") and (names == name or top == reach.CGROUPS))
    group = top / tag(f"{name}-{pid}")
    group.mkdir(exist_ok=True)
    return {"group": str(group), "back": str(top / back.lstrip("/")), "pid": pid}


def released(undo: Data) -> None:
    """Move every process of the cgroup back to its former cgroup, and remove the cgroup."""
    group = Path(undo["group"])
    if not group.exists():
        return
    for pid in (group / "cgroup.procs").read_text().split():
        (Path(undo["back"]) / "cgroup.procs").write_text(pid)
    group.rmdir()


class CoreChange:
    """A process gets only a share of one core, through a cgroup of its own."""

    def before(self, target: FaultTarget, _: Data) -> Data:
        return confined("cpu", target.processes()[0])

    def make(self, request: Data, undo: Data) -> None:
        group, quota = Path(undo["group"]), int(PERIOD_US * request["percent"] / 100)
        if (group / "cpu.cfs_quota_us").exists():
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            (group / "cpu.max").write_text(f"{quota} {PERIOD_US}")
        (group / "cgroup.procs").write_text(str(undo["pid"]))

    def proof(self, request: Data, undo: Data) -> tuple[bool, str]:
        """Check that the kernel has throttled the process, and that the process answers a PING late."""
        counts = dict(line.split() for line in (Path(undo["group"]) / "cpu.stat").read_text().splitlines())
        begun_ns = mono_ns()
        try:
            talk(request, "PING", "x" * WORK_BYTES)
            took_s = (mono_ns() - begun_ns) / 1e9
        except TimeoutError:
            took_s = ANSWER_S
        said = f"it was made to wait {counts['nr_throttled']} times, and a PING took {took_s * 1000:.0f} ms"
        return int(counts["nr_throttled"]) > 0 and took_s >= LATE_S, said

    def undo(self, undo: Data) -> None:
        released(undo)


class FilesChange:
    """The files of a process cannot grow beyond a limit, as on a full disk. A master then cannot write its AOF."""

    def before(self, target: FaultTarget, _: Data) -> Data:
        pid = target.processes()[0]
        status = (reach.PROC / str(pid) / "status").read_text().splitlines()
        ignored = next(line for line in status if line.startswith("SigIgn:")).split()[1]
        if not int(ignored, 16) >> SIGXFSZ_BIT & 1:
            raise FaultError(
                f"process {pid} would be ended by the limit of its files, since it does not ignore SIGXFSZ"
            )
        return {"pid": pid, "born": _born(pid), "limits": resource.prlimit(pid, resource.RLIMIT_FSIZE)}

    def make(self, request: Data, undo: Data) -> None:
        resource.prlimit(undo["pid"], resource.RLIMIT_FSIZE, (int(request["most_bytes"]), undo["limits"][1]))

    def proof(self, request: Data, _undo: Data) -> tuple[bool, str]:
        """Check that a PING is answered with MISCONF, as a master that cannot write its AOF does."""
        reply = str(talk(request, "PING"))
        return reply.startswith("MISCONF"), f"a PING is answered {reply}"

    def undo(self, undo: Data) -> None:
        """Set the former limit again, unless the process has ended or another process has its pid now."""
        try:
            if _born(undo["pid"]) == undo["born"]:
                resource.prlimit(undo["pid"], resource.RLIMIT_FSIZE, tuple(undo["limits"]))
        except (ProcessLookupError, FileNotFoundError):
            return


def _born(pid: int) -> str:
    """Return when the process was started, in clock ticks. This tells it from a later process with the same pid."""
    return (reach.PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]


class LinkChange:
    """The network link of a target has a low bandwidth or a delay. The host proves the effect, not `proof`."""

    def before(self, target: FaultTarget, _: Data) -> Data:
        namespace = target.network()
        try:
            return {"namespace": os.fstat(namespace).st_ino}
        finally:
            os.close(namespace)

    def make(self, request: Data, undo: Data) -> None:
        self._within(undo, partial(shaped, kbit=request["kbit"], delay_ms=request["delay_ms"]))

    def proof(self, _request: Data, _undo: Data) -> tuple[bool, str]:
        return True, "it was made"

    def undo(self, undo: Data) -> None:
        self._within(undo, unshaped)

    def _within(self, undo: Data, work: Callable[[LinkSocket, int], None]) -> None:
        """Call `work` for the link eth0 of the namespace. Do nothing if no process is in the namespace any more."""
        namespace = reach.namespace_by_inode(undo["namespace"])
        if namespace is None:
            return

        def enter() -> None:
            setns(namespace, CLONE_NEWNET)
            with LinkSocket() as links:
                work(links, socket.if_nametoindex("eth0"))

        try:
            apart(enter)
        finally:
            os.close(namespace)


CHANGES: dict[str, KindOfChange] = {
    "setting": SettingChange(),
    "told": CommandChange(),
    "starve": CoreChange(),
    "disk": FilesChange(),
    "link": LinkChange(),
}
"""Maps the word `what` of a request to its kind of change."""


async def killed_for_memory(pid: int, own: Path | None, request: Data) -> Data:
    """Limit the memory of a process and make it need more, so that the kernel kills it.

    `own` is the cgroup of the process's container, whose limit is lowered. If it is None, the process is moved to a new
    cgroup.
    """
    most_bytes = int(request["most_bytes"])
    if own is not None:
        return await _killed(pid, own, _used_bytes(own) + most_bytes, request)
    undo = await asyncio.to_thread(confined, "memory", pid)
    try:
        (Path(undo["group"]) / "cgroup.procs").write_text(str(pid))
        return await _killed(pid, Path(undo["group"]), most_bytes, request)
    finally:
        because = f"{undo['group']} cannot be removed"
        await until(partial(_removed, undo), within_s=ANSWER_S, because=because, error=FaultError)


async def _killed(pid: int, group: Path, limit_bytes: int, request: Data) -> Data:
    limit = group / "memory.limit_in_bytes"
    limit, counted = (limit, "memory.oom_control") if limit.exists() else (group / "memory.max", "memory.events")
    limited = limit.read_text()
    try:
        with reach.pidfd(pid) as descriptor:
            before_ns = mono_ns()
            kills = already = _oom_kills(group / counted)
            limit.write_text(str(limit_bytes))
            text = "x" * (4 * int(request["most_bytes"]))
            needs = asyncio.create_task(asyncio.to_thread(talk, _at(request), "ECHO", text))
            ended = asyncio.create_task(reach.ended_ns(descriptor))
            until_ns = mono_ns() + KILLED_S * 1e9
            while not ended.done() and mono_ns() < until_ns:
                looked_ns = mono_ns()
                kills = max(kills, _oom_kills(group / counted))
                before_ns = before_ns if kills > already else looked_ns
                await asyncio.wait([ended], timeout=LOOK_S)
            gone, after_ns = ended.done(), ended.result() if ended.done() else mono_ns()
            kills = max(kills, _oom_kills(group / counted)) - already
            ended.cancel()
            await asyncio.gather(needs, ended, return_exceptions=True)
        said = f"process {pid} is {'gone' if gone else 'still there'}, and the kernel counts {kills} OOM kills"
        stamps = {"before_ns": before_ns, "after_ns": after_ns}
        return stamps | {"evidence": f"{said} in its cgroup", "seen": gone and kills > 0}
    finally:
        with suppress(FileNotFoundError):  # the cgroup is gone if its container has ended
            limit.write_text(limited)


def _used_bytes(group: Path) -> int:
    """Return how many bytes a cgroup uses that the kernel cannot reclaim: everything but pages of files."""
    usage = group / "memory.usage_in_bytes"
    used = int((usage if usage.exists() else group / "memory.current").read_text())
    counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    return used - int(counts["active_file"]) - int(counts["inactive_file"])


def _oom_kills(counted: Path) -> int:
    """Return how many OOM kills the kernel has counted for the cgroup, or 0 if the cgroup is gone."""
    try:
        return int(dict(line.split() for line in counted.read_text().splitlines())["oom_kill"])
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise
        return 0


async def _removed(undo: Data) -> bool:
    """Remove a cgroup and return whether that succeeded. A killed process may be in the cgroup for a moment longer."""
    try:
        await asyncio.to_thread(released, undo)
    except OSError:
        return False
    return True
