"""Can this trial be believed? What the harness itself did wrong or could not see, each as a `Doubt`.

A doubt that gates makes its path, or the trial, inconclusive. The system's own slowness, retries and second failovers
are results and no doubts.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise

from chaos.analysis.history import Fact, History
from chaos.analysis.losses import phantoms, why_undecided
from chaos.analysis.outcomes import acknowledged_by_replicas
from chaos.analysis.paths import Path
from chaos.analysis.result import Doubt, Failover
from chaos.analysis.stalls import long_stalls, waited_s

STEP_S = 0.05
"""A wall clock that jumps by more than this is worth telling."""
BUSY_PERCENT = 80.0
"""CPU pressure from which the machine may explain what the system is blamed for."""
SILENCE_S = 3.0
"""Of an agent that reports every second."""
EARLY_S = -0.5
"""An operation that was under way at the effect was sent later than this, whatever the deadline in use."""


def doubts(history: History, paths: list[Path], failovers: tuple[Failover, ...]) -> tuple[Doubt, ...]:
    """Everything that is to be said against a trial, the gating ones first."""
    found = [doubt for check in CHECKS for doubt in check(history)]
    found += [doubt for check in FAILOVER_CHECKS for doubt in check(history, paths, failovers)]
    return tuple(sorted(found, key=lambda doubt: not doubt.gates))


def unfinished(history: History) -> Iterable[Doubt]:
    closed = history.recording.closed
    if closed is None:
        yield gating("cut off", f"the trial was cut off {where(history)}")
    elif closed.get("ended") != "complete":
        error = f": {closed['error']}" if closed.get("error") else ""
        yield gating("cut off", f"the trial ended {closed.get('ended')} at step {closed.get('step')}{error}")


def where(history: History) -> str:
    """At which step a trial without a close marker died."""
    steps = [fact.fields for fact in history.facts("step")]
    return f"in step {steps[-1].get('number')}, {steps[-1].get('name')}" if steps else "before its first step"


def unproved(history: History) -> Iterable[Doubt]:
    """A fault without a stamp of its effect, or without proof, is none."""
    failed = history.first("fault.unproved")
    if history.first("fault.requested") is None:
        yield gating("no fault", "no fault was requested")
    elif failed:
        yield gating("fault unproved", f"the fault is not proved: {failed.get('evidence')}")
    elif history.effect_s is None:
        yield gating("fault unproved", "nothing says when the fault took effect")
    elif history.first("fault.confirmed") is None:
        yield gating("fault unproved", "the fault was never confirmed")


def undone(history: History) -> Iterable[Doubt]:
    """A fault that ended before we asked was not held as the experiment says: the host was silent, or a helper died."""
    for fact in history.facts("fault.undone"):
        what, because = fact.get("what"), fact.get("because")
        yield gating("fault undone", f"the {what} was undone {fact.latest_s:.1f} s after the fault, unasked: {because}")


def clocks(history: History) -> Iterable[Doubt]:
    for domain, count in sorted(history.unplaced.items()):
        yield gating("clock", f"{count} events of {domain} cannot be placed: its clock's offset is not known")
    for domain in sorted(history.clocks.claimed):
        yield gating("clock", f"two writers stamp for {domain}, and their clocks are not one: one of them was moved")
    if history.ops.unplaced:
        yield gating(
            "clock", f"{history.ops.unplaced} operations cannot be placed: their clock is not the one they name"
        )
    step_s = history.clocks.step_ns() / 1e9
    if step_s > STEP_S:
        yield remark("clock", f"the wall clock jumped by {step_s:.3f} s; log lines are placed with that error")


def agent(history: History) -> Iterable[Doubt]:
    """The agent tells of its hiccups once a second: where it did not, and had not stalled, it was not there."""
    if history.started_s is None:
        yield gating("no load", "the clients were never started")
        return
    told = [fact.latest_s for fact in history.facts("hiccups") if fact.latest_s >= history.started_s]
    stalls = long_stalls(history)
    for begin_s, end_s in pairwise(sorted([history.started_s, *told, history.end_s])):
        stalled_s = sum(max(0.0, min(end, end_s) - max(begin, begin_s)) for begin, end in stalls)
        if end_s - begin_s - stalled_s > SILENCE_S:
            yield gating("agent silent", f"the agent was silent from {begin_s:.1f} to {end_s:.1f} s")


def losses(history: History) -> Iterable[Doubt]:
    undecided = why_undecided(history)
    if undecided:
        yield gating("losses undecided", undecided)
    found = phantoms(history)
    if found:
        yield gating("outcomes", f"{found} operations that were called surely not applied are there")
    impossible = acknowledged_by_replicas(history)
    if impossible:
        yield gating("outcomes", f"{impossible} operations are called ok, and only a replica can have answered them")


def lag(history: History) -> Iterable[Doubt]:
    late = [end - begin for begin, end in long_stalls(history) if end > (history.started_s or 0)]
    if late:
        text = f"the agent stalled {len(late)} times by half the deadline or more, {max(late):.3f} s at worst"
        yield remark("lag", text)


def machine(history: History) -> Iterable[Doubt]:
    busy = [
        fact.get("some10") for fact in history.facts("pressure") if fact.latest_s > 0 and fact.get("some10") is not None
    ]
    if busy and max(busy) > BUSY_PERCENT:
        yield remark("machine", f"tasks waited for a CPU {max(busy):.0f} % of the time at worst")
    kept_s = waited_s(history, (0.0, history.end_s))
    if kept_s is not None and kept_s > history.deadline_s / 2:
        yield remark("machine", f"members waited {kept_s:.2f} s for a core, added up")
    if any(fact.get("counted") is False for fact in history.facts("waits")):
        yield remark("machine", "this kernel does not count how long a process waits for a core")


def gaps(history: History) -> Iterable[Doubt]:
    by_source: dict[str, list[Fact]] = {}
    for gap in history.facts("gap"):
        if gap.latest_s > 0:
            by_source.setdefault(str(gap.get("source")), []).append(gap)
    for source, found in sorted(by_source.items()):
        yield remark("gap", _silences(source, found))


def began_early(history: History, _paths: list[Path], failovers: tuple[Failover, ...]) -> Iterable[Doubt]:
    """A failover that was under way before the effect is not the fault's."""
    for failover in failovers:
        at = failover.milestones["try_failover"].latest_s
        if at is not None and (history.started_s or 0) < at < 0:
            yield gating(
                "failover before effect", f"a failover (epoch {failover.epoch}) began {-at:.1f} s before the fault"
            )


