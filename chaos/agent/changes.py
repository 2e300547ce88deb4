"""What a fault changes about a process and puts back: a setting, its share of a core, its files, its link.

Each kind is a class with four steps, which `KindOfChange` describes. All of them may block, for at most ANSWER_S.
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
"""How long an OOM kill is waited for, and how often it is looked whether the kernel has counted one."""
PERIOD_US = 100_000
"""The period in which a process gets its share of a core, in µs."""
SIGXFSZ_BIT = 24
"""In the mask of signals that a process ignores. One that does not ignore it would be ended by the limit of a file."""
LATE_S, WORK_BYTES = 0.05, 8 << 20
"""A process that is starved of its core answers a PING of so many bytes later than this."""

Data = dict[str, Any]


class ChangeTarget(Protocol):
    """Whom a change is made to."""

    def processes(self) -> list[int]: ...

    def network(self) -> int: ...


class KindOfChange(Protocol):
    """One kind of change. A step raises OSError where the kernel or a server refuses, and FaultError with a reason."""

    def before(self, target: ChangeTarget, request: Data) -> Data:
        """Return what undoes the change, as data. It is called before anything is changed."""

    def make(self, request: Data, undo: Data) -> None:
        """Change it."""

    def proof(self, request: Data, undo: Data) -> tuple[bool, str]:
        """Say by another way than `make` whether the change is there, and what was seen."""

    def undo(self, undo: Data) -> None:
        """Put it back from that data alone: in any process, at any time, and any number of times."""


def talk(at: Mapping[str, Any], *command: str) -> Any:  # noqa: ANN401  a reply is any of RESP's types
    """The reply of a server to one command, over a connection of its own. Raises OSError."""
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
    """A server is told one command, and another one undoes it. The host proves it, by what follows from it."""

    def before(self, _: ChangeTarget, request: Data) -> Data:
        return {"at": _at(request), "command": request["undo"]}

    def make(self, request: Data, undo: Data) -> None:
        reply = talk(undo["at"], *request["command"])
        if isinstance(reply, hiredis.ReplyError):
            raise FaultError(f"{' '.join(request['command'])} was answered {reply}")

    def proof(self, _request: Data, _undo: Data) -> tuple[bool, str]:
        return True, "it was made"

    def undo(self, undo: Data) -> None:
        """Raise OSError if the server does not take it back. A process that is gone has forgotten what it was told."""
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

    def before(self, _: ChangeTarget, request: Data) -> Data:
        said = talk(request, "CONFIG", "GET", request["name"])
        if not isinstance(said, list) or len(said) != 2:  # a name and its value
            raise FaultError(f"CONFIG GET {request['name']} was answered {said}: there is no such setting")
        return {"at": _at(request), "command": ["CONFIG", "SET", request["name"], said[1]]}

    def make(self, request: Data, _undo: Data) -> None:
        talk(request, "CONFIG", "SET", request["name"], request["value"])

    def proof(self, request: Data, undo: Data) -> tuple[bool, str]:
        """CONFIG GET shows it, and if the experiment asks a command, the reply begins as the experiment says."""
        now = talk(request, "CONFIG", "GET", request["name"])
        said = f"CONFIG GET shows {request['name']} {now[1]}, before {undo['command'][-1]}"
        if not request["asked"]:
            return now[1] == request["value"], said
        reply = str(talk(request, *request["asked"]))
        said += f"; {' '.join(request['asked'])} is answered {reply}"
        return now[1] == request["value"] and reply.startswith(request["answered"]), said


def confined(name: str, pid: int) -> Data:
    """A new cgroup for a process, which is not in it yet, and the one to bring it back to."""
    top = reach.controller(name)
    if top is None:
        raise FaultError(reach.no_cgroup(name))
    lines = [line.split(":", 2) for line in (reach.PROC / str(pid) / "cgroup").read_text().splitlines()]
    back = next(path for _, names, path in lines if names in (name, "") and (names == name or top == reach.CGROUPS))
    group = top / tag(f"{name}-{pid}")
    group.mkdir(exist_ok=True)
    return {"group": str(group), "back": str(top / back.lstrip("/")), "pid": pid}


def released(undo: Data) -> None:
    """Bring every process back, and remove the cgroup. What has ended is out of it already."""
    group = Path(undo["group"])
    if not group.exists():
        return
    for pid in (group / "cgroup.procs").read_text().split():
        (Path(undo["back"]) / "cgroup.procs").write_text(pid)
    group.rmdir()


class CoreChange:
    """A process gets only a share of one core, by a cgroup of its own."""

    def before(self, target: ChangeTarget, _: Data) -> Data:
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
        """The kernel counts how often the process was made to wait, and its answer takes long."""
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
    """Files of a process cannot grow beyond a limit, as on a full disk. A master cannot write its AOF then."""

    def before(self, target: ChangeTarget, _: Data) -> Data:
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
        """A master that cannot write its AOF says so to every PING."""
        reply = str(talk(request, "PING"))
        return reply.startswith("MISCONF"), f"a PING is answered {reply}"

    def undo(self, undo: Data) -> None:
        """Allow files of any size again, unless the process has ended, or its number is another's by now."""
        try:
            if _born(undo["pid"]) == undo["born"]:
                resource.prlimit(undo["pid"], resource.RLIMIT_FSIZE, tuple(undo["limits"]))
        except (ProcessLookupError, FileNotFoundError):
            return


def _born(pid: int) -> str:
    """When the process was started, in the kernel's ticks, which tells it from another with its number."""
    return (reach.PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]


class LinkChange:
    """The first link of a target is slow: it lets little out a second, or all of it later. The host proves it."""

    def before(self, target: ChangeTarget, _: Data) -> Data:
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
        """Do `work` with the first link of the namespace. Do nothing if no process is in that any more."""
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
"""The kinds of changes, by the word `what` of a request."""


async def killed_for_memory(pid: int, own: Path | None, request: Data) -> Data:
    """Let a process have little memory and have it need more: the kernel kills it.

    `own` is the cgroup of its container, whose limit is lowered. Without one it is put into a cgroup made for it.
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
        with suppress(FileNotFoundError):  # a container that ended took its cgroup with it
            limit.write_text(limited)


def _used_bytes(group: Path) -> int:
    """The memory of a cgroup that cannot be had back, which is all but its pages of files."""
    usage = group / "memory.usage_in_bytes"
    used = int((usage if usage.exists() else group / "memory.current").read_text())
    counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    return used - int(counts["active_file"]) - int(counts["inactive_file"])


def _oom_kills(counted: Path) -> int:
    """How many the kernel counts. A cgroup that went with its container counts none any more."""
    try:
        return int(dict(line.split() for line in counted.read_text().splitlines())["oom_kill"])
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise
        return 0


async def _removed(undo: Data) -> bool:
    """Remove a cgroup. A process that was killed may be in it for a moment longer."""
    try:
        await asyncio.to_thread(released, undo)
    except OSError:
        return False
    return True
