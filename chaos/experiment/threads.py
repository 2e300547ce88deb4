"""Two threads of a worker: chaoslib needs the main one (it installs signal handlers), the event loop gets the other.

`MainThread.run` gives the loop to a coroutine and then does what that coroutine asks to have done in the main thread.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Job = Callable[[], None]


class LoopThread:
    """An event loop in a background thread, made on entering the context and ended on leaving it."""

    loop: asyncio.AbstractEventLoop

    def __enter__(self) -> "LoopThread":
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="loop", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.submit(self.loop.shutdown_asyncgens()).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    def call(self, function: Callable[[], object]) -> None:
        """Have a plain function called in the loop, soon; from any thread, and from a signal handler."""
        self.loop.call_soon_threadsafe(function)

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)


class MainThread:
    """The main thread as a coroutine of the loop sees it: somewhere to have a blocking function called."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()

    def serve(self, until: "Future[Any]") -> None:
        """Call in the main thread: does what is asked for until the future is done. Signal handlers run meanwhile."""
        until.add_done_callback(lambda _: self._jobs.put(None))
        while (job := self._jobs.get()) is not None:
            job()

    async def call(self, function: Callable[[], T]) -> T:
        """Have `function` called in the main thread; its result, or its exception. It is never cut short."""
        answer: Future[T] = Future()
        self._jobs.put(lambda: _answer(answer, function))
        return await asyncio.shield(asyncio.wrap_future(answer))


def _answer(answer: "Future[T]", function: Callable[[], T]) -> None:
    try:
        answer.set_result(function())
    except BaseException as problem:  # noqa: BLE001  # not swallowed: it is raised where the call was asked for
        answer.set_exception(problem)
