"""A nest's own directory, known by its name and its lock: made, and removed when its nest has ended or was killed."""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chaos.undo import is_free, run_id

PREFIX = "failover-nest-"
MAKING = f".{PREFIX}"
"""How the name of a nest's own directory begins, and how before it is locked."""


@contextmanager
def private_directory() -> Iterator[Path]:
    """The nest's own directory, away from the trial's: data of its servers, their configuration, the agent's spec.

    Its name has the id of the run. It is removed at the end, and locked for as long as its nest lives: so what a killed
    nest left is known by its lock, and swept by the next one. It gets the name that `sweep` looks for only once it is
    locked.
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
    """Return the directories of all nests, of those that run and of those that were killed."""
    return list(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))


def sweep(directories: Iterable[Path]) -> None:
    """Remove the directories of this user's nests that were killed.

    Do not call it within a user namespace: there the directories of others may seem to be ours.
    """
    for found in directories:
        with suppress(FileNotFoundError):  # its nest has ended, or another sweeps too
            if is_ours(found) and is_free(found):
                shutil.rmtree(found)


def is_ours(found: Path) -> bool:
    """Return whether it is a directory of this user, and no link to one."""
    status = found.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
