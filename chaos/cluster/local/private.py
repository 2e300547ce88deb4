"""The nest's own directory, away from the trial's: data of its servers, their configuration, the agent's spec.

It is locked for as long as its nest lives, so that what a killed nest left is known by its lock, and swept by the next.
"""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "failover-nest-"
MAKING = f".{PREFIX}"


@contextmanager
def directory() -> Iterator[Path]:
    """A new directory, locked; removed at the end. It gets the name that is swept by only once it is locked."""
    made = Path(tempfile.mkdtemp(prefix=MAKING))
    lock = os.open(made, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = made.rename(made.with_name(made.name.removeprefix(".")))
        yield made
    finally:
        shutil.rmtree(made)
        os.close(lock)


def sweep() -> None:
    """Remove what nests of this user left that were killed.

    Not within a user namespace: there, what others own may seem to be ours.
    """
    for found in _found():
        with suppress(FileNotFoundError):  # its nest has ended, or another sweeps too
            if _ours(found) and not _locked(found):
                shutil.rmtree(found)


def _found() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))


def _ours(found: Path) -> bool:
    status = found.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _locked(found: Path) -> bool:
    lock = os.open(found, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
