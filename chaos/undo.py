"""What undoes a fault, written down before the fault is made, where it outlives whoever made it.

Every run of the harness has a directory under `runs()`, which is locked for as long as the run's first process lives.
In it is `run.json`, which says what the run is, and a file for each thing that is to be undone. `failover cleanup`
(`chaos.cleanup`) reads the directories of runs that are dead.

An undo is data: which executor to ask, where that is, what to ask of it, and the command that does it by hand. It says
nothing of the kind of fault, so that a new kind needs nothing here.

Whatever a run makes carries its id, in one of three ways: a process has the variable RUN, a directory or a cgroup has
it in its name, and an object of Kubernetes has it as a label. A table of nftables has no id: it goes with its
namespace.
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
"""The variable of every process of a run: the path of the run's directory, or in a pod, which has none, its id."""
STATE = "XDG_STATE_HOME"
ABOUT = "run.json"
SUFFIX = ".undo.json"
PREFIX = "failover"


@dataclass(frozen=True, kw_only=True, slots=True)
class Undo:
    """How something is undone. `what` names it, for a sentence.

    `executor` is who undoes it: `nest`, the process that holds a local system, `helper`, the node helpers of the run,
    `nodes`, the API server or the container engine, or `kind`. `where` is how that is reached, and `request` is what is
    asked of it. Asking twice, or for something that is undone already, has to do no harm.
    """

    what: str
    executor: str
    where: dict[str, str]
    request: dict[str, Any]
    by_hand: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RunAbout:
    """What the directory of a run says of it. `cluster` is empty if every trial has a system of its own.

    `reach` is what is needed to connect to the cluster. `temporary` is where its processes make directories.
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
        """The run in a sentence: whose it is and where it records."""
        return f"run {self.id} (process {self.pid} of {self.user} on {self.host}, {self.campaign})"


def runs() -> Path:
    """Return where the runs of this user are kept, `$XDG_STATE_HOME/failover-harness/runs` or below ~/.local/state."""
    home = os.environ.get(STATE)
    return (Path(home) if home else Path.home() / ".local" / "state") / "failover-harness" / "runs"


def user() -> str:
    """Return the name of this user, or the number of one who has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


def tag(name: str = "") -> str:
    """The name of something that this process makes: `failover-<id of the run>-<name>`, without an id in no run."""
    return "-".join(word for word in (PREFIX, run_id(), name) if word)


def tagged(name: str, run: str) -> bool:
    """Return whether a name is one that `tag` gives in the run with this id."""
    return name == f"{PREFIX}-{run}" or name.startswith(f"{PREFIX}-{run}-")


def run_id() -> str:
    """Return the id of the run that this process belongs to, or an empty string."""
    return Path(os.environ.get(RUN, "")).name


class HarnessRun:
    """This run. It is a context: its directory is there and locked from entering to leaving.

    What is still to be undone when it is left stays in its directory, for `failover cleanup`.
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
        """Write down what is needed to connect to the cluster."""
        _write(self.directory / ABOUT, asdict(self.about) | {"reach": reach})

    def write(self, undo: Undo) -> Path:
        """Write down how something is removed, before it is made. Removing the file says that it was removed."""
        return _written(self.directory, f"made-{next(self._numbers)}", undo)


@dataclass(slots=True)
class UndoJournal:
    """The undos of one trial, in the directory of its run.

    `beside` keeps the same list where the system is, for another machine. It replaces what was kept before.
    """

    run: Path
    trial: str
    beside: Callable[[Sequence[Undo]], Awaitable[None]]
    held: list[Undo] = field(default_factory=list)
    _files: list[Path] = field(default_factory=list)

    async def write(self, undo: Undo) -> None:
        """Write down how a fault is undone. Nothing may be done to the system before this has returned."""
        self.held.append(undo)
        self._files.append(_written(self.run, f"{self.trial}-{len(self._files)}", undo))
        await self.beside(self.held)

    async def clear(self) -> None:
        """Forget all of them, since everything was undone."""
        while self._files:
            self._files.pop().unlink()
        if self.held:
            await self.beside(())
        self.held.clear()

    @property
    def by_hand(self) -> str:
        """The end of a sentence that says how what is held is undone by hand; empty if nothing is held."""
        commands = dict.fromkeys(undo.by_hand for undo in self.held)
        held = ", ".join(dict.fromkeys(undo.what for undo in self.held))
        return f"; `failover cleanup` undoes it, or by hand ({held}): {' && '.join(commands)}" if commands else ""


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run whose directory was found. `lives` says whether its first process is there."""

    directory: Path
    about: RunAbout
    lives: bool

    def undos(self) -> dict[Path, Undo]:
        return dict(undos_in(self.directory))


def found_runs() -> list[FoundRun]:
    """Return every run that has a directory, the oldest first.

    One that is only just beginning has none of its name yet.
    """
    found = []
    for directory in runs().glob("[!.]*"):
        try:
            lives = not is_free(directory)
            found.append(FoundRun(directory, about_of(directory), lives))
        except FileNotFoundError:
            continue  # it has ended meanwhile
    return sorted(found, key=lambda run: (run.about.began, run.about.id))


def about_of(directory: Path) -> RunAbout:
    """Return what the directory of a run says of it. Raises FileNotFoundError if it is gone."""
    return RunAbout(**json.loads((directory / ABOUT).read_text()))


def undos_in(directory: Path) -> Iterator[tuple[Path, Undo]]:
    """What is still to be undone, the latest first: what was made last is undone first."""
    for file in sorted(directory.glob(f"*{SUFFIX}"), key=lambda one: one.stat().st_mtime_ns, reverse=True):
        yield file, Undo(**json.loads(file.read_text()))


def is_free(path: Path) -> bool:
    """Return whether no process holds the lock on this file or directory.

    Looking never keeps another one from looking.
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
    """Raise SetupError if another run that lives holds a fault on this cluster: it would be measured as ours."""
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
