"""Checks whether a trial can be believed. A `Doubt` says what the harness itself did wrong or could not see.

A doubt that voids makes its path, or the whole trial, inconclusive. A system that is slow, retries or fails over twice
is a result, not a doubt.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from chaos.analysis.history import Fact, History
from chaos.analysis.interval import Interval
from chaos.analysis.lateness import stalls, waited_s
from chaos.analysis.losses import phantoms
from chaos.analysis.measured import Measured
from chaos.analysis.result import Doubt
from chaos.analysis.sentinels import called_down
from chaos.model import Outcome
from chaos.record.events import (
    ClientsStarted,
    Endpoints,
    Event,
    FaultUndone,
    Gap,
    Hiccups,
    NodeSeen,
    Pod,
    Pressure,
    ProxyServers,
    Role,
    RoleLost,
    Step,
    Waits,
)

STEP_S = 0.05
"""A jump of the wall clock by more than this many seconds is mentioned."""
BUSY_PERCENT = 80.0
"""If the CPU pressure is higher than this, in per cent, the machine may cause what the system is blamed for."""
SILENCE_S = 3.0
"""An agent reports every second. If it reports nothing for longer than this many seconds, it was not there."""
LATE_S = 0.05
"""How many seconds late a process may wake up on a machine that has a core for it."""
TOGETHER_S = 1.5
"""Two records of a role, which come every second, say nothing of the time between them if it is longer than this."""


def doubts(measured: Measured) -> tuple[Doubt, ...]:
    """Return every doubt about a trial. The doubts that void it come first."""
    found = [doubt for check in CHECKS for doubt in check(measured)]
    return tuple(sorted(found, key=lambda doubt: not doubt.voids))


def unfinished(measured: Measured) -> Iterator[Doubt]:
    """Void a trial that was not played to its end."""
    closed = measured.history.recording.closed
    if closed is None:
        yield _void("cut off", f"the trial was cut off {where(measured.history)}")
    elif closed.get("ended") != "complete":
        error = f": {closed['error']}" if closed.get("error") else ""
        yield _void("cut off", f"the trial ended {closed.get('ended')} at step {closed.get('step')}{error}")


def where(history: History) -> str:
    """Return in which step a trial without a close marker ended."""
    steps = history.facts(Step)
    return f"in step {steps[-1].event.number}, {steps[-1].event.name}" if steps else "before its first step"


def unproved(measured: Measured) -> Iterator[Doubt]:
    """Doubt a fault if nothing proves that it took effect, or when."""
    if not measured.history.faults and measured.history.onset is None:
        yield _void("no fault", "no fault was requested")
    for fault in measured.history.faults:
        if fault.unproved:
            yield _void("fault unproved", f"the {fault.name} is not proved: {fault.unproved}")
        elif fault.effect_s is None:
            yield _void("fault unproved", f"nothing says when the {fault.name} took effect")
        elif fault.confirmed_s is None:
            yield _void("fault unproved", f"the {fault.name} was never confirmed")


def undone(measured: Measured) -> Iterator[Doubt]:
    """Doubt a fault that was undone before we asked for it, because the host was silent or a helper died."""
    for fact in measured.history.facts(FaultUndone):
        what, because = fact.event.what, fact.event.because
        yield _void("fault undone", f"the {what} was undone {fact.latest_s:.1f} s after the fault, unasked: {because}")


def clocks(measured: Measured) -> Iterator[Doubt]:
    """Doubt stamps that cannot be placed on the host's clock, and mention a wall clock that jumped."""
    history = measured.history
    for domain, count in sorted(history.unplaced.items()):
        yield _void("clock", f"{count} events of {domain} cannot be placed: its clock's offset is not known")
    for domain in sorted(history.clocks.claimed):
        yield _void("clock", f"two writers stamp for {domain}, and their clocks are not one: one of them was moved")
    if history.ops.unplaced:
        yield _void(
            "clock", f"{history.ops.unplaced} operations cannot be placed: their clock is not the one they name"
        )
    step_s = history.clocks.step_ns() / 1e9
    if step_s > STEP_S:
        yield _remark("clock", f"the wall clock jumped by {step_s:.3f} s; log lines are placed with that error")


def agent(measured: Measured) -> Iterator[Doubt]:
    """Doubt a time in which the agent was silent and did not stall. It reports its hiccups every second."""
    history = measured.history
    if history.started_s is None:
        yield _void("no load", "the clients were never started")
        return
    told = [fact.latest_s for fact in history.facts(Hiccups) if fact.latest_s >= history.started_s]
    stalled = stalls(history)
    for begin_s, end_s in pairwise(sorted([history.started_s, *told, history.end_s])):
        stalled_s = sum(max(0.0, min(stall.most, end_s) - max(stall.least, begin_s)) for stall in stalled)
        if end_s - begin_s - stalled_s > SILENCE_S:
            yield _void("agent silent", f"the agent was silent from {begin_s:.1f} to {end_s:.1f} s")


