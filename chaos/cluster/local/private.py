"""The nest's own directory, away from the trial's: data of its servers, their configuration, the agent's spec.

It is locked for as long as its nest lives, so that what a killed nest left is known by its lock, and swept by the next.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "failover-nest-"
MAKING = f".{PREFIX}"


@contextmanager
def directory() -> Iterator[Path]:
    """A new directory, locked; removed at the end. It gets the name that is swept by only once it is locked."""
    sweep()
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
    """Remove what nests of this user left that were killed."""
    for found in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if found.is_dir() and not found.is_symlink() and found.stat().st_uid == os.geteuid() and not _locked(found):
            shutil.rmtree(found)


def _locked(found: Path) -> bool:
    try:
        lock = os.open(found, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True  # its nest, or another that sweeps, was faster
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
