"""A journal of how to undo faults, written before each fault is made, so that it outlives the process that makes it.

Every run of the harness has a directory under `runs()`, which is locked as long as the run's first process lives. It
contains `run.json`, which describes the run, and one file for each undo. `failover cleanup` (`chaos.cleanup`) reads the
directories of dead runs.

An undo is data: which executor to ask, where it is, what to request, and the command to do it by hand. It does not
depend on the kind of fault.

Everything that a run makes has the run's id: a process in the variable RUN, a directory or cgroup in its name, a
Kubernetes object in a label. A table of nftables needs none, because it vanishes with its namespace.
"""

import fcntl
import json
import os
import pwd
import secrets
import shutil
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Self

from chaos.errors import SetupError
from chaos.linux import write_whole

RUN = "FAILOVER_RUN"
"""The variable in every process of a run. It is the path of the run's directory or, in a pod, the run's id."""
STATE = "XDG_STATE_HOME"
ABOUT = "run.json"
SUFFIX = ".undo.json"
PREFIX = "failover"


@dataclass(frozen=True, kw_only=True, slots=True)
class Undo:
    """How to undo something. `what` names it in a sentence.

    `executor` is who undoes it: `nest`, the process that runs a local system; `helper`, the node helpers of the run;
    `nodes`, the API server or the container engine; or `kind`. `where` says how to reach the executor, and `request`
    what to ask. Repeating an undo must be harmless.
    """

    what: str
    executor: str
    where: dict[str, str]
    request: dict[str, Any]
    by_hand: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RunAbout:
    """The description of a run, in its directory. `cluster` is empty if every trial has its own system.

    `reach` is what is needed to connect to the cluster. `temporary` is where the run's processes make directories.
    """

    id: str
    pid: int
    user: str
    host: str
    began: str
    command: str
    campaign: str
    place: str
    cluster: str
    temporary: str
    reach: dict[str, str] = field(default_factory=dict)

    @property
    def named(self) -> str:
        """The run as a part of a sentence: its process, its user, and where it records."""
        return f"run {self.id} (process {self.pid} of {self.user} on {self.host}, {self.campaign})"


def runs() -> Path:
    """Return the directory of this user's runs:

    `$XDG_STATE_HOME/failover-harness/runs`, by default in ~/.local/state.
    """
    home = os.environ.get(STATE)
    return (Path(home) if home else Path.home() / ".local" / "state") / "failover-harness" / "runs"


def user() -> str:
    """Return the name of this user, or the number if there is no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


def tag(name: str = "") -> str:
    """Return a name for something that this process makes: `failover-<run id>-<name>`, without an id outside a run."""
    return "-".join(word for word in (PREFIX, run_id(), name) if word)


def tagged(name: str, run: str) -> bool:
    """Return whether a name was made by `tag` in the run with this id."""
    return name == f"{PREFIX}-{run}" or name.startswith(f"{PREFIX}-{run}-")


def run_id() -> str:
    """Return the id of this process's run, or an empty string."""
    return Path(os.environ.get(RUN, "")).name


class HarnessRun:
    """This run. Its directory exists, and is locked, while in the context.

    Undos that are left at the end stay in the directory, for `failover cleanup`.
    """

    def __init__(self, place: str, cluster: str, campaign: Path, command: str, began: str) -> None:
        self.directory = runs() / secrets.token_hex(4)
        self._numbers = count()
        self.about = RunAbout(
            id=self.directory.name,
            pid=os.getpid(),
            user=user(),
            host=socket.gethostname(),
            began=began,
            command=command,
            campaign=str(campaign.absolute()),
            place=place,
            cluster=cluster,
            temporary=tempfile.gettempdir(),
        )

    def __enter__(self) -> Self:
        draft = self.directory.with_name(f".{self.directory.name}")
        try:
            draft.mkdir(parents=True)
            self._lock = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            _write(draft / ABOUT, asdict(self.about))
            draft.rename(self.directory)
        except OSError as error:
            text = f"what undoes a fault cannot be written to {self.directory}: {error.strerror}"
            raise SetupError(f"{text}; name a directory that can be written to in {STATE}") from error
        return self

    def __exit__(self, *_: object) -> None:
        if not list(undos_in(self.directory)):
            shutil.rmtree(self.directory)
        os.close(self._lock)

    def reached_by(self, reach: dict[str, str]) -> None:
        """Store what is needed to connect to the cluster."""
        _write(self.directory / ABOUT, asdict(self.about) | {"reach": reach})

    def write(self, undo: Undo) -> Path:
        """Write down how to remove something, before it is made. Delete the returned file when the thing is removed."""
        return _written(self.directory, f"made-{next(self._numbers)}", undo)


