"""The main thread waits for work in an event loop and takes signals. The first signal ends the work in order.

Nothing is cut short: whoever waits goes on only when what was begun has been undone. What the work is does not matter
here.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, Self

from chaos.errors import InterruptedTrial
from chaos.experiment.threads import LoopThread, awake
from chaos.trial.worker import signals

Work = Coroutine[Any, Any, object]
Ending = Callable[[str], None]
"""Ends the work, and is told why. It is called in the main thread."""


class Waiting:
    """A context in which the loop runs. `interrupted` says why the work was interrupted, and is empty until then."""

    def __init__(self) -> None:
        self.interrupted = ""
        self._loop = LoopThread()
        self._ending: Ending = _nothing

    def __enter__(self) -> Self:
        self._loop.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.__exit__()

    def until_done(self, work: Work, ending: Ending | None = None) -> None:
        """Wait for work. If it is interrupted, or was before, it is ended by `ending`; raises InterruptedTrial then."""
        try:
            with signals(self.interrupt):
                awake(self._loop.submit(self._interruptible(work, ending)))
        except (CancelledError, InterruptedTrial):
            raise InterruptedTrial(self.interrupted) from None

    def whatever_comes(self, work: Work, within_s: float) -> None:
        """Wait for work that cannot be interrupted: signals are taken and do nothing."""
        self._ending = _nothing
        with signals(self.interrupt):
            self._loop.submit(work).result(within_s)

    def begun(self, work: Coroutine[Any, Any, None], ending: Ending) -> "Future[None]":
        """Begin work without waiting for it. Whoever waits takes the signals."""
        self._ending = ending
        return self._loop.submit(work)

    def call(self, function: Callable[[], object]) -> None:
        """Have a plain function called in the loop, soon."""
        self._loop.call(function)

    def interrupt(self, why: str) -> None:
        """End the work. It may be called from a signal handler. A second call changes nothing."""
        if not self.interrupted:
            self.interrupted = why
            self._ending(why)

    async def _interruptible(self, work: Work, ending: Ending | None) -> None:
        """Do the work so that it is cancelled inside the loop, and is over only when all of it has been undone."""
        task = asyncio.ensure_future(work)
        self._ending = ending or (lambda _why: self.call(task.cancel))
        if self.interrupted:
            task.cancel()
        await task


def _nothing(_why: str) -> None:
    """Nothing is under way that could be ended."""
