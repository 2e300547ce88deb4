"""One trial, as a list of numbered steps.

1. Check the experiment against what the cluster can do.
2. Write the manifest and launch the agent, which observes from its start.
3. Wait until the system is healthy, and write its effective settings.
4. Start the clients, warm up, and measure the baseline of each path.
5. Wait a random time, by the trial's seed.
6. Play the experiment: steady state, fault and its proof, waits, rollback.
7. Watch on, then stop the clients.
8. Heal everything, and audit the data.

At whichever step the trial ends, every fault is undone, our own objects are removed, and the directory records the
step. The campaign analyses the trial later, from its files only.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from chaos.agent.orders import AUDIT, START, STOP
from chaos.clock import AGENT, HOST, identity, mono_ns
from chaos.cluster.base import refusal
from chaos.cluster.health import DESCRIBED_S, Facts, final, master, settings, silent, summary, to_audit
from chaos.errors import (
    CrowdedError,
    FaultError,
    InterruptedTrial,
    NeverHealthyError,
    RecordingError,
    SetupError,
    worst,
)
from chaos.experiment import play, recovery, written
from chaos.experiment.observed import LATE, Baseline, Crowded, Observed
from chaos.experiment.play import Journal
from chaos.experiment.session import HEAL_S, Session, opened
from chaos.experiment.written import Experiment
from chaos.fault.aim import Scene
from chaos.model import ErrorCode
from chaos.progress import Message, Tell, Tells
from chaos.record.events import Audit, ClientsStarted, ClientsStopped, Event, RandomWait, WatchBegin, WatchEnd
from chaos.scenario import Scenario
from chaos.trial.assignment import TrialSpec, agent_spec, manifest
from chaos.trial.record import Attendant, Record
from chaos.undo import UndoJournal
from chaos.until import until

STARTED_S, STOPPED_S, AUDIT_S, CLOSE_S = 60.0, 20.0, 60.0, 60.0
"""How long the agent may take to start its clients, to stop them, to read every key back, and to end."""
MASTER_S = 60.0
"""How long an audit waits, after healing, for a single master."""
WARM_UP_SHARE = 0.2
"""How long clients run before the baseline, as a share of its length: 2 s for 10 s."""
DEADLINES_S = (0.1, 0.2, 0.5)
"""If operations of a calm system are late with the scenario's deadline, the next longer one of these is used."""

Player = Callable[[Experiment, Session], Awaitable[Journal]]
"""Plays an experiment in chaoslib's thread, and returns its journal."""


