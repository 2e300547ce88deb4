"""The trial that is open in this process, as chaostoolkit's activities see it.

An activity is a plain function in chaoslib's thread; the trial lives in the event loop of another. `Session.call` is
the way between them, always bounded. When a trial is interrupted, the fault is undone first, the activity under way
ends with `Interrupted`, and later ones do not start.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from chaos.clock import mono_ns, wall_ns
from chaos.cluster.base import Effect, RunningAgent
from chaos.errors import ExperimentError, HarnessError
from chaos.experiment.observed import Observed
from chaos.experiment.threads import awake
from chaos.fault.aim import select
from chaos.fault.catalogue import FAULTS, Scene
from chaos.fault.inject import heal, inject
from chaos.progress import Message, Tell, Tells
from chaos.record.event_files import EventWriter
from chaos.record.events import Note
from chaos.scenario import Scenario

T = TypeVar("T")

HEAL_S = 60.0
"""How long undoing every fault may take."""


class Interrupted(KeyboardInterrupt):
    """Ends an activity when its trial was interrupted. Of the one kind that chaoslib takes as such and still heals."""


@dataclass
class Session:
    """`proven` are the paths that worked in the baseline. `effect_ns` is t = 0 on the host's clock, None before it.

    `failure` is the first error of an activity.
    """

    scenario: Scenario
    expects: str
    scene: Scene
    agent: RunningAgent
    observed: Observed
    events: EventWriter
    tell: Tells
    loop: asyncio.AbstractEventLoop
    proven: frozenset[str] = frozenset()
    effect_ns: int | None = None
    recovered_ns: int | None = None
    pulled_ns: int = 0
    failure: HarnessError | None = None
    interrupted: str = ""
    _calls: set["Future[Any]"] = field(default_factory=set)
    _healing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def call(self, coroutine: Coroutine[Any, Any, T], *, within_s: float, healing: bool = False) -> T:
        """Run `coroutine` in the trial's loop and wait for it in this thread.

        Raises Interrupted when the trial was or is interrupted (not for `healing`), and ExperimentError after
        `within_s`. An error of the harness is kept as `failure`: chaoslib passes on only its text.
        """
        if self.interrupted and not healing:
            coroutine.close()
            raise Interrupted(self.interrupted)
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        if healing:
            return self._result(future, within_s)
        self._calls.add(future)
        if self.interrupted:
            future.cancel()  # it came between the first look and `add`: whoever interrupted did not see this call
        try:
            return self._result(future, within_s)
        finally:
            self._calls.discard(future)

    def interrupt(self, why: str) -> None:
        """From a signal handler, or any thread. What is held is undone first; a second call changes nothing."""
        if not self.interrupted:
            self.interrupted = why
            asyncio.run_coroutine_threadsafe(self.heal(), self.loop)
            for call in tuple(self._calls):
                call.cancel()

    def note(self, text: str) -> None:
        """A sentence for the record and for whoever watches."""
        self.events.write(Note(text=text))
        self.tell(Message(Tell.NOTE, {"text": text}))

    async def apply(self, name: str, which: str, arguments: dict[str, Any]) -> Effect:
        """Apply a fault. The first one's effect is t = 0."""
        self.observed.arm()
        aimed = select(which, self.scene.facts) if FAULTS[name].aimed else None
        effect = await inject(self.scene, name, aimed, arguments)
        if self.effect_ns is None:
            self.effect_ns = self.observed.at_host(effect.domain, effect.earliest_ns)
            self._tell_effect(name, f"{aimed.name} ({aimed.address})" if aimed else "")
        return effect

    async def heal(self) -> None:
        """Undo everything, one heal at a time; a second one finds nothing left to do."""
        async with self._healing:
            await heal(self.scene)

    def _result(self, future: "Future[T]", within_s: float) -> T:
        try:
            return awake(future, within_s)
        except CancelledError:
            raise Interrupted(self.interrupted) from None
        except HarnessError as error:
            self.failure = self.failure or error
            raise
        except TimeoutError:
            future.cancel()
            raise ExperimentError(f"an activity did not end within {within_s:g} s") from None

    def _tell_effect(self, name: str, target: str) -> None:
        assert self.effect_ns is not None
        wall_s = (wall_ns() - (mono_ns() - self.effect_ns)) / 1e9
        t0 = datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.tell(Message(Tell.EFFECT, {"t0": t0, "text": f"{name} {target}".rstrip()}))
        self.observed.begin(self.effect_ns)


_open: list[Session] = []
"""The one trial that is open here. chaoslib calls activities by name and has no place for an object of ours."""


@contextmanager
def opened(session: Session) -> Iterator[Session]:
    """Make `session` the one that activities get."""
    _open.append(session)
    try:
        yield session
    finally:
        _open.remove(session)


def is_open() -> bool:
    return bool(_open)


def current() -> Session:
    """Raises ExperimentError where no trial is open, as when the control in an experiment's file did not start one."""
    if not _open:
        raise ExperimentError(
            "no trial is open here: play experiments by `failover run`, or keep the control in the file"
        )
    return _open[-1]
