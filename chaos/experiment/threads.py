"""The two threads of a worker: the main one, where chaoslib installs signal handlers, and one with an event loop.

The main thread calls `MainThread.serve`, which runs the functions that coroutines pass to `MainThread.call`.
"""

import asyncio
import math
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, InvalidStateError, wait
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from chaos.clock import mono_ns
from chaos.errors import HarnessError

WAKE_S = 0.1
"""How often a waiting main thread wakes up. Python runs signal handlers only when the main thread executes Python code:
a signal that arrives just before it blocks on a lock is handled at the next wake-up."""

T = TypeVar("T")
Job = Callable[[], None]


class LoopThread:
    """An event loop in a background thread. Entering the context starts it, and leaving ends it.

    If a SystemExit or KeyboardInterrupt is raised in the loop, the loop ends. Every submitted future then raises
    HarnessError with that as its cause, because nothing would ever complete it.
    """

    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        self._submitted: set[Future[Any]] = set()
        self._died: BaseException | None = None

    def __enter__(self) -> "LoopThread":
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._died is None:
            self.submit(self.loop.shutdown_asyncgens()).result(10)
            self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        if self._died is not None:
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:  # the loop is run in this thread now, so that each task can clean up
                task.cancel()
            self.loop.run_until_complete(asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10))
        self.loop.close()

    def call(self, function: Callable[[], object]) -> None:
        """Have a function called in the loop soon. May be called from any thread and from a signal handler."""
        self.loop.call_soon_threadsafe(function)

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        self._submitted.add(future)
        future.add_done_callback(self._submitted.discard)
        if self._died is not None:
            self._give_up(self._died)
        return future

    def _run(self) -> None:
        try:
            self.loop.run_forever()
        except BaseException as problem:  # noqa: BLE001  # not swallowed: it is raised where somebody waits
            self._died = problem
            self._give_up(problem)

    def _give_up(self, problem: BaseException) -> None:
        for future in tuple(self._submitted):
            with suppress(InvalidStateError):
                error = HarnessError(f"the event loop was ended by {problem!r}")
                error.__cause__ = problem
                future.set_exception(error)


class MainThread:
    """Lets a coroutine of the loop call a blocking function in the main thread."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()

    def serve(self, until: "Future[Any]") -> None:
        """Run the requested functions in the main thread until the future is done. Signal handlers run meanwhile."""
        until.add_done_callback(lambda _: self._jobs.put(None))
        while True:
            try:
                job = self._jobs.get(timeout=WAKE_S)
            except Empty:
                continue
            if job is None:
                return
            job()

    async def call(self, function: Callable[[], T]) -> T:
        """Call `function` in the main thread, and return its result or raise its exception. It is never cancelled."""
        answer: Future[T] = Future()
        self._jobs.put(lambda: _answer(answer, function))
        return await asyncio.shield(asyncio.wrap_future(answer))


def awake(future: "Future[T]", within_s: float = math.inf) -> T:
    """Return the future's result. Signals are handled while waiting. Raises TimeoutError after `within_s`."""
    end_ns = mono_ns() + within_s * 1e9
    while not wait([future], min(WAKE_S, max(0.0, end_ns - mono_ns()) / 1e9)).done:
        if mono_ns() >= end_ns:
            raise TimeoutError
    return future.result(0)


def _answer(answer: "Future[T]", function: Callable[[], T]) -> None:
    try:
        answer.set_result(function())
    except BaseException as problem:  # noqa: BLE001  # not swallowed: it is raised where the call was asked for
        answer.set_exception(problem)