@dataclass(slots=True)
class UndoJournal:
    """The undos of one trial, in the directory of its run.

    `beside` stores the same list on the cluster, for other machines, in place of the earlier one.
    """

    run: Path
    trial: str
    beside: Callable[[Sequence[Undo]], Awaitable[None]]
    held: list[Undo] = field(default_factory=list)
    _files: list[Path] = field(default_factory=list)

    async def write(self, undo: Undo) -> None:
        """Write down how to undo a fault. The fault may only be made after this has returned."""
        self.held.append(undo)
        self._files.append(_written(self.run, f"{self.trial}-{len(self._files)}", undo))
        await self.beside(self.held)

    async def clear(self) -> None:
        """Delete all undos, after everything was undone."""
        while self._files:
            self._files.pop().unlink()
        if self.held:
            await self.beside(())
        self.held.clear()

    @property
    def by_hand(self) -> str:
        """The end of a sentence, with the commands to undo everything by hand. Empty if there is nothing to undo."""
        commands = dict.fromkeys(undo.by_hand for undo in self.held)
        held = ", ".join(dict.fromkeys(undo.what for undo in self.held))
        return f"; `failover cleanup` undoes it, or by hand ({held}): {' && '.join(commands)}" if commands else ""


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run whose directory was found. `lives` says whether its first process is alive."""

    directory: Path
    about: RunAbout
    lives: bool

    def undos(self) -> dict[Path, Undo]:
        return dict(undos_in(self.directory))


def found_runs() -> list[FoundRun]:
    """Return every run that has a directory, the oldest first. A run that is just starting is left out."""
    found = []
    for directory in runs().glob("[!.]*"):
        try:
            lives = not is_free(directory)
            found.append(FoundRun(directory, about_of(directory), lives))
        except FileNotFoundError:
            continue  # the run has ended meanwhile
    return sorted(found, key=lambda run: (run.about.began, run.about.id))


def about_of(directory: Path) -> RunAbout:
    """Return the description of a run from its directory. Raises FileNotFoundError if it is gone."""
    return RunAbout(**json.loads((directory / ABOUT).read_text()))


def undos_in(directory: Path) -> Iterator[tuple[Path, Undo]]:
    """Yield the undos in a run's directory, the latest first, which is the order to carry them out in."""
    for file in sorted(directory.glob(f"*{SUFFIX}"), key=lambda one: one.stat().st_mtime_ns, reverse=True):
        yield file, Undo(**json.loads(file.read_text()))


def is_free(path: Path) -> bool:
    """Return whether no process holds the lock on this file or directory.

    The lock is only tried in shared mode, so that several processes can check at the same time.
    """
    lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def refuse_held(place: str, cluster: str) -> None:
    """Raise SetupError if another live run holds a fault on this cluster, because it would affect our measurement."""
    for run in found_runs():
        if run.lives and (run.about.place, run.about.cluster) == (place, cluster):
            held = ", ".join(undo.what for undo in run.undos().values())
            if held:
                raise SetupError(f"{run.about.named} holds {held} on {cluster}: wait until it has ended")


def _written(directory: Path, name: str, undo: Undo) -> Path:
    file = directory / f"{name}{SUFFIX}"
    _write(file, asdict(undo))
    return file


def _write(file: Path, content: dict[str, Any]) -> None:
    write_whole(file, json.dumps(content, indent=1) + "\n")
