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
def spinning(count: int) -> Iterator[list[int]]:
    """So many, all on `CORE`, each in a session of its own; their pids."""
    with ExitStack() as stack:
        pids = []
        for _ in range(count):
            spinner = subprocess.Popen([sys.executable, "-c", SPIN], start_new_session=True)
            stack.callback(spinner.wait)
            stack.callback(spinner.kill)
            os.sched_setaffinity(spinner.pid, {CORE})
            pids.append(spinner.pid)
        yield pids
