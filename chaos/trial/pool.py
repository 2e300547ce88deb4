"""Play the trials of a campaign in worker processes, several at once if wanted, in the order of the plan.

After the first failure of the harness no more trials begin: the running ones are played to their end, and then it is
raised. If the machine was too crowded to measure a trial, the others are still played, and this is raised only if it
was so for all of them.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chaos.clock import mono_ns
from chaos.errors import CrowdedError, HarnessError, InterruptedTrial, NeverHealthyError, SetupError, error_named, worst
from chaos.pipe import Child, Lines, Program
from chaos.progress import Message, Tell, Tells
from chaos.record.layout import CLOSED
from chaos.trial.assignment import TrialSpec
from chaos.undo import RUN

LOG = "worker.log"
UNDO_S = 150.0
"""How long an interrupted worker may take to undo everything. After that it is killed, and leases end its faults."""
GATE = 3
"""The step of a trial that waits until the system is healthy."""
TICK_S = 1.0
"""How often the progress of the campaign is reported."""

Closed = Callable[[TrialSpec], Coroutine[Any, Any, None]]
"""Awaited with the spec of each trial that was played to its end."""


@dataclass(frozen=True, slots=True)
class ToPlay:
    """A trial that waits for its turn.

    `spec` returns its spec for the system of this number. It is called only when the trial begins, because a system
    that was deployed anew may need another connection. `alone` is true if no other trial may run meanwhile.
    """

    spec: Callable[[int], TrialSpec]
    alone: bool = False


class Worker:
    """The worker process of one trial. Call `run` once. `interrupt` may be called at any time meanwhile."""

    def __init__(self, tell: Tells) -> None:
        self._tell = tell
        self._failed: Message | None = None
        self._interrupted = False
        self._process: Child | None = None

    async def run(self, spec: TrialSpec, limit_s: float) -> None:
        """Play the trial in a worker process. Raises the error that the worker reports.

        The worker gets one signal at most. Its standard input stays open while this process lives, so the worker also
        ends if this process is killed.
        """
        log = Path(spec.directory) / LOG
        log.parent.mkdir(parents=True)
        said = Lines()
        command, environment = [sys.executable, "-m", "chaos.trial"], {RUN: spec.run}
        process = Child(Program(command=command, out=said, error=log, environment=environment), said.end)
        self._process = process
        process.tell(f"{spec.line()}\n".encode())
        if self._interrupted:
            self.interrupt()
        asyncio.get_running_loop().call_later(limit_s, self.interrupt)
        try:
            async for line in said:
                message = Message.parse(line.decode())
                if message.tell is Tell.FAILED:
                    self._failed = message
                else:
                    self._tell(message)
        finally:
            process.kill()
        if self._failed is not None:
            raise error_named(self._failed.data["error"])(self._failed.data["text"])
        if process.code == -signal.SIGTERM and self._interrupted:
            raise InterruptedTrial("interrupted before it began")
        if process.code != 0:
            raise HarnessError(f"the trial's worker died ({process.how}); {process.said}; {log}")

    def interrupt(self) -> None:
        """Have the worker undo everything and end. If it has not begun yet, it ends without doing anything."""
        self._interrupted = True
        if self._process is not None and self._process.lives:
            self._process.send(signal.SIGTERM)
            asyncio.get_running_loop().call_later(UNDO_S, self._process.kill)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlayOptions:
    """How trials are played: `at_once` of them at the same time, each for at most `limit_s`.

    Each running trial has a system to itself. `redeploy(number)` replaces that system by a fresh one. `of`
    returns how many trials there will be, as far as known. `closed` is awaited after each trial that was played to its
    end. Trials begin at least `stagger_s` apart, because systems that start together would all need the CPU at once,
    and act in step.
    """

    at_once: int
    limit_s: float
    redeploy: Callable[[int], Coroutine[Any, Any, None]]
    tell: Tells
    of: Callable[[], int]
    closed: Closed | None = None
    stagger_s: float = 0.0


class Play:
    """One trial, until it is over.

    If its system does not become healthy, it is deployed anew once, and the trial repeated.
    """

    def __init__(self, to_play: ToPlay, options: PlayOptions, nth: int) -> None:
        self._spec = to_play.spec
        self.alone = to_play.alone
        self.nth = nth
        self._options = options
        self._worker: Worker | None = None
        self._interrupted = False
        self._task: asyncio.Task[TrialSpec] | None = None

    async def run(self) -> TrialSpec:
        """Play the trial, and return the spec that it was played by."""
        self._task = asyncio.current_task()
        spec = self._spec(self.nth)
        try:
            await self._work(spec)
        except SetupError as error:
            directory = Path(spec.directory)
            closed = directory / CLOSED
            gate_stayed_shut = closed.exists() and json.loads(closed.read_text())["step"] == GATE
            if self._interrupted or isinstance(error, NeverHealthyError) or not gate_stayed_shut:
                raise
            self._options.tell(Message(Tell.NOTE, {"text": f"{error}; deployed anew"}))
            _set_aside(directory, spec.number)
            await self._options.redeploy(self.nth)
            await self._work(replace(self._spec(self.nth), system="fresh"))
        return spec

    def interrupt(self) -> None:
        """End the trial. A worker first undoes its fault. A deployment is cancelled."""
        self._interrupted = True
        if self._worker is not None:
            self._worker.interrupt()
        elif self._task is not None:
            self._task.cancel()

    async def _work(self, spec: TrialSpec) -> None:
        """Play the trial. Its messages carry its number if several trials are played at once."""
        tell = self._options.tell
        several = self._options.at_once > 1
        self._worker = Worker((lambda message: tell(replace(message, trial=spec.number))) if several else tell)
        try:
            await self._worker.run(spec, self._options.limit_s)
        finally:
            self._worker = None


class Pool:
    """All trials of a campaign. Call `play` once. `interrupt` may be called in the loop at any time meanwhile."""

    def __init__(self, trials: Iterable[ToPlay], options: PlayOptions) -> None:
        """`trials` may be a generator. It is asked for the next trial when one can begin."""
        self._options = options
        self._to_come = iter(trials)
        self._next: ToPlay | None = None
        self._free = list(range(options.at_once))
        self._begun = self._next_ns = 0
        self._playing: dict[asyncio.Task[TrialSpec], Play] = {}
        self._failed: list[BaseException] = []
        self._crowded: list[CrowdedError] = []
        self._begun_ns = mono_ns()

    async def play(self) -> None:
        """Play all trials. When none runs any more, raise the gravest failure, or InterruptedTrial."""
        self._begin()
        while self._playing:
            until_next_s = (self._next_ns - mono_ns()) / 1e9
            timeout_s = until_next_s if 0 < until_next_s < TICK_S else TICK_S
            done, _ = await asyncio.wait(self._playing, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                await self._ended(task)
            self._begin()
            self._tell_progress()
        if self._begun and len(self._crowded) == self._begun:
            raise self._crowded[0]
        if self._failed:
            raise self._failed[0] if len(self._failed) == 1 else worst(BaseExceptionGroup("trials", self._failed))

    def interrupt(self) -> None:
        """Begin no more trials, and have the running ones undo what they did. A second call changes nothing."""
        self._end()
        for play in self._playing.values():
            play.interrupt()

    def _begin(self) -> None:
        """Begin as many trials as fit, `stagger_s` apart."""
        while len(self._playing) < self._options.at_once:
            if self._playing and mono_ns() < self._next_ns:
                return
            self._next = self._next or next(self._to_come, None)
            if self._next is None:
                return
            if self._playing and (self._next.alone or any(play.alone for play in self._playing.values())):
                return
            play, self._next = Play(self._next, self._options, self._free.pop(0)), None
            self._playing[asyncio.create_task(play.run())] = play
            self._begun += 1
            self._next_ns = mono_ns() + round(self._options.stagger_s * 1e9)

    async def _ended(self, task: "asyncio.Task[TrialSpec]") -> None:
        self._free.insert(0, self._playing.pop(task).nth)
        problem = InterruptedTrial("interrupted") if task.cancelled() else task.exception()
        if problem is None and self._options.closed:
            try:
                await self._options.closed(task.result())
            except HarnessError as error:
                problem = error
        if isinstance(problem, CrowdedError):
            self._crowded.append(problem)
            self._options.tell(Message(Tell.NOTE, {"text": f"{problem}; the other trials are played"}))
        elif problem is not None:
            self._failed.append(problem)
            self._end()
            if self._playing and not isinstance(problem, InterruptedTrial):
                text = f"{problem}; no more trials begin, {len(self._playing)} under way are played to their end"
                self._options.tell(Message(Tell.NOTE, {"text": text}))

    def _end(self) -> None:
        """Let no more trials begin."""
        self._to_come, self._next = iter(()), None

    def _tell_progress(self) -> None:
        if self._options.at_once > 1:
            under_way = len(self._playing)
            far = {
                "done": self._begun - under_way,
                "of": self._options.of(),
                "under_way": under_way,
                "seconds": (mono_ns() - self._begun_ns) / 1e9,
            }
            self._options.tell(Message(Tell.PROGRESS, far))


def _set_aside(directory: Path, number: int) -> None:
    """Rename the directory of a trial that never began, so that it does not count as a trial."""
    directory.rename(directory.with_name(f"unhealthy-{number:03d}"))
