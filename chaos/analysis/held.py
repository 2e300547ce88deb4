"""A trial's figures held against what its scenario promises: the targets of the system and of every path."""

from collections.abc import Iterable
from dataclasses import replace

from chaos.analysis import verdict
from chaos.analysis.allowed import ROLE_STANDS_S, came_back_in_place, least_s
from chaos.analysis.happened import Happened
from chaos.analysis.history import History
from chaos.analysis.result import Milestone, PathResult, State, TargetResult, Window
from chaos.analysis.stalls import waited_s
from chaos.analysis.verdict import MILESTONE_OF, Promise
from chaos.analysis.windows import met_a_stall
from chaos.scenario.floors import floors

PATH_CLAIMS = {"reconnect": "recovered_s", "total": "downtime_s"}
"""The claims that are about a path, and the figure of it that they are held against."""


def held(happened: Happened, results: dict[str, PathResult]) -> tuple[dict[str, TargetResult], dict[str, PathResult]]:
    """The targets of the system, and the paths with theirs."""
    history = happened.history
    promises = verdict.promises(history.scenario, history.experiment, _floors(happened))
    paths = {name: replace(path, targets=_of_path(happened, path, promises)) for name, path in results.items()}
    return _of_system(happened, results, promises), paths


def pointer(results: dict[str, PathResult]) -> Milestone | None:
    """When the Services that worked named the new master: the last of them; None where no path leads through one."""
    found = [path.pointer for path in results.values() if path.pointer and not path.via_sentinel]
    absent = [milestone for milestone in found if milestone.state is not State.SEEN]
    return absent[0] if absent else max(found, key=lambda milestone: milestone.latest_s or 0.0, default=None)


def _of_system(
    happened: Happened, results: dict[str, PathResult], promises: dict[str, Promise]
) -> dict[str, TargetResult]:
    history, slices = happened.history, pointer(results)
    if "endpoint_update" in promises:
        through = [path for path in results.values() if not path.via_sentinel]
        promises = promises | {"endpoint_update": _at_best(promises["endpoint_update"], through)}
    milestones = {**happened.milestones, **({"pointer": slices} if slices else {})}
    found = {
        name: _less_waits(history, verdict.of_milestone(milestones[key], promises[name], history.width_s))
        for name, key in MILESTONE_OF.items()
        if name in promises and key in milestones
    }
    if "lost_acknowledged" in promises:
        found["lost_acknowledged"] = verdict.of_losses(happened.losses, promises["lost_acknowledged"])
    expected = history.scenario.get("experiments", {}).get(history.experiment, {}).get("failovers")
    if expected is not None:
        after = [attempt for attempt in happened.attempts if attempt.started.span[1] > 0]
        found["failovers"] = verdict.of_count(len(after), int(expected))
    return found


def _of_path(happened: Happened, path: PathResult, promises: dict[str, Promise]) -> dict[str, TargetResult]:
    if path.application:
        return {}
    gates = bool(happened.history.scenario.get("clients", {}).get(path.name.partition("/")[0], {}).get("gate", True))
    if happened.history.expects == "nothing":
        return _of_control(happened.history, path, gates)
    return {
        name: _claim(
            happened, path, name, _at_best(replace(promises[name], gate=promises[name].gate and gates), [path])
        )
        for name in PATH_CLAIMS
        if name in promises
    }


def _claim(happened: Happened, path: PathResult, name: str, promise: Promise) -> TargetResult:
    no_measure = verdict.of_path(path.state, path.never_worked_because, promise)
    if no_measure:
        return no_measure
    measured = getattr(path, PATH_CLAIMS[name])
    if name == "reconnect" and measured and measured[1] is not None:
        measured = verdict.since_effect(measured, happened.history.width_s)
    rests_on = _recovery_rests_on(path) if name == "reconnect" else _undecided(path.windows)
    target = verdict.of_outage(measured, promise, rests_on)
    return _less_waits(happened.history, target, to_its_end=name == "total")


def _less_waits(history: History, target: TargetResult, *, to_its_end: bool = False) -> TargetResult:
    """Held against what members waited for a core until what was measured, or to the end where it is a sum or open."""
    _, most_s = target.measured_s or (0.0, None)
    until_s = history.end_s if most_s is None or to_its_end else most_s
    return verdict.without(target, waited_s(history, (0.0, until_s)) or 0.0)


def _of_control(history: History, path: PathResult, gates: bool) -> dict[str, TargetResult]:
    """A window that waits as long as it is may explain proves neither an outage nor that there was none."""
    promise = Promise(limit_s=0.0, gate=gates)
    known = verdict.of_path(path.state, path.never_worked_because, promise)
    durable = [window for window in path.windows if window.kind == "durable"]
    unexplained = [window for window in durable if not _waits_explain(history, window)]
    undecided = _undecided(path.windows) if unexplained else "members waited for a core as long"
    return {"reconnect": known or verdict.of_control(unexplained or durable, undecided, gates)}


def _waits_explain(history: History, window: Window) -> bool:
    end_s = window.end_s[1] if window.end_s else history.end_s
    waits_s = waited_s(history, (window.onset_s[0], end_s)) or 0.0
    return waits_s >= max(window.length_s[0], history.deadline_s / 2)


def _recovery_rests_on(path: PathResult) -> str:
    """A recovery counts from t = 0 to the end of the first window: no onset and no later window is an edge of it."""
    durable = [window for window in path.windows if window.kind == "durable" and not window.after_heal]
    return met_a_stall(("end",)) if durable and "end" in durable[0].suspect else ""


def _undecided(windows: tuple[Window, ...]) -> str:
    return next((window.undecided for window in windows if window.undecided), "")


def _floors(happened: Happened) -> dict[str, float]:
    """What the settings allow at best. A failover that was requested has no detection, and so no floor."""
    history, failover = happened.history, happened.failover
    down_after_s = least_s(history, "down-after-milliseconds")
    if down_after_s is None or failover is None or failover.kind == "requested":
        return {}
    waits_s = ROLE_STANDS_S if came_back_in_place(history, failover, happened.target) else 0.0
    return {str(name): floor_s for name, floor_s in floors(down_after_s + waits_s).items()}


def _at_best(promise: Promise, results: Iterable[PathResult]) -> Promise:
    """With the least that the settings allow these paths, where that is known, as the promise's floor."""
    allowed = [path.allowed_s[0] for path in results if path.allowed_s]
    return replace(promise, floor_s=min(allowed) or promise.floor_s) if allowed else promise
