"""What was measured held against what was promised, and the verdicts that follow.

Measured [a, b] against a limit T: pass if b ≤ T, fail if a > T, else undecided. A trial fails if a gate fails, is
inconclusive if a gate is undecided or a doubt gates, and passes otherwise. A campaign is the same over its trials, and
inconclusive when more than a tenth of them are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from chaos.analysis.result import (
    Doubt,
    Losses,
    Measured,
    Milestone,
    PathResult,
    Span,
    State,
    TargetResult,
    TrialResult,
    Verdict,
    Window,
)

Judgement = Literal["pass", "fail", "undecided", "not-applicable"]

MILESTONE_OF = {
    "detection": "sdown",
    "quorum": "odown",
    "election": "try_failover",
    "promotion": "promoted",
    "reconfiguration": "reconfigured",
    "endpoint_update": "pointer",
}
"""The milestone that each claim of the system is about; the other claims are about a path, or about losses."""
INCONCLUSIVE_SHARE = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    limit_s: float
    gate: bool
    floor_s: float | None = None


def promises(scenario: Mapping[str, Any], experiment: str, floors: Mapping[str, float]) -> dict[str, Promise]:
    """The scenario's targets with the experiment's own over them."""
    own = scenario.get("experiments", {}).get(experiment, {}).get("targets", {})
    merged = {**scenario.get("targets", {}), **own}
    return {
        name: Promise(limit_s=float(raw["limit"]), gate=bool(raw.get("gate")), floor_s=floors.get(name))
        for name, raw in merged.items()
    }


def judge(measured: Measured, limit: float) -> Judgement:
    """An interval against a limit; without a most it may be anything from its least on."""
    least, most = measured
    if least > limit:
        return "fail"
    return "pass" if most is not None and most <= limit else "undecided"


def since_effect(span: Span, width_s: float) -> Span:
    """How long after the effect: its interval is part of the error, since it may have come at the end of that."""
    return max(0.0, span[0] - width_s), span[1]


def of_milestone(milestone: Milestone, promise: Promise, width_s: float) -> TargetResult:
    if milestone.span:
        measured: Measured = since_effect(milestone.span, width_s)
        return _target(promise, measured, judge(measured, promise.limit_s))
    if milestone.state is State.NOT_YET and milestone.limit_s is not None:
        measured = (milestone.limit_s, None)
        return _target(promise, measured, judge(measured, promise.limit_s), "it did not happen while the trial watched")
    if milestone.state is State.NOT_APPLICABLE:
        return _target(promise, None, "not-applicable")
    return _target(promise, None, "undecided", "nothing that could see it was there")


def of_losses(losses: Losses, promise: Promise) -> TargetResult:
    if losses.lost is None:
        return _target(promise, None, "undecided", losses.undecided)
    return _target(promise, (losses.lost, losses.lost), judge((losses.lost, losses.lost), promise.limit_s))


def of_count(count: int, expected: int) -> TargetResult:
    """A number of failovers that an experiment demands exactly."""
    verdict: Judgement = "pass" if count == expected else "fail"
    return _target(Promise(limit_s=expected, gate=True), (count, count), verdict)


def of_path(state: str, why: str, promise: Promise) -> TargetResult | None:
    """The verdict on a path that is no measure of an outage; None for one that works."""
    free = Promise(limit_s=promise.limit_s, gate=False, floor_s=promise.floor_s)
    if state == "never worked":
        return _target(free, None, "fail", f"never worked: {why}")
    if state == "unreliable":
        return _target(free, None, "not-applicable", why)
    if state == "unproved":
        return _target(promise, None, "undecided", why)
    return None


def of_outage(measured: Measured | None, promise: Promise, undecided: str) -> TargetResult:
    """A working path's recovery or downtime; `measured` None: it had no bad operation."""
    if measured is None:
        return _target(promise, None, "pass", "no bad operation")
    judged = judge(measured, promise.limit_s)
    if undecided:
        return _target(promise, measured, "undecided", undecided)
    why = "it was not over while it was judged" if measured[1] is None else ""
    return _target(promise, measured, judged, why)