class Trial:
    """One trial. Call `run` once. `interrupt` may be called at any time and from any thread."""

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
        """Play the trial.

        Raises the harness's failure, or InterruptedTrial. A failure of the system is recorded and not raised.
        """
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
        """End the trial early: the fault is undone at once, and everything else in order.

        A second call changes nothing.
        """
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
        """Cancel the trial, but not while chaostoolkit plays or while faults are undone.

        chaostoolkit's activities end by themselves.
        """
        if self._task is not None and not self._shielded:
            self._task.cancel()

    async def _connected(self, record: Record) -> None:
        connect = import_module(self._spec.ref["module"]).connect
        async with connect(self._spec.ref, self._scenario, record.directory) as cluster:
            with record.at(1, "check"):
                refused = refusal(self._experiment.name, self._experiment.needs, cluster)
                if refused:
                    raise SetupError(refused)
            journal = UndoJournal(Path(self._spec.run), record.directory.name, cluster.keep)
            scene = Scene(cluster, Facts(), record.faults, journal)
            observed = Observed(record.directory, scene.facts, self._tell)
            scene.look, scene.at_host = observed.follow, observed.at_host
            record.subscribe(observed.take)
            async with Attendant(cluster, record, self._fail) as attendant:
                with record.at(2, "agent"):
                    spec = agent_spec(self._spec, self._scenario, attendant.members)
                    record.manifest(**manifest(self._spec, self._scenario, self._experiment, spec))
                    attendant.agent = agent = await cluster.launch(spec)
                    scene.clients = agent.address
                session = Session(
                    scenario=self._scenario,
                    expects=self._experiment.expects,
                    scene=scene,
                    agent=agent,
                    observed=observed,
                    events=record.host,
                    tell=self._tell,
                    loop=asyncio.get_running_loop(),
                    seed=self._spec.seed,
                )
                await self._measured(record, session)

    async def _measured(self, record: Record, session: Session) -> None:
        self._session = session
        try:
            with record.at(3, "healthy") as said:
                await healthy(session, record, said)
            with record.at(4, "baseline") as said:
                await baseline(session, record, said)
            with record.at(5, "wait") as said:
                await random_wait(session, self._spec.seed, said)
            with record.at(6, "experiment"):
                await self._play(session, record)
            with record.at(7, "watch"):
                await watch(session)
            with record.at(8, "audit"):
                await audit(session)
        finally:
            self._shielded = True
            await undo(session)

    async def _play(self, session: Session, record: Record) -> None:
        """Play the experiment. An interruption ends its activities, and the journal is kept all the same.

        Raises CrowdedError if the steady state was not met on a crowded machine: clients are late there, and a later
        trial may find the machine calm.
        """
        self._shielded = True
        begun_ns = mono_ns()
        with opened(session):
            journal = await self._player(self._experiment, session)
        self._shielded = False
        record.journal(journal)
        if session.interrupted:
            raise asyncio.CancelledError
        if session.failure is not None:
            raise session.failure
        unmet = play.unmet(journal, self._experiment)
        least_ns = round(session.scenario.deadline / 2 * 1e9)
        crowded = session.observed.crowding.since(begun_ns - recovery.FRESH_NS, mono_ns(), least_ns)
        if unmet and crowded.at_all:
            raise CrowdedError(f"{unmet}; the machine was too crowded to measure: {crowded.sentence}")
        play.check(journal, self._experiment)


async def healthy(session: Session, record: Record, said: list[str]) -> None:
    """Wait until the system is healthy. Describe each member that does not answer for DESCRIBED_S.

    Raises SetupError with what is still wrong at the limit, and NeverHealthyError as soon as waiting cannot help.
    """
    begun_ns, told = mono_ns(), False
    facts, directory = session.scene.facts, record.directory

    async def looked() -> bool:
        await recovery.look(session)
        wrong = recovery.sick(session)
        if wrong:
            waited_s = (mono_ns() - begun_ns) / 1e9
            session.tell(Message(Tell.WAITING, {"name": "healthy", "text": wrong[0], "seconds": waited_s}))
            if stays := list(final(facts, session.scenario.system)):
                raise NeverHealthyError(f"the system cannot become healthy: {'; '.join(stays)}")
            nonlocal told
            if waited_s >= DESCRIBED_S and not told:
                told = True
                for one in silent(facts, directory):
                    session.note(f"does not answer yet: {one}")
        return not wrong

    def sentence() -> str:
        return f"the system is not healthy: {'; '.join([*recovery.sick(session), *silent(facts, directory)])}"

    await until(looked, within_s=session.scenario.limits.healthy, because=sentence, every_s=recovery.LOOK_S)
    record.settings(settings(session.scene.facts))
    said.append(summary(session.scene.facts))