def outcomes(measured: Measured) -> Iterator[Doubt]:
    """Doubt the recorded outcomes if the audit or the roles of the Redis contradict them."""
    history = measured.history
    found = phantoms(history)
    if found:
        yield _void("outcomes", f"{found} operations that were called surely not applied are there")
    impossible = acknowledged_by_replicas(history)
    if impossible:
        yield _void("outcomes", f"{impossible} operations are called ok, and only a replica can have answered them")


def acknowledged_by_replicas(history: History) -> int:
    """Count the operations that are recorded as ok although only a replica can have answered them.

    A replica with default settings acknowledges no write. A process that said just before and just after an operation
    that it is a replica was one in between.
    """
    ops = history.ops
    ok = ops.outcome == Outcome.OK
    count = 0
    for seen in history.facts(NodeSeen):
        mine = ok & (ops.node == seen.event.index)
        said = [fact for fact in history.facts(Role) if fact.event.run_id == seen.event.run_id]
        spells: list[Interval] = []
        for one, other in pairwise(said if mine.any() else []):
            if one.event.role == other.event.role == "slave" and other.latest_s - one.latest_s < TOGETHER_S:
                follows = bool(spells) and one.earliest_s - spells[-1].most <= TOGETHER_S
                begin_s = spells.pop().least if follows else one.latest_s
                spells.append(Interval(begin_s, other.earliest_s))
        count += sum(int((mine & (ops.sent_s > it.least) & (ops.done_s < it.most)).sum()) for it in spells)
    return count


def lag(measured: Measured) -> Iterator[Doubt]:
    """Mention the agent's stalls."""
    late = [stall.width for stall in stalls(measured.history) if stall.most > (measured.history.started_s or 0)]
    if late:
        text = f"the agent stalled {len(late)} times by half the deadline or more, {max(late):.3f} s at worst"
        yield _remark("lag", text)


def fewer(measured: Measured) -> Iterator[Doubt]:
    """Mention that the machine could not bear the load, so that some meters were left out.

    What the other meters measured is right.
    """
    starts = [fact for fact in measured.history.facts(ClientsStarted) if fact.earliest_s <= 0]
    left_out = len(starts[-1].event.left_out) if starts else 0
    if left_out:
        ran = len([client for client in measured.history.clients.values() if client.kind == "meter"])
        text = f"the load was too heavy for this machine: {ran} of {ran + left_out} meters ran"
        yield _remark("fewer meters", text)


def machine(measured: Measured) -> Iterator[Doubt]:
    """Mention how long tasks and members waited for a CPU."""
    history = measured.history
    after = (fact.event.some10 for fact in history.facts(Pressure) if fact.latest_s > 0)
    busy = [percent for percent in after if percent is not None]
    if busy and max(busy) > BUSY_PERCENT:
        yield _remark("machine", f"tasks waited for a CPU {max(busy):.0f} % of the time at worst")
    kept_s = waited_s(history, Interval(0.0, history.end_s))
    if kept_s is not None and kept_s > history.deadline_s / 2:
        yield _remark("machine", f"members waited {kept_s:.2f} s for a core, added up")
    if any(not fact.event.counted for fact in history.facts(Waits)):
        yield _remark("machine", "this kernel does not count how long a process waits for a core")


def gaps(measured: Measured) -> Iterator[Doubt]:
    """Mention which sources were silent after t = 0, and for how long."""
    by_source: dict[str, list[Fact[Gap]]] = {}
    for gap in measured.history.facts(Gap):
        if gap.latest_s > 0:
            by_source.setdefault(gap.event.source, []).append(gap)
    for source, found in sorted(by_source.items()):
        whole = {gap.earliest_s: gap for gap in found}  # a gap is written when it is noticed, and again when it is over
        longest = max(whole.values(), key=lambda gap: gap.latest_s - gap.earliest_s)
        times = "" if len(whole) == 1 else f"{len(whole)} times, longest "
        span = f"from {longest.earliest_s:.1f} to {longest.latest_s:.1f} s"
        yield _remark("gap", f"{source} was silent {times}{span}: {found[0].event.text}")


def began_early(measured: Measured) -> Iterator[Doubt]:
    """Doubt a trial if a failover began before the fault took effect, because the fault did not cause that failover."""
    history = measured.history
    if history.onset is not None:
        return  # a watched system has no fault of ours, and its trial may begin with a failover
    for attempt in measured.attempts:
        at_s = attempt.started.at_s.most
        if (history.started_s or 0) < at_s < history.first_effect_s:
            text = f"a failover (epoch {attempt.epoch}) began {-at_s:.1f} s before the fault"
            yield _void("failover before effect", text)


