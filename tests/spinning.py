"""Processes that want one core, all the time."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

SPIN = "while True: pass"
CORE = min(os.sched_getaffinity(0))
"""One that this process may use."""


@contextmanager
def spinning(count: int, core: int | None = CORE) -> Iterator[list[int]]:
    """So many, all on that core, each in a session of its own; their pids. None: wherever the kernel puts them."""
    with ExitStack() as stack:
        pids = []
        for _ in range(count):
            spinner = subprocess.Popen([sys.executable, "-c", SPIN], start_new_session=True)
            stack.callback(spinner.wait)
            stack.callback(spinner.kill)
            if core is not None:
                os.sched_setaffinity(spinner.pid, {core})
            pids.append(spinner.pid)
        yield pids