async def baseline(session: Session, record: Record, said: list[str]) -> None:
    """Start the clients, and measure the baseline of each path.

    If the load is too heavy for the machine, the number of meters per path is halved first, because a longer deadline
    makes every figure less exact. Raises SetupError if no path works, since nothing can be measured then, or
    CrowdedError if the machine is the cause.
    """
    deadline_s, most = session.scenario.deadline, None
    driven = await _driven(session, deadline_s, most)
    while driven.crowded.by_stalls and (fewer := _halved(session, most)):
        most = fewer
        session.note(f"the load is too heavy: {driven.crowded.sentence}; now at most {most} meters of each path run")
        driven = await _driven(session, deadline_s, most)
    late = sorted(path for path, one in driven.paths.items() if one.is_late)
    longer_s = next((one for one in DEADLINES_S if one > deadline_s), None)
    if late and longer_s is not None:
        session.note(
            f"late at {deadline_s * 1000:g} ms in a calm system: {', '.join(late)}; now {longer_s * 1000:g} ms"
        )
        deadline_s = longer_s
        driven = await _driven(session, deadline_s, most)
    found = driven.paths
    poor = set()  # a path that never worked is named once, not for new and kept connections each
    for path, one in found.items():
        name = path.partition("/")[0]
        client = session.scenario.clients[name]
        if not one.works:
            poor.add(f"{client.about or name} ({client.address or client.sentinel}) {one.sentence}")
    for sentence in sorted(poor):
        session.note(sentence)
    session.proven = frozenset(path for path, one in found.items() if one.works)
    if not session.proven:
        raise _none_works(session.scenario, driven)
    domains = {HOST: identity(), AGENT: session.observed.identities.get(AGENT, {})}
    record.manifest(deadline_s=deadline_s, domains=domains)
    said.extend(f"{path} {one.good} of {one.good + one.bad}" for path, one in found.items())


class Driven(NamedTuple):
    """How the paths and the machine fared during a baseline."""

    paths: dict[str, Baseline]
    crowded: Crowded


def _halved(session: Session, most: int | None) -> int | None:
    """Return half as many meters per path, or None if there is only one already."""
    now = most or max((one.count for one in session.scenario.clients.values() if not one.is_application), default=1)
    return (now + 1) // 2 if now > 1 else None


def _none_works(scenario: Scenario, driven: Driven) -> SetupError:
    """Return the error for a system in which no path works, with figures, and with the cause: machine or system."""
    met: Counter[ErrorCode] = sum((one.errors for one in driven.paths.values()), Counter())
    good, bad = sum(one.good for one in driven.paths.values()), met.total()
    each = ", ".join(f"{count} {code.words}" for code, count in met.most_common())
    late = sum(met[code] for code in LATE)
    crowded = driven.crowded.at_all and 2 * late > bad
    if crowded:
        why = f"the machine was too crowded to measure: {driven.crowded.sentence}"
    elif 2 * late > bad:
        why = f"the system did not answer in time, and the machine was not crowded: {driven.crowded.sentence}"
    else:
        asked = {name: one.address or one.sentinel for name, one in scenario.clients.items()}
        at = [f"{asked[path.partition('/')[0]]}: {one.error.sentence}" for path, one in driven.paths.items()]
        why = f"{'; '.join(dict.fromkeys(at))}; {driven.crowded.sentence}"
    operations = f"{good} of {good + bad} operations were good ({each or 'none was decided'})"
    return (CrowdedError if crowded else SetupError)(f"no path to the master works: {operations}; {why}")


async def _driven(session: Session, deadline_s: float, most: int | None) -> Driven:
    """Run the clients with this deadline and at most `most` meters per path, and return how a baseline went.

    Only stalls of the agent of at least half the deadline count, because shorter ones do not make an operation late.
    """
    await _ask(session, START, {"deadline_s": deadline_s, "most": most}, ExpectedAnswer(ClientsStarted, STARTED_S))
    seconds = session.scenario.limits.baseline
    await recovery.wait(session, WARM_UP_SHARE * seconds)
    begun_ns, since_ns = mono_ns(), session.observed.now_at_agent()
    await recovery.wait(session, seconds)
    crowded = session.observed.crowding.since(begun_ns, mono_ns(), round(deadline_s / 2 * 1e9))
    return Driven(session.observed.baselines(since_ns), crowded)