def out_before(measured: Measured) -> Iterator[Doubt]:
    """Mention outages before the fault, which the fault did not cause."""
    for path in measured.working:
        for window in path.windows:
            if window.when == "before" and window.kind == "seen":
                text = f"it was out for {window.length_s.middle:.2f} s, {-window.onset_s.middle:.1f} s before the fault"
                yield Doubt(name="out before", text=text, voids=False, path=path.name)


def path_baselines(measured: Measured) -> Iterator[Doubt]:
    """Doubt a path whose baseline proves nothing, and the trial if no path's baseline proves anything."""
    meters = [path for path in measured.paths.values() if not path.application]
    for path in meters:
        if path.state == "unproved":
            yield Doubt(name="baseline unproved", text=path.state_why, voids=True, path=path.name)
    if meters and all(path.state == "unproved" for path in meters):
        yield _void("baseline unproved", "no path's baseline is proved, so nothing can be held against it")


SLOWED = ("link", "starve")
"""Faults that are proved by a reply that came late. A system that shows no other consequence has kept its promise."""


def no_consequence(measured: Measured) -> Iterator[Doubt]:
    """Doubt a fault if no source saw any consequence of it, and a control in which anything changed."""
    history = measured.history
    if history.onset is not None and history.expects != "nothing":
        return  # the trial of a watched system begins with the first consequence
    changes = list(_changes(history))
    if history.expects == "nothing":
        for text in [] if measured.after_effect else changes:
            yield _void("not the control", f"{text}, though nothing was done")
    elif not (
        changes
        or measured.after_effect
        or any(path.windows for path in measured.paths.values())
        or any(fault.name in SLOWED and fault.confirmed_s is not None for fault in history.faults)
        or any(fact.latest_s > 0 for fact in history.facts(RoleLost))
        or any(said.at_s.most > 0 for said in called_down(measured.said, "sdown").values())
        or any(said.channel == "+reset-master" and said.at_s.most > 0 for said in measured.said)
    ):
        yield _void("no effect", "no source saw any consequence of the fault")


def known_outage(measured: Measured) -> Iterator[Doubt]:
    """Doubt a path's measurement if a master slept for a known time and no outage of that length was measured.

    DEBUG SLEEP lasts as long as the fault asked, and longer only by what members waited for a core. A master that was
    replaced is not checked.
    """
    history = measured.history
    slept = [fault for fault in history.faults if fault.name == "slow" and fault.confirmed_s is not None]
    if len(history.faults) != 1 or not slept or not slept[0].is_origin or measured.after_effect:
        return
    told_s = float(slept[0].arguments["seconds"])
    late_s = waited_s(history, Interval(0.0, told_s + LATE_S)) or 0.0
    known_s = Interval(told_s, told_s + late_s + LATE_S)
    for path in measured.working:
        lengths = [window.length_s for window in path.windows if window.when != "before"]
        if not any(length.overlaps(known_s) for length in lengths):
            found = " and ".join(f"{one.least:.2f} to {one.most:.2f} s" for one in lengths) or "no outage"
            text = f"the master slept for {told_s:g} s and was not replaced, and of {path.name} {found} was measured"
            yield _void("known outage", text)


def _changes(history: History) -> Iterator[str]:
    """Yield a sentence for each process, role, label and endpoint that changed after t = 0."""
    for kind, name_of, values_of in STEADY:
        before: dict[str, object] = {}
        told: set[str] = set()
        for fact in history.facts(kind):
            name, state = name_of(fact.event), values_of(fact.event)
            if fact.latest_s <= 0:
                before[name] = state
            elif before.get(name, state) != state and name not in told:
                told.add(name)
                yield f"the {kind.kind} of {name} changed from {before[name]} to {state}"


def _void(name: str, text: str) -> Doubt:
    return Doubt(name=name, text=text, voids=True)


def _remark(name: str, text: str) -> Doubt:
    return Doubt(name=name, text=text, voids=False)


STEADY: tuple[tuple[type[Event], Callable[..., str], Callable[..., object]], ...] = (
    (Pod, lambda pod: pod.name, lambda pod: (pod.uid, pod.role, pod.restarts, pod.gone)),
    (Role, lambda role: role.member, lambda role: (role.run_id, role.role, role.master)),
    (Endpoints, lambda slices: slices.service, lambda slices: sorted(map(str, slices.endpoints))),
    (ProxyServers, lambda said: said.proxy, lambda said: sorted(map(str, said.servers))),
)
"""For each class of events that must not change in a control: whom an event is about, and the values that must stay."""

CHECKS: tuple[Callable[[Measured], Iterable[Doubt]], ...] = (
    unfinished,
    unproved,
    undone,
    clocks,
    agent,
    outcomes,
    lag,
    fewer,
    machine,
    gaps,
    began_early,
    out_before,
    path_baselines,
    no_consequence,
    known_outage,
)
