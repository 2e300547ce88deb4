"""Compares what was measured with what the scenario promises: the claims of the system and of every path.

docs/measuring.md says with what each claim is compared. `chaos.analysis.verdict` makes the verdict from these results.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from chaos.analysis.allowed import ROLE_STANDS_S, allowed_s, became_a_replica
from chaos.analysis.history import History
from chaos.analysis.interval import Interval
from chaos.analysis.lateness import BY_LATENESS, stalls, waited_s
from chaos.analysis.measured import Measured, masters_at_end
from chaos.analysis.paths import by_most
from chaos.analysis.result import (
    LOSS_CLAIMS,
    MILESTONE_OF,
    FailoverResult,
    Milestone,
    PathResult,
    State,
    TargetResult,
    Window,
)
from chaos.model import ErrorCode, MemberKind
from chaos.scenario.scenario import Target, floors

BEFORE_S = 1.0
"""+try-failover may come at most this many seconds before the outage that its failover causes."""
PATH_CLAIMS = ("recovery", "downtime", "works_at_end")
APPLICATION_CLAIMS = ("recovery", "works_at_end")
"""The claims on an application client that is a gate.

Downtime is not one, because the client's settings cause part of it.
"""


def hold(measured: Measured) -> tuple[dict[str, TargetResult], dict[str, PathResult]]:
    """Return the results of the system's claims, and the paths with the results of their own claims."""
    scenario, experiment = measured.history.scenario, measured.history.experiment
    own = scenario.experiments.get(experiment, None)
    promises: dict[str, Target] = {
        str(name): it for name, it in (scenario.targets | (own.targets if own else {})).items()
    }
    paths = {name: replace(path, targets=_of_path(measured, path, promises)) for name, path in measured.paths.items()}
    found = _of_failover(measured, promises)
    found |= {name: _of_losses(measured, name, promises[name]) for name in LOSS_CLAIMS if name in promises}
    if "works_at_end" in promises:
        found["works_at_end"] = _one_master(measured, promises["works_at_end"].gate)
    if own and own.failovers is not None:
        found["failovers"] = _of_count(measured, own.failovers)
    return found, paths


def service_pointer(paths: Iterable[PathResult]) -> Milestone | None:
    """Return when the last of the Services named the new master, or None if no path leads through a Service."""
    found = [path.pointer for path in paths if path.pointer and not path.via_sentinel]
    absent = [milestone for milestone in found if milestone.at_s is None]
    seen = [(milestone.at_s, milestone) for milestone in found if milestone.at_s]
    return absent[0] if absent else max(seen, key=lambda one: one[0].most)[1] if seen else None


def since_effect(at_s: Interval, history: History) -> Interval:
    """Return how long after the effect `at_s` is. The width of the effect's interval is part of the error."""
    return Interval(max(0.0, at_s.least - history.width_s), at_s.most)


def _of_failover(measured: Measured, promises: Mapping[str, Target]) -> dict[str, TargetResult]:
    history, found = measured.history, dict[str, TargetResult]()
    at_best = _floors(measured)
    milestones = dict(measured.milestones)
    slices = service_pointer(measured.paths.values())
    if slices:
        milestones["pointer"] = slices
    services = [allowed_s(measured, path) for path in measured.working if not path.via_sentinel]
    least_s = min((allowed.least for allowed in services if allowed), default=at_best.get("endpoint"))
    for name, milestone_name in MILESTONE_OF.items():
        if name not in promises or milestone_name not in milestones:
            continue
        promise, milestone = promises[name], milestones[milestone_name]
        limit, floor = promise.limit, least_s if name == "endpoint" else at_best.get(name)
        if milestone.at_s and limit is not None:
            held = since_effect(milestone.at_s, history)
            result = TargetResult(verdict=held.judged(limit), measured=held, gate=promise.gate, limit=limit)
        elif milestone.state is State.NOT_YET and milestone.limit_s is not None and limit is not None:
            held, why = Interval(milestone.limit_s), "it did not happen while the trial watched"
            result = TargetResult(verdict=held.judged(limit), measured=held, gate=promise.gate, limit=limit, why=why)
        elif milestone.state is State.NOT_APPLICABLE:
            result = TargetResult(verdict="not-applicable", gate=promise.gate, limit=limit)
        else:
            why = "nothing that could see it was there"
            result = TargetResult(verdict="undecided", gate=promise.gate, limit=limit, why=why)
        found[name] = replace(result, floor=floor)
    return found


