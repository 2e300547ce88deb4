"""Make the private directory of a nest, and remove it when the nest has ended or was killed."""

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
"""The prefix of a private directory's name, and the prefix that it has until it is locked."""


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
    """Remove the directories of this user's killed nests.

    Do not call it in a user namespace, where the directories of other users may seem to be ours.
    """
    for found in directories:
        with suppress(FileNotFoundError):  # another process has removed the directory meanwhile
            if is_ours(found) and is_free(found):
                shutil.rmtree(found)


def is_ours(found: Path) -> bool:
    """Return whether the path is a directory of this user, and not a symbolic link."""
    status = found.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