def without(target: TargetResult, waited_s: float) -> TargetResult:
    """A miss that may be the machine's is not known to be the system's: it might have been kept without the waits."""
    if target.verdict != "fail" or target.measured_s is None or target.measured_s[0] - waited_s > target.limit_s:
        return target
    why = f"members waited up to {waited_s:.2f} s for a core, without which it may have been kept"
    return replace(target, verdict="undecided", why=why)


def of_control(windows: Sequence[Window], undecided: str, gate: bool) -> TargetResult:
    """Where nothing was done, any outage at all is a failure."""
    if not windows:
        return _target(Promise(limit_s=0.0, gate=gate), None, "pass", "no bad operation")
    measured = windows[0].length_s
    judged: Judgement = "undecided" if undecided else "fail"
    return _target(Promise(limit_s=0.0, gate=gate), measured, judged, undecided or "an outage though nothing was done")


def trial(
    targets: Mapping[str, TargetResult], paths: Mapping[str, PathResult], doubts: Sequence[Doubt]
) -> tuple[Verdict, tuple[str, ...]]:
    """A trial's verdict and the sentences that it rests on."""
    gates = [(name, target) for name, target in _all(targets, paths) if target.gate]
    doubted = [f"{doubt.path}: {doubt.text}" if doubt.path else doubt.text for doubt in doubts if doubt.gates]
    failed = [_sentence(name, target) for name, target in gates if target.verdict == "fail"]
    open_ones = [_sentence(name, target) for name, target in gates if target.verdict == "undecided"]
    if doubted:
        return Verdict.INCONCLUSIVE, tuple(doubted)
    if failed:
        return Verdict.FAIL, tuple(failed)
    if not gates or all(target.verdict == "not-applicable" for _, target in gates):
        return Verdict.INCONCLUSIVE, ("nothing gates: no path that worked was promised anything",)
    return (
        (Verdict.INCONCLUSIVE, tuple(open_ones))
        if open_ones
        else (Verdict.PASS, tuple(_sentence(*gate) for gate in gates))
    )


def campaign(trials: Sequence[TrialResult]) -> tuple[Verdict, str]:
    """The campaign's verdict, and the rule by which it is that."""
    n = len(trials)
    of = {verdict: sum(trial.verdict is verdict for trial in trials) for verdict in Verdict}
    if n == 0:
        return Verdict.INCONCLUSIVE, "no trial was recorded"
    if of[Verdict.INCONCLUSIVE] > INCONCLUSIVE_SHARE * n:
        share = f"{of[Verdict.INCONCLUSIVE]} of {n} trials are inconclusive"
        return Verdict.INCONCLUSIVE, f"{share}: above {INCONCLUSIVE_SHARE:.0%} the campaign is"
    if of[Verdict.FAIL]:
        return Verdict.FAIL, f"a gate failed in {of[Verdict.FAIL]} of {n} trials"
    if of[Verdict.INCONCLUSIVE]:
        return Verdict.INCONCLUSIVE, f"no gate failed, and {of[Verdict.INCONCLUSIVE]} of {n} trials are inconclusive"
    return Verdict.PASS, f"every gate passed in all {n} trials"


def _target(promise: Promise, measured: Measured | None, verdict: Judgement, why: str = "") -> TargetResult:
    return TargetResult(
        limit_s=promise.limit_s,
        measured_s=measured,
        verdict=verdict,
        gate=promise.gate,
        why=why,
        floor_s=promise.floor_s,
    )


def _all(targets: Mapping[str, TargetResult], paths: Mapping[str, PathResult]) -> list[tuple[str, TargetResult]]:
    of_paths = [
        (f"{name}, {path}", target) for path, result in paths.items() for name, target in result.targets.items()
    ]
    return [*targets.items(), *of_paths]


def _sentence(name: str, target: TargetResult) -> str:
    words = name.replace("_", " ")
    if target.measured_s is None:
        return f"{words}: {target.why or target.verdict}"
    least, most = target.measured_s
    value = f"over {least:.2f} s" if most is None else f"{least:.2f} to {most:.2f} s"
    if name == "lost_acknowledged" or name == "failovers":
        value = f"{least:.0f}"
        return f"{words}: {value}, allowed {target.limit_s:.0f}"
    return f"{words}: {value}, promised {target.limit_s:g} s" + (f" ({target.why})" if target.why else "")