def _of_losses(measured: Measured, claim: str, promise: Target) -> TargetResult:
    lost: Interval | None = getattr(measured.losses, claim.removeprefix("lost_"))
    if lost is None or promise.limit is None:
        why = measured.losses.undecided
        return TargetResult(verdict="undecided", gate=promise.gate, limit=promise.limit, why=why)
    several = "" if lost.width == 0 else "the Sentinels name no one master, and the masters hold different keys"
    verdict = lost.judged(promise.limit)
    return TargetResult(verdict=verdict, measured=lost, gate=promise.gate, limit=promise.limit, why=several)


def _one_master(measured: Measured, gate: bool) -> TargetResult:
    """Judge the claim that exactly one Redis says at the end that it is master.

    It is undecided if nobody asked the Redis.
    """
    masters = masters_at_end(measured.history)
    if masters is None and measured.history.watched and not measured.history.names(MemberKind.REDIS):
        return TargetResult(verdict="not-applicable", gate=gate, why="no Redis is known but by what clients reach")
    if masters is None:
        why = "nobody asked the Redis for their roles at the end"
        return TargetResult(verdict="undecided", gate=gate, why=why)
    named = f"{' and '.join(masters)} said that they are master" if masters else "no Redis said that it is master"
    found = TargetResult(verdict="pass", measured=Interval.at(len(masters)), gate=gate, limit=1)
    return found if len(masters) == 1 else replace(found, verdict="fail", why=f"at the end {named}")


def _of_count(measured: Measured, expected: int) -> TargetResult:
    """Judge the number of failovers. It must be exactly the number that the experiment expects."""
    count = len(measured.after_effect)
    found = TargetResult(verdict="pass", measured=Interval.at(count), gate=True, limit=expected)
    if count == expected:
        return found
    waits_s = waited_s(measured.history, Interval(0.0, measured.history.end_s)) or 0.0
    down_after_s = measured.least_s("down-after-milliseconds") or 0.0
    if count > expected and waits_s >= down_after_s > 0:
        why = f"members waited {waits_s:.1f} s for a core, which may be why a Sentinel missed a healthy master"
        return replace(found, verdict="undecided", why=why)
    return replace(found, verdict="fail")


def _of_path(measured: Measured, path: PathResult, promises: Mapping[str, Target]) -> dict[str, TargetResult]:
    if path.application and not path.gate:
        return {}
    history, found, at_best = measured.history, dict[str, TargetResult](), _floors(measured)
    allowed = allowed_s(measured, path)
    for claim in PATH_CLAIMS:
        if claim not in promises or (path.application and claim not in APPLICATION_CLAIMS):
            continue
        gate, limit = promises[claim].gate and path.gate, promises[claim].limit
        floor = allowed.least if allowed and claim != "works_at_end" else at_best.get(claim)
        result = TargetResult(verdict="pass", gate=gate, limit=limit, floor=floor)
        if path.state != "works":
            result = _of_no_measure(result, path)
        elif claim == "works_at_end":
            result = _works_at_end(result, path)
        elif history.expects == "nothing":
            result = _of_control(history, path, replace(result, limit=0.0, floor=None))
        else:
            result = _of_outage(history, path, claim, result)
            if claim == "recovery":
                result = _of_each_failover(measured, path, result)
        found[claim] = result
    return found


def _of_no_measure(result: TargetResult, path: PathResult) -> TargetResult:
    """Judge a path that did not work before the fault. One that never worked fails, so that no typo passes."""
    if path.state == "never worked":
        return replace(result, verdict="fail", why=f"never worked: {path.state_why}")
    return replace(result, verdict="not-applicable" if path.state == "unreliable" else "undecided", why=path.state_why)


def _works_at_end(result: TargetResult, path: PathResult) -> TargetResult:
    if path.at_end == "works":
        return result
    out = [window for window in path.windows if window.kind == "durable" and window.censored == "limit"]
    since = f" since {out[-1].onset_s.middle:.1f} s" if out else ""
    if out and out[-1].errors:
        since += f": {max(out[-1].errors, key=lambda name: out[-1].errors[name])}"
    if path.at_end == "out":
        return replace(result, verdict="fail", why=f"it was out at the end{since}")
    why = f"it was out{since}, and the trial ended too soon after its last bad operation to tell"
    return replace(result, verdict="undecided", why=why)


