"""The trial that is open in this process, for chaostoolkit's activities.

An activity is a plain function in chaoslib's thread. The trial runs in the event loop of another thread. `Session.call`
connects the two, with a time limit. When a trial is interrupted, its fault is undone first, the running activity ends
with `Interrupted`, and no other starts.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, TypeVar

from chaos.clock import mono_ns, wall_ns
from chaos.cluster.base import Effect, RunningAgent
from chaos.errors import ExperimentError, FaultError, HarnessError
from chaos.experiment.observed import Observed
from chaos.experiment.threads import awake
from chaos.fault.aim import PROMOTION, TICK, Moment, Scene, all_of, published
from chaos.fault.catalogue import FAULTS
from chaos.fault.inject import gave_up, heal, inject
from chaos.progress import Message, Tell, Tells
from chaos.record.event_files import EventWriter
from chaos.record.events import Note
from chaos.scenario import Scenario
from chaos.until import until

T = TypeVar("T")

MOMENT_S = 0.01
"""How often to look whether the moment of a fault has come."""
HEAL_S = 60.0
"""How long undoing all faults may take."""


class Interrupted(KeyboardInterrupt):
    """Ends an activity when its trial is interrupted. After a KeyboardInterrupt, chaoslib still runs the rollbacks."""


@dataclass
class Session:
    """An open trial. `proven` are the paths that worked in the baseline.

    `effect_ns` is t = 0 on the host's clock, or None before it. `failure` is the first error of an activity.
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
    seed: int = 0
    _calls: set["Future[Any]"] = field(default_factory=set)
    _healing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _said_before: Counter[tuple[str, str]] = field(default_factory=Counter)

    def call(self, coroutine: Coroutine[Any, Any, T], *, within_s: float, healing: bool = False) -> T:
        """Run `coroutine` in the trial's loop, and wait for its result in this thread.

        Raises Interrupted if the trial is interrupted, except when `healing`, and ExperimentError after `within_s`. A
        HarnessError is kept as `failure`, because chaoslib passes on only its text.
        """
        if self.interrupted and not healing:
            coroutine.close()
            raise Interrupted(self.interrupted)
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        if healing:
            return self._result(future, within_s)
        self._calls.add(future)
        if self.interrupted:
            future.cancel()  # `interrupt` was called before `add` above, and did not see this call
        try:
            return self._result(future, within_s)
        finally:
            self._calls.discard(future)

    def interrupt(self, why: str) -> None:
        """Undo all faults, and end the running activity, once. May be called by a signal handler and any thread."""
        if not self.interrupted:
            self.interrupted = why
            asyncio.run_coroutine_threadsafe(self.heal(), self.loop)
            for call in tuple(self._calls):
                call.cancel()

    def note(self, text: str) -> None:
        """Write a sentence to the record, and show it to the user."""
        self.events.write(Note(text=text))
        self.tell(Message(Tell.NOTE, {"text": text}))

    async def apply(self, name: str, which: Sequence[str], when: str, arguments: dict[str, Any]) -> Effect | None:
        """Apply a fault at its moment. The effect of the first one is t = 0. Return None if its moment did not come or
        there was no such target. That is the system's doing, and is recorded as a fault without proof.
        """
        if self.effect_ns is None:
            self.observed.arm()
            self._said_before = Counter(self.scene.facts.said)
        try:
            late = await self._come(Moment.parse(when)) if when else ""
            self.observed.follow()  # another Redis may have become master during the wait
            aimed = all_of(which, self.scene.facts) if FAULTS[name].aimed else []
        except FaultError as error:
            gave_up(self.scene, name, arguments, str(error))
            self.note(f"the {name} was not made: {error}")
            return None
        if late:
            self.note(late)
        effect = await inject(self.scene, name, aimed, arguments)
        if self.effect_ns is None:
            self.effect_ns = self.observed.at_host(effect.domain, effect.earliest_ns)
            wall_s = (wall_ns() - (mono_ns() - self.effect_ns)) / 1e9
            t0 = datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            target = ", ".join(f"{one.name} ({one.address})" for one in aimed)
            self.tell(Message(Tell.EFFECT, {"t0": t0, "text": f"{name} {target}".rstrip()}))
            self.observed.begin(self.effect_ns)
        return effect

    async def _come(self, moment: Moment) -> str:
        """Wait for the moment of a fault, and return a sentence on it.

        Sentinel's events count from the first fault on, and ticks of the operator from now on. Raises FaultError if the
        moment does not come within the limit for recovery.
        """
        asked_ns, limit_s = mono_ns(), self.scenario.limits.recovery
        begun_ns = self.effect_ns or asked_ns
        if moment.event == TICK:  # imported only if needed, because it loads the whole analysis
            rooms = import_module("chaos.analysis.trial").ROOMS
            self.observed.is_tick = rooms[self.scenario.system.operator]().ticks()
        if moment.within_s:
            seconds = moment.random_s(self.seed)
            await asyncio.sleep(seconds)
            return f"a random wait of {seconds:.1f} s, by seed {self.seed}"

        async def come() -> bool:
            self.observed.follow()
            if moment.event == TICK:
                return self.observed.ticked_ns > asked_ns
            if moment.event == PROMOTION:
                return self.observed.seen.promoted
            said, before = self.scene.facts.said, self._said_before
            return published(said, moment.event) > published(before, moment.event)

        said = f"the moment of {moment.event or 't = 0'}"
        if moment.event:
            because = f"no {moment.event} was seen"
            await until(come, within_s=limit_s, because=because, every_s=MOMENT_S, error=FaultError)
            begun_ns = self.observed.ticked_ns if moment.event == TICK else mono_ns()
            at = f" {(begun_ns - self.effect_ns) / 1e9:.2f} s after t = 0" if self.effect_ns else ""
            said = f"{moment.event} was seen{at}"
        await asyncio.sleep(max(0.0, moment.after_s - (mono_ns() - begun_ns) / 1e9))
        return said

    async def heal(self) -> None:
        """Undo all faults, one heal at a time. A second heal finds nothing left to undo."""
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


_open: list[Session] = []
"""The trial that is open in this process. It is global, because chaoslib calls activities by name."""


@contextmanager
def opened(session: Session) -> Iterator[Session]:
    """Make `session` the open trial while in the context."""
    _open.append(session)
    try:
        yield session
    finally:
        _open.remove(session)


def is_open() -> bool:
    return bool(_open)


def current() -> Session:
    """Return the open trial. Raises ExperimentError if there is none, as where a file lacks our control."""
    if not _open:
        raise ExperimentError(
            "no trial is open here: play experiments by `failover run`, or keep the control in the file"
        )
    return _open[-1]
