"""One trial, told as a numbered list of steps.

1. Check the experiment against what the cluster can do.
2. Write the manifest and launch the agent, which observes from its start.
3. Wait until healthy; write the effective settings.
4. Start the clients, warm up, and measure the baseline path by path.
5. Wait a seeded random time.
6. Play the experiment: steady state, fault and its proof, waits, rollback.
7. Watch on, then stop the clients.
8. Heal everything, and audit the data.

Whatever step it ends at, everything is healed, what is ours is removed, and the directory says where it ended.
The analysis is the campaign's: from the files only.
"""

import asyncio
from importlib import import_module
from pathlib import Path

from chaos.cluster.base import Cluster, RunningAgent, refusal
from chaos.cluster.health import Facts
from chaos.errors import InterruptedTrial, SetupError
from chaos.experiment import play, written
from chaos.experiment.observed import Observed
from chaos.experiment.session import Session, opened
from chaos.fault.scene import Scene
from chaos.progress import Message, Tell, Tells
from chaos.scenario import Scenario
from chaos.trial import steps
from chaos.trial.attend import Attendant
from chaos.trial.ending import worst
from chaos.trial.record import Record
from chaos.trial.spec import TrialSpec, agent_spec, manifest
from chaos.trial.steps import Player


class Trial:
    """`run` it once. `interrupt` may be called at any time and from any thread."""

    def __init__(self, spec: TrialSpec, player: Player, tell: Tells) -> None:
        self._spec = spec
        self._player = player
        self._tell = tell
        self._scenario = Scenario.model_validate(spec.scenario)
        self._experiment = written.load(Path(spec.experiment))
        self._interrupted = ""
        self._failure: BaseException | None = None
        self._task: asyncio.Task[None] | None = None
        self._session: Session | None = None
        self._shielded = False

    async def run(self) -> None:
        """Raises what the harness failed at, or InterruptedTrial. The system's failing is in the record."""
        self._task = asyncio.current_task()
        spec = self._spec
        heading = {"experiment": self._experiment.name, "number": spec.nth, "of": spec.of, "seed": spec.seed}
        self._tell(Message(Tell.TRIAL, heading))
        record = Record(Path(spec.directory), self._tell)
        ended, error = "failed", ""
        try:
            await self._connected(record)
            ended = "complete"
        except asyncio.CancelledError:
            ended, error = ("failed", str(self._failure)) if self._failure else ("interrupted", self._interrupted)
            raise self._failure or InterruptedTrial(self._interrupted) from None
        except BaseException as problem:
            error = str(worst(problem))
            raise
        finally:
            self._task = self._session = None
            record.close(ended, error)
            self._tell(Message(Tell.CLOSED, {"directory": spec.directory}))

    def interrupt(self, why: str) -> None:
        """End the trial early: the fault is undone at once, the rest in order. A second call changes nothing."""
        if self._interrupted:
            return
        self._interrupted = why
        if self._session is not None:
            self._session.interrupt(why)
        if self._task is not None:
            self._task.get_loop().call_soon_threadsafe(self._cancel)

    def _fail(self, problem: BaseException) -> None:
        self._failure = self._failure or problem
        self.interrupt(str(problem))

    def _cancel(self) -> None:
        """While chaostoolkit plays, its activities end by themselves; while we undo, nothing may be cut short."""
        if self._task is not None and not self._shielded:
            self._task.cancel()

    async def _connected(self, record: Record) -> None:
        connect = import_module(self._spec.ref["module"]).connect
        async with connect(self._spec.ref, self._scenario, record.directory) as cluster:
            with record.at(1, "check"):
                self._check(cluster)
            scene = Scene(cluster, Facts(), record.faults)
            observed = Observed(record.directory, scene.facts, self._tell)
            record.subscribe(observed.take)
            async with Attendant(cluster, record, self._fail) as attendant:
                with record.at(2, "agent"):
                    agent = await self._launch(record, cluster, attendant)
                await self._measured(record, self._opened(record, scene, agent, observed))

    def _check(self, cluster: Cluster) -> None:
        refused = refusal(self._experiment.name, self._experiment.needs, cluster)
        if refused:
            raise SetupError(refused)

    async def _launch(self, record: Record, cluster: Cluster, attendant: Attendant) -> RunningAgent:
        spec = agent_spec(self._spec, self._scenario, attendant.members)
        record.manifest(**manifest(self._spec, self._scenario, self._experiment, spec))
        attendant.agent = await cluster.launch(spec)
        return attendant.agent

    def _opened(self, record: Record, scene: Scene, agent: RunningAgent, observed: Observed) -> Session:
        return Session(
            scenario=self._scenario,
            expects=self._experiment.expects,
            scene=scene,
            agent=agent,
            observed=observed,
            events=record.host,
            tell=self._tell,
            loop=asyncio.get_running_loop(),
        )

    async def _measured(self, record: Record, session: Session) -> None:
        self._session = session
        try:
            with record.at(3, "healthy") as said:
                await steps.healthy(session, record, said)
            with record.at(4, "baseline") as said:
                await steps.baseline(session, record, said)
            with record.at(5, "wait") as said:
                await steps.random_wait(session, self._spec.seed, said)
            with record.at(6, "experiment"):
                await self._play(session, record)
            with record.at(7, "watch"):
                await steps.watch(session)
            with record.at(8, "audit"):
                await steps.audit(session)
        finally:
            self._shielded = True
            await steps.undo(session)

    async def _play(self, session: Session, record: Record) -> None:
        """An interruption ends the activities, not this: what chaostoolkit says of it is kept too."""
        self._shielded = True
        with opened(session):
            journal = await self._player(self._experiment, session)
        self._shielded = False
        record.journal(journal)
        if session.interrupted:
            raise asyncio.CancelledError
        if session.failure is not None:
            raise session.failure
        play.check(journal, self._experiment)
