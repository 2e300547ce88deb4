"""Linux system calls that Python 3.11 lacks, atomic writing of files, and the class of the machine.

The calls are made through ctypes in every version of Python, except for timerfd.
"""

import ctypes
import os
import platform
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

TFD_TIMER_ABSTIME = 1
CLOCK_MONOTONIC = 1
CLONE_NEWNET = 0x40000000
CLONE_NEWUSER = 0x10000000
"""The flags for a network namespace and a user namespace, from <sched.h>."""
MNT_DETACH = 2
"""From <sys/mount.h>: detach a file system now, and release it when its last file is closed."""
PR_SET_PDEATHSIG = 1
"""From <sys/prctl.h>."""


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


_libc = ctypes.CDLL(None, use_errno=True)
_once = _Itimerspec()
_once_at = ctypes.byref(_once)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def timerfd() -> int:
    """Return a non-blocking timerfd on CLOCK_MONOTONIC, for `timerfd_at`. The caller closes it."""
    if sys.version_info >= (3, 13):
        return os.timerfd_create(CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)
    return _checked(_libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))


def timerfd_at(fd: int, when_ns: int) -> None:
    """Set a timerfd to expire once at `when_ns`, or never if that is 0.

    An earlier expiry that was not read is dropped.
    """
    if sys.version_info >= (3, 13):
        os.timerfd_settime_ns(fd, flags=os.TFD_TIMER_ABSTIME, initial=when_ns, interval=0)
        return
    _once.it_value.tv_sec, _once.it_value.tv_nsec = divmod(when_ns, 10**9)
    _checked(_libc.timerfd_settime(fd, TFD_TIMER_ABSTIME, _once_at, None))


def setns(fd: int, kind: int) -> None:
    """Move the calling thread into the namespace behind `fd`, like `os.setns` from Python 3.12 on.

    Raises OSError: EPERM without CAP_SYS_ADMIN, EINVAL if `fd` is no namespace of this kind.
    """
    _checked(_libc.setns(fd, kind))


def unshare(kinds: int) -> None:
    """Move the calling thread into new namespaces, like `os.unshare` from Python 3.12 on.

    Raises OSError: EPERM if the user is not allowed to, EINVAL for a user namespace while the process has other
    threads.
    """
    _checked(_libc.unshare(kinds))


def unmount(point: Path) -> None:
    """Remove a mount, even if it is in use. Raises OSError, such as EINVAL if nothing is mounted there."""
    _checked(_libc.umount2(os.fsencode(point), MNT_DETACH))


def apart(work: Callable[[], T]) -> T:
    """Run `work` in a new thread and return its result. Changes of namespaces then affect no other thread."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(work).result()


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends. This survives exec but not fork."""
    _checked(_libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0))


def write_whole(file: Path, text: str) -> None:
    """Write a file atomically: to a temporary file beside it, which is then renamed."""
    draft = file.with_name(f".{file.name}.new")
    draft.write_text(text)
    draft.replace(file)


def machine() -> str:
    """Return the class of this machine, as far as it affects speed: the processor, and how many cores we may use."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    return f"{model}, {len(os.sched_getaffinity(0))} cores"
