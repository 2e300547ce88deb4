"""One function over many recordings, in processes of their own where there are many.

They are started anew, never forked, and end with whoever asked: nothing is left behind by a Ctrl-C or a kill.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from chaos.errors import RecordingError

T = TypeVar("T")
R = TypeVar("R")

FEW = 12
"""Recordings that are not worth a process: it costs a second until it has begun."""


def each(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """What `function` gives for each, in their order; raises what it raises. It must be a module's own."""
    processes = min(len(os.sched_getaffinity(0)), len(items) // FEW)
    if processes < 2:
        return [function(item) for item in items]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn, initializer=_begin) as pool:
        try:
            return list(pool.map(function, items, chunksize=4))
        except BrokenProcessPool as error:
            raise RecordingError("a process that read recordings was killed: is there memory for it?") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _begin() -> None:
    """A Ctrl-C is for whoever asked; where that one was killed, nobody is waited for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