def _of_outage(history: History, path: PathResult, claim: str, result: TargetResult) -> TargetResult:
    """Judge the recovery or the downtime of a path that worked. A path without a bad operation passes."""
    out = path.recovered_s if claim == "recovery" else path.downtime_s
    if out is None or result.limit is None:
        return replace(result, why="no bad operation")
    if claim == "recovery":
        out = out if out.is_open else since_effect(out, history)
        why = "it was not over while it was judged" if out.is_open else ""
        if not why and path.head and "end" in path.head.widened:
            late = "operations at its end met a stall of ours or waits for a core"
            why = f"{late}, so that its end is known less narrowly"
        return replace(result, verdict=out.judged(result.limit), measured=out, why=why)
    mine = [window for window in path.windows if window.kind == "durable" and window.when == "fault"]
    ours_s = min(out.least, sum(_may_be_ours_s(history, window) for window in mine))
    verdict = Interval(out.least - ours_s, out.most).judged(result.limit)
    why = "it was not over while it was judged" if out.is_open else ""
    if verdict == "undecided" and ours_s:
        why = f"up to {ours_s:.2f} s of it may be our own stalls or waits for a core"
    return replace(result, verdict=verdict, measured=out, why=why)


def _of_each_failover(measured: Measured, path: PathResult, first: TargetResult) -> TargetResult:
    """Judge the outage of each further failover too, counted from its own onset. The worst outage decides.

    The sum of all outages is the downtime, which is another claim.
    """
    if first.limit is None or first.verdict == "fail":
        return first
    for window, failover in _later_outages(measured, path):
        verdict = window.length_s.judged(first.limit)
        if verdict == "fail" or (verdict == "undecided" and first.verdict == "pass"):
            why = (
                f"of the outage in the failover of epoch {failover.epoch}, which began at {window.onset_s.middle:.1f} s"
            )
            first = replace(first, verdict=verdict, measured=window.length_s, why=why)
    return first


def _later_outages(measured: Measured, path: PathResult) -> Iterator[tuple[Window, FailoverResult]]:
    """Yield each outage after the first one in which another failover began and completed, with that failover.

    The failover may also have begun up to BEFORE_S before the outage.
    """
    pairs = [(one, of) for one, of in zip(measured.attempts, measured.failovers, strict=True) if one.completed]
    head = path.head
    for window in path.windows:
        if window is head or window.kind != "durable" or window.when != "fault":
            continue
        until_s = window.end_s.most if window.end_s else measured.history.end_s
        for attempt, failover in pairs:
            tried = attempt.started.at_s
            if (
                attempt is not measured.attempt
                and window.onset_s.least - BEFORE_S <= tried.most
                and tried.least < until_s
            ):
                yield window, failover
                break


def _of_control(history: History, path: PathResult, result: TargetResult) -> TargetResult:
    """Judge a path of a control. Nothing was done to the system, so any outage is a failure.

    If members waited for a core as long as the window lasted, the wait may be its cause, so the window proves neither
    an outage nor its absence.
    """
    out = [window for window in path.windows if window.kind == "durable" and window.when == "fault"]
    if not out:
        return replace(result, why="no bad operation")
    worst = max((window.length_s for window in out), key=by_most)
    if all(_may_be_ours_s(history, window) >= max(window.length_s.least, history.deadline_s / 2) for window in out):
        why = "members waited for a core, or the agent stalled, as long as it lasted"
        return replace(result, verdict="undecided", measured=worst, why=why)
    return replace(result, verdict="fail", measured=worst, why="an outage though nothing was done")


def _may_be_ours_s(history: History, window: Window) -> float:
    """Return how many seconds of a window our stalls and waits for a core may explain.

    Return 0 if the window has an error that lateness cannot cause, such as a refusal.
    """
    if set(window.errors) - {ErrorCode(code).words for code in BY_LATENESS}:
        return 0.0
    during = Interval(window.onset_s.least, window.end_s.most if window.end_s else history.end_s)
    stalled = [stall.within(during) for stall in stalls(history) if stall.overlaps(during)]
    return (waited_s(history, during) or 0.0) + sum(stall.width for stall in stalled)


def _floors(measured: Measured) -> dict[str, float]:
    """Return the shortest times in seconds that the settings allow, by claim.

    They are empty for a requested failover.
    """
    down_after_s, failover = measured.least_s("down-after-milliseconds"), measured.failover
    if down_after_s is None or failover is None or failover.kind == "requested":
        return {}
    waits_s = ROLE_STANDS_S if became_a_replica(measured) else 0.0
    return {str(name): floor_s for name, floor_s in floors(down_after_s + waits_s).items()}