async def random_wait(session: Session, seed: int, said: list[str]) -> None:
    """Wait a random part of the operator's period.

    Systems tend to become healthy just after an operator's reconcile.
    """
    period_s = session.scenario.system.period
    seconds = random.Random(seed).uniform(0.0, period_s)
    session.events.write(RandomWait(seconds=seconds, period_s=period_s))
    await recovery.wait(session, seconds)
    said.append(f"{seconds:.1f} s of at most {period_s:g} s, by seed {seed}")


async def watch(session: Session) -> None:
    """Watch on after recovery, so that a second outage is recorded to its end. Then stop the clients."""
    begun_ns = session.recovered_ns or mono_ns()
    session.events.write(WatchBegin(), at_ns=begun_ns)
    await recovery.wait(session, session.scenario.limits.watch - (mono_ns() - begun_ns) / 1e9)
    await recovery.recovered(session)
    session.events.write(WatchEnd())
    await stop_clients(session)


async def stop_clients(session: Session) -> None:
    """Tell the agent to stop its clients. Running operations complete or time out."""
    counts = session.observed.counts
    if counts[ClientsStarted] > counts[ClientsStopped]:
        await _ask(session, STOP, {}, ExpectedAnswer(ClientsStopped, STOPPED_S))


async def audit(session: Session) -> None:
    """Heal, and read every key back from the master that a majority of Sentinels names.

    There should soon be a single master. If several remain, and no majority of Sentinels names one, all are read. If
    there is none, losses stay undecided.
    """
    await session.heal()

    async def one_master() -> bool:
        await recovery.look(session)
        return master(session.scene.facts) is not None

    within_s = min(MASTER_S, session.scenario.limits.recovery)
    with suppress(SetupError):  # without a single master, several or none are audited
        await until(one_master, within_s=within_s, because="no single master", every_s=recovery.LOOK_S)
    chosen = to_audit(session.scene.facts)
    if not chosen:
        session.note(f"no audit: no Redis says within {within_s:g} s that it is master")
        return
    if len(chosen) > 1:
        names = ", ".join(one.name for one in chosen)
        session.note(f"no majority of Sentinels names one master, so that each is audited: {names}")
    try:
        await _ask(session, AUDIT, {"addresses": [one.ip_port for one in chosen]}, ExpectedAnswer(Audit, AUDIT_S))
    except SetupError as error:
        session.note(f"no audit: {error}")


async def undo(session: Session) -> None:
    """Undo the faults, stop the clients, fetch the rest of the recording, and remove the agent. Each step is tried."""
    problems: list[Exception] = []
    parts = (
        (session.heal, HEAL_S, FaultError, "a fault could not be undone"),
        (partial(stop_clients, session), STOPPED_S, SetupError, "the clients could not be stopped"),
        (session.agent.close, CLOSE_S, SetupError, "the agent could not be removed"),
    )
    for part, within_s, error, sentence in parts:
        try:
            async with asyncio.timeout(within_s):
                await part()
        except Exception as problem:  # noqa: BLE001  # every part has its turn; all are raised together
            late = f"not within {within_s:g} s{session.scene.journal.by_hand}"
            because = f"{sentence}: {str(problem) or late}"
            problems.append(problem if isinstance(problem, RecordingError) else error(because))
    if problems:
        raise ExceptionGroup("not everything could be undone", problems)


class ExpectedAnswer(NamedTuple):
    """The event by which the agent confirms a request, and how long that may take."""

    kind: type[Event]
    within_s: float


async def _ask(session: Session, file: str, data: dict[str, Any], answer: ExpectedAnswer) -> None:
    """Write a control file for the agent. Raises SetupError if the agent is gone or does not confirm in time."""
    before = session.observed.counts[answer.kind]
    await session.agent.put(file, json.dumps(data))

    async def answered() -> bool:
        await recovery.look(session)
        return session.observed.counts[answer.kind] > before

    because = f"the agent has not said {answer.kind.kind}"
    await until(answered, within_s=answer.within_s, because=because, every_s=recovery.LOOK_S)
