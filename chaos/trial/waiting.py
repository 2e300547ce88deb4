"""Wait in the main thread for work in an event loop, and handle signals. The first signal ends the work in order.

Nothing is cut short: the wait ends only after the work has undone what it began.
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
"""Ends the work, and gets the reason. Called in the main thread."""


class Waiting:
    """Runs an event loop while in the context.

    `interrupted` is the reason of an interruption, and empty without one.
    """

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
        """Wait for work. An interruption ends it by `ending`, or by cancelling it, and raises InterruptedTrial."""
        try:
            with signals(self.interrupt):
                awake(self._loop.submit(self._interruptible(work, ending)))
        except (CancelledError, InterruptedTrial):
            raise InterruptedTrial(self.interrupted) from None

    def whatever_comes(self, work: Work, within_s: float) -> None:
        """Wait for work that must not be interrupted. Signals are ignored."""
        self._ending = _nothing
        with signals(self.interrupt):
            self._loop.submit(work).result(within_s)

    def begun(self, work: Coroutine[Any, Any, None], ending: Ending) -> "Future[None]":
        """Start work without waiting for it. Signals are handled by a later wait."""
        self._ending = ending
        return self._loop.submit(work)

    def call(self, function: Callable[[], object]) -> None:
        """Have a function called in the loop soon."""
        self._loop.call(function)

    def interrupt(self, why: str) -> None:
        """End the work. May be called from a signal handler. A second call changes nothing."""
        if not self.interrupted:
            self.interrupted = why
            self._ending(why)

    async def _interruptible(self, work: Work, ending: Ending | None) -> None:
        """Await the work in a task. Cancelling the task does not end this before the task has cleaned up."""
        task = asyncio.ensure_future(work)
        self._ending = ending or (lambda _why: self.call(task.cancel))
        if self.interrupted:
            task.cancel()
        await task


def _nothing(_why: str) -> None:
    """Do nothing, as long as no work can be ended."""
