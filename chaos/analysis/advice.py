"""What would change a result, said only where these same trials show it."""

from collections.abc import Sequence
from statistics import median

from chaos.analysis.result import PathResult, TrialResult, Verdict, middle
from chaos.analysis.statistics import strength, what
from chaos.analysis.wording import experiments, is_late
from chaos.model import ErrorCode

READONLY = ErrorCode.READONLY.words


def advice(trials: Sequence[TrialResult], verdict: Verdict) -> str:
    if verdict is Verdict.INCONCLUSIVE:
        return "Remove what is named above and run it again; what was recorded is kept."
    told = [each(trials) for each in (_ask_sentinel, _stop_saying_ok, _leave_a_replica, _other_address)]
    if any(told):
        return " ".join(filter(None, told))
    if verdict is Verdict.FAIL:
        return "Nothing in these trials did better; the phases say where the time went."
    passed = sum(trial.verdict is Verdict.PASS for trial in trials)
    return f"Nothing. {strength(passed, len(trials), what(trials))}; 59 of 59 would support 95 %."


def _ask_sentinel(trials: Sequence[TrialResult]) -> str:
    """Where a Service was late, and Sentinel in the same trials was not."""
    late = [trial for trial in trials if any(is_late(path) and not path.via_sentinel for path in trial.paths.values())]
    if not late or any(is_late(path) or _never_back(path) for trial in late for path in _asking(trial)):
        return ""
    told = "; ".join(text for name, mine in experiments(late) if (text := _back(name, mine)))
    return f"Let clients ask Sentinel: {told}, in these same trials." if told else ""


def _back(experiment: str, trials: list[TrialResult]) -> str:
    asked = [path for trial in trials for path in _asking(trial)]
    back = [middle(path.recovered_s) for path in asked if path.recovered_s]
    if not back:
        return f"no outage in {experiment}" if asked else ""
    worst = f", worst {max(back):.1f} s" if len(trials) > 1 else ""
    return f"{median(back):.1f} s in {experiment}{worst}"


def _asking(trial: TrialResult) -> list[PathResult]:
    return [path for path in trial.paths.values() if path.via_sentinel and path.state == "works"]


def _never_back(path: PathResult) -> bool:
    return path.recovered_s is not None and path.recovered_s[1] is None


def _stop_saying_ok(trials: Sequence[TrialResult]) -> str:
    """Where a master that was hit acknowledged writes that are lost, and nothing made it stop."""
    lost = sum(_by_the_target(trial) for trial in trials if not _guarded(trial))
    if not lost:
        return ""
    return "Set min-replicas-to-write 1: a master without replicas then stops saying OK to writes that will be lost."


def _by_the_target(trial: TrialResult) -> int:
    targets = {fault.target.name for fault in trial.faults if fault.target}
    return sum(spell.count for spell in trial.losses.places if spell.node in targets)


def _guarded(trial: TrialResult) -> bool:
    redis = trial.covariates.get("settings", {}).get("redis", {})
    return str(redis.get("min-replicas-to-write") or "0") != "0"


def _leave_a_replica(trials: Sequence[TrialResult]) -> str:
    """Where an application stayed on a connection to a node that is no master any more."""
    told = [path for trial in trials for path in trial.paths.values() if path.never_again.startswith(READONLY)]
    if not any("connection" in path.never_again for path in told):
        return ""
    return "Have applications close a connection that says READONLY; redis-py does with retry_on_error=[ReadOnlyError]."


def _other_address(trials: Sequence[TrialResult]) -> str:
    never = {path.address for trial in trials for path in trial.paths.values() if path.state == "never worked"}
    return " ".join(f"Give clients another address than {address}." for address in sorted(never))
