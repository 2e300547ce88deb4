"""Make the private directory of a nest, and find and remove what a dead run left on this machine.

Network namespaces have no names here, and the nftables tables are inside them, so both vanish with the processes. If a
process's variable RUN cannot be read, because a server overwrote it or another user owns the process, the process is
identified by its working directory.
"""

import fcntl
import os
import re
import shutil
import signal
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from chaos.agent import reach
from chaos.linux import unmount
from chaos.undo import RUN, FoundRun, is_free, run_id, tagged

PREFIX = "failover-nest-"
MAKING = f".{PREFIX}"
"""The prefix of a private directory's name, and the prefix that it has until it is locked."""
MOUNTS = Path("/proc/self/mountinfo")
OCTAL = re.compile(r"\\([0-7]{3})")


@contextmanager
def private_directory() -> Iterator[Path]:
    """Make the nest's private directory, and remove it on leaving the context.

    It holds the servers' data and configuration and the agent's spec. Its name has the run's id. The nest locks the
    directory as long as it lives, so `sweep` can tell that a killed nest left it. The directory gets its final name
    only after it is locked, so that `sweep` never sees it unlocked.
    """
    made = Path(tempfile.mkdtemp(prefix=f"{MAKING}{run_id()}-"))
    lock = os.open(made, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = made.rename(made.with_name(made.name.removeprefix(".")))
        yield made
    finally:
        shutil.rmtree(made)
        os.close(lock)


def private_directories() -> list[Path]:
    """Return the private directories of all nests, running or killed."""
    return list(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))


def sweep(directories: Iterable[Path]) -> None:
    """Remove the directories of this user's killed nests. Do not call it in a user namespace, where those of other
    users may seem to be ours.
    """
    for found in directories:
        with suppress(FileNotFoundError):  # another process has removed the directory meanwhile
            if is_ours(found) and is_free(found):
                shutil.rmtree(found)


def is_ours(found: Path) -> bool:
    """Return whether the path is a directory of this user, and not a symbolic link."""
    status = found.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


@dataclass(frozen=True, slots=True)
class LocalTrace:
    """One thing that a run left. `remove` removes it, or raises OSError. `by_hand` is a command that does so."""

    what: str
    by_hand: str
    remove: Callable[[], object]


@dataclass(frozen=True, slots=True)
class TracedProcess:
    """A process of a run. `stopped` says whether a signal has stopped it."""

    pid: int
    command: str
    stopped: bool

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command})"


def processes(run: FoundRun) -> list[TracedProcess]:
    """Return the processes of a run that are alive."""
    found = []
    for entry in reach.PROC.glob("[0-9]*"):
        if belongs(entry, run):
            with suppress(FileNotFoundError, ProcessLookupError):
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state not in "ZX":
                    found.append(TracedProcess(int(entry.name), _command(entry), state == reach.STOPPED))
    return found


def belongs(entry: Path, run: FoundRun) -> bool:
    """Return whether a process belongs to this run. `entry` is its directory in /proc."""
    try:
        if f"{RUN}={run.directory}".encode() in (entry / "environ").read_bytes().split(b"\0"):
            return True
        works_in = (entry / "cwd").readlink()
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        return False
    return any(works_in.is_relative_to(directory) for directory in directories(run))


def send(process: TracedProcess, run: FoundRun, number: signal.Signals) -> None:
    """Send a signal, if the pid still belongs to a process of this run."""
    with suppress(ProcessLookupError), reach.pidfd(process.pid) as descriptor:
        if belongs(reach.PROC / str(process.pid), run):
            signal.pidfd_send_signal(descriptor, number)


def left(run: FoundRun) -> list[LocalTrace]:
    """Return what the run left besides processes, in the order in which it can be removed."""
    folders = (LocalTrace(f"directory {it}", f"rm -r {it}", partial(_remove, it)) for it in directories(run))
    return [*_mounts(run), *_cgroups(run), *folders]


def directories(run: FoundRun) -> list[Path]:
    """Return the nests' private directories of this run, even ones that are not locked yet."""
    place = Path(run.about.temporary)
    found = (path for prefix in (PREFIX, MAKING) for path in place.glob(f"{prefix}{run.about.id}-*"))
    return [path for path in found if is_ours(path)]


def _mounts(run: FoundRun) -> Iterator[LocalTrace]:
    """Yield the mounts in the run's directories or with the run's tag in their path, the innermost first."""
    points = [OCTAL.sub(lambda code: chr(int(code[1], 8)), line.split()[4]) for line in MOUNTS.read_text().splitlines()]
    ours = directories(run)
    for point in sorted(map(Path, points), key=lambda path: len(path.parts), reverse=True):
        if any(point.is_relative_to(one) for one in ours) or any(tagged(part, run.about.id) for part in point.parts):
            yield LocalTrace(f"mount {point}", f"umount {point}", partial(unmount, point))


def _cgroups(run: FoundRun) -> Iterator[LocalTrace]:
    """Yield the cgroups with the run's tag in their path, the innermost first."""
    found = []
    for folder, _, _ in os.walk(reach.CGROUPS):
        if any(tagged(part, run.about.id) for part in Path(folder).parts):
            found.append(Path(folder))
    for cgroup in reversed(found):
        yield LocalTrace(f"cgroup {cgroup}", f"rmdir {cgroup}", cgroup.rmdir)


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):  # another process has removed it meanwhile
        shutil.rmtree(path)


def _command(entry: Path) -> str:
    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return words if len(words) < 80 else f"{words[:77]}..."
