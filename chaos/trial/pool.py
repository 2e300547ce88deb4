"""The trials of a campaign in workers, as many side by side as it wants; they begin in the order of the plan.

The first failure of the harness lets no more begin: those under way are played to their end, and then it is raised.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chaos.clock import mono_ns
from chaos.errors import InterruptedTrial, SetupError
from chaos.progress import Message, Tell, Tells
from chaos.record.layout import CLOSED
from chaos.trial.ending import worst
from chaos.trial.process import Worker
from chaos.trial.spec import TrialSpec

GATE = 3
"""The step of a trial that waits until the system is healthy."""
TICK_S = 1.0
"""How often is told how far it is."""

Specs = Callable[[], TrialSpec]
"""Makes a trial's spec when it begins: what the platform gives to connect with may change when it deploys anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """How trials are played: `at_once` of them, each no longer than `limit_s`; `redeploy` brings a fresh system."""

    at_once: int
    limit_s: float
    redeploy: Callable[[], Coroutine[Any, Any, None]]
    tell: Tells


class Play:
    """One trial until it is over. Where the system never became healthy it is deployed anew, once, and tried again."""

    def __init__(self, specs: Specs, way: Way) -> None:
        self._specs = specs
        self._way = way
        self._worker: Worker | None = None
        self._interrupted = False
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        self._task = asyncio.current_task()
        spec = self._specs()
        try:
            await self._work(spec)
        except SetupError as error:
            if self._interrupted or not _gate_stayed_shut(spec):
                raise
            self._way.tell(Message(Tell.NOTE, {"text": f"{error}; deployed anew"}))
            _set_aside(spec)
            await self._way.redeploy()
            await self._work(replace(self._specs(), system="fresh"))

    def interrupt(self) -> None:
        """What is under way is undone first: the fault by the worker, a deployment by being cancelled."""
        self._interrupted = True
        if self._worker is not None:
            self._worker.interrupt()
        elif self._task is not None:
            self._task.cancel()

    async def _work(self, spec: TrialSpec) -> None:
        self._worker = Worker(self._stamping(spec) if self._way.at_once > 1 else self._way.tell)
        try:
            await self._worker.run(spec, self._way.limit_s)
        finally:
            self._worker = None

    def _stamping(self, spec: TrialSpec) -> Tells:
        return lambda message: self._way.tell(replace(message, trial=spec.number))


class Pool:
    """`play` it once; `interrupt` may be called at any time meanwhile, in the loop."""

    def __init__(self, trials: Sequence[Specs], way: Way) -> None:
        self._way = way
        self._to_come = deque(trials)
        self._of = len(trials)
        self._playing: dict[asyncio.Task[None], Play] = {}
        self._failed: list[BaseException] = []
        self._begun_ns = mono_ns()

    async def play(self) -> None:
        """Raises the gravest failure, or InterruptedTrial, when nothing is under way any more."""
        self._begin()
        while self._playing:
            done, _ = await asyncio.wait(self._playing, timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                self._ended(task)
            self._begin()
            self._tell_progress()
        if self._failed:
            raise self._failed[0] if len(self._failed) == 1 else worst(BaseExceptionGroup("trials", self._failed))

    def interrupt(self) -> None:
        """No more begin, and each that is under way undoes what it did. A second call changes nothing."""
        self._to_come.clear()
        for play in self._playing.values():
            play.interrupt()

    def _begin(self) -> None:
        while self._to_come and len(self._playing) < self._way.at_once:
            play = Play(self._to_come.popleft(), self._way)
            self._playing[asyncio.create_task(play.run())] = play

    def _ended(self, task: "asyncio.Task[None]") -> None:
        del self._playing[task]
        problem = InterruptedTrial("interrupted") if task.cancelled() else task.exception()
        if problem is not None:
            self._failed.append(problem)
            self._to_come.clear()
            if self._playing and not isinstance(problem, InterruptedTrial):
                text = f"{problem}; no more trials begin, {len(self._playing)} under way are played to their end"
                self._way.tell(Message(Tell.NOTE, {"text": text}))

    def _tell_progress(self) -> None:
        if self._way.at_once > 1:
            under_way = len(self._playing)
            done = self._of - len(self._to_come) - under_way
            far = {"done": done, "of": self._of, "under_way": under_way, "seconds": (mono_ns() - self._begun_ns) / 1e9}
            self._way.tell(Message(Tell.PROGRESS, far))


def _gate_stayed_shut(spec: TrialSpec) -> bool:
    closed = Path(spec.directory) / CLOSED
    return closed.exists() and json.loads(closed.read_text())["step"] == GATE


def _set_aside(spec: TrialSpec) -> None:
    """A trial that never began is none; what it recorded is kept beside the trials."""
    directory = Path(spec.directory)
    directory.rename(directory.with_name(f"unhealthy-{spec.number:03d}"))