def expected(history: History, paths: list[Path], failovers: tuple[Failover, ...]) -> Iterable[Doubt]:
    """What the experiment says its fault brings. A fault that should have an effect and has none is no measurement."""
    mine = [failover for failover in failovers if _after_effect(failover)]
    hit = any(each.seen or each.durable for path in paths for each in path.windows)
    if history.expects == "nothing":
        yield from changed(history, mine)
    elif not mine and not hit:
        yield gating("no effect", f"the fault should bring {_wanted(history)}; nothing happened")
    elif history.expects in ("detected", "requested") and mine and mine[0].kind != history.expects:
        text = f"the fault should bring a {history.expects} failover; it was a {mine[0].kind} one"
        yield gating("another failover", text)


def changed(history: History, failovers: list[Failover]) -> Iterable[Doubt]:
    """The control's proof: no process, role, label or endpoint changed."""
    if failovers:
        yield gating("not the control", f"{len(failovers)} failovers happened though nothing was done")
    for kind, key, values in _STEADY:
        for name, (before, after) in _differences(history, kind, key, values).items():
            text = f"{kind} of {name} changed though nothing was done: {before} became {after}"
            yield gating("not the control", text)


def path_baselines(_history: History, paths: list[Path], _failovers: tuple[Failover, ...]) -> Iterable[Doubt]:
    for path in paths:
        if path.is_meter and path.baseline.state == "unproved":
            yield Doubt(name="baseline unproved", text=path.baseline.why, gates=True, path=path.name)
        early = [each for each in path.windows for window in each.seen[:1] if window.onset_s[1] < EARLY_S]
        if path.works and early:
            yield Doubt(name="baseline", text="it was out before the fault took effect", gates=True, path=path.name)


def gating(name: str, text: str) -> Doubt:
    return Doubt(name=name, text=text, gates=True)


def remark(name: str, text: str) -> Doubt:
    return Doubt(name=name, text=text, gates=False)


def _wanted(history: History) -> str:
    return "a failover" if history.expects == "any" else f"a {history.expects} failover"


def _after_effect(failover: Failover) -> bool:
    at = failover.milestones["try_failover"].latest_s
    return at is not None and at > 0


def _silences(source: str, gaps: list[Fact]) -> str:
    """A gap may be told twice: when it is noticed, and whole when it is over."""
    whole = {gap.earliest_s: gap for gap in gaps}
    longest = max(whole.values(), key=lambda gap: gap.latest_s - gap.earliest_s)
    span = f"from {longest.earliest_s:.1f} to {longest.latest_s:.1f} s"
    times = "" if len(whole) == 1 else f"{len(whole)} times, longest "
    return f"{source} was silent {times}{span}: {gaps[0].get('text')}"


def _differences(history: History, kind: str, key: str, values: tuple[str, ...]) -> dict[str, tuple[object, object]]:
    """Whose values after t = 0 are not those before, by name."""
    before: dict[str, object] = {}
    found: dict[str, tuple[object, object]] = {}
    for fact in history.facts(kind):
        name, state = str(fact.get(key)), _comparable([fact.get(value) for value in values])
        if fact.latest_s <= 0:
            before[name] = state
        elif before.get(name, state) != state:
            found.setdefault(name, (before[name], state))
    return found


def _comparable(values: list[object]) -> object:
    """Endpoints without their order."""
    return [sorted(map(str, value)) if isinstance(value, list) else value for value in values]


_STEADY = (
    ("pod", "name", ("uid", "role", "restarts", "gone")),
    ("role", "member", ("run_id", "role", "master")),
    ("endpoints", "service", ("endpoints",)),
    ("proxy.servers", "proxy", ("servers",)),
)

CHECKS: tuple[Callable[[History], Iterable[Doubt]], ...] = (
    unfinished,
    unproved,
    undone,
    clocks,
    agent,
    losses,
    lag,
    machine,
    gaps,
)
FAILOVER_CHECKS: tuple[Callable[[History, list[Path], tuple[Failover, ...]], Iterable[Doubt]], ...] = (
    began_early,
    expected,
    path_baselines,
)
