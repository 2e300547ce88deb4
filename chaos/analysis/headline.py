"""The first lines of every report, made by rules from the trials: verdict, why, do, expect.

The first answers a manager, the second an engineer, the third says what would change it, the last what to count on.
An address that never worked is in the first line, since it may be the one that clients were given.
"""

from collections.abc import Sequence
from statistics import median

from chaos.analysis.advice import advice
from chaos.analysis.cause import dominating, first, longest, longest_s
from chaos.analysis.result import PathResult, Phase, TrialResult, Verdict, Window
from chaos.analysis.roster import host
from chaos.analysis.wording import GATE, experiments, has_failed, is_late, of, spread_text, trials_word

MOST_EXPERIMENTS = 3
"""How many experiments a line names before it only counts them."""


def headline(trials: Sequence[TrialResult], verdict: Verdict, rule: str) -> dict[str, str]:
    told = {Verdict.FAIL: _failed, Verdict.INCONCLUSIVE: _inconclusive, Verdict.PASS: _passed}[verdict](trials)
    first, full_stop, rest = (told or f"{rule[:1].upper()}{rule[1:]}.").partition(". ")
    never = "; ".join(_never_worked(trials))
    begun = f"{first.removesuffix('.')}; {never}." if never else first + full_stop.strip()
    return {
        "verdict": f"{begun} {rest}".strip(),
        "why": _why(trials, verdict),
        "do": advice(trials, verdict),
        "expect": _expect(trials),
    }


def _failed(trials: Sequence[TrialResult]) -> str:
    told = [_late(name, mine) for name, mine in experiments(trials) if any(map(has_failed, mine))]
    more = len(told) - MOST_EXPERIMENTS
    return " ".join([*told[:MOST_EXPERIMENTS], *([f"{more} more experiments failed."] if more > 0 else [])])


def _late(experiment: str, trials: list[TrialResult]) -> str:
    """How many failed, through what, and by how much; where no path was late, the gate that failed."""
    failed = [trial for trial in trials if has_failed(trial)]
    subject = f"{of(len(failed), len(trials))} {experiment} {trials_word(len(trials))}"
    late = [path for trial in failed for path in trial.paths.values() if is_late(path)]
    if not late:
        return f"{subject} failed: {failed[0].because[0]}."
    through = "through " + " and ".join(dict.fromkeys(host(path.address) for path in late))
    limit_s = max(path.targets[GATE].limit_s for path in late)
    if limit_s == 0:
        return f"{subject} had an outage {through} though nothing was done."
    was = "was" if len(failed) == 1 else "were"
    return f"{subject} {was} back later than {limit_s:g} s {through}: {spread_text(path.recovered_s for path in late)}."


def _inconclusive(trials: Sequence[TrialResult]) -> str:
    undecided = [trial for trial in trials if trial.verdict is Verdict.INCONCLUSIVE]
    because = "; ".join(dict.fromkeys(trial.because[0] for trial in undecided if trial.because))
    if not undecided:
        return ""
    prove = "proves" if len(undecided) == 1 else "prove"
    return f"{of(len(undecided), len(trials))} {trials_word(len(trials))} {prove} nothing: {because}."


def _passed(trials: Sequence[TrialResult]) -> str:
    return f"Every path that worked was back in time: {'; '.join(_in_time(*each) for each in experiments(trials))}."


def _in_time(experiment: str, trials: list[TrialResult]) -> str:
    back = [path.recovered_s for trial in trials for path in trial.paths.values() if GATE in path.targets]
    return f"{of(len(trials), len(trials))} {experiment} {trials_word(len(trials))}, {spread_text(back) or 'no outage'}"


def _never_worked(trials: Sequence[TrialResult]) -> list[str]:
    never = [path for trial in trials for path in trial.paths.values() if path.state == "never worked"]
    by_address = {path.address: path for path in reversed(never)}
    return [f"{_named(path)} never worked ({path.never_worked_because})" for path in by_address.values()]


def _named(path: PathResult) -> str:
    return f"{path.about}, {path.address}," if path.about else path.address


def _why(trials: Sequence[TrialResult], verdict: Verdict) -> str:
    """The cause in the longest of the trials that decide, and whether the others share its phase."""
    caused = [trial for trial in trials if trial.cause]
    deciding = [trial for trial in caused if trial.verdict is verdict] or caused
    if not deciding:
        return "No path that worked had an outage."
    worst = max(deciding, key=lambda trial: longest_s(trial.paths.values()))
    alike = [trial for trial in deciding if trial.experiment == worst.experiment]
    if len(alike) == 1:
        return worst.cause
    heads = [found for trial in alike if (found := _dominated(trial))]
    if len(heads) < len(alike) or len({phase.name for _, phase in heads}) > 1:
        return f"In the longest of {len(alike)} {worst.experiment} trials: {worst.cause}"
    share = median(phase.seconds / _total_s(head) for head, phase in heads)
    return f"{heads[0][1].name} is {100 * share:.0f} % of the outage in all {len(alike)}. In the longest: {worst.cause}"


def _dominated(trial: TrialResult) -> tuple[Window, Phase] | None:
    """The longest outage's window, and its dominating phase."""
    path = longest(trial.paths.values())
    head = first(path, "durable") if path else None
    phase = dominating(head) if head else None
    return (head, phase) if head and phase else None


def _total_s(head: Window) -> float:
    return sum(phase.seconds for phase in head.phases) + head.unattributed_s


def _expect(trials: Sequence[TrialResult]) -> str:
    ranges = [text for name, mine in experiments(trials) if (text := _allowed(name, mine))]
    return " ".join([*ranges, _lost(trials)])


def _allowed(experiment: str, trials: list[TrialResult]) -> str:
    """What the settings allow on the path that was out longest, beside what was seen of it."""
    paths = [path for trial in trials for path in trial.paths.values() if path.allowed_s and path.recovered_s]
    worst = longest(paths)
    if worst is None:
        return ""
    mine = [path for path in paths if path.name == worst.name]
    allowed = [path.allowed_s for path in mine if path.allowed_s]
    low, high = min(least for least, _ in allowed), max(most for _, most in allowed)
    seen = f"seen {spread_text(path.recovered_s for path in mine)} in {len(mine)}"
    return f"{experiment}: {low:.0f} to {high:.0f} s through {host(worst.address)} from these settings ({seen})."


def _lost(trials: Sequence[TrialResult]) -> str:
    known = [trial.losses for trial in trials if trial.losses.lost is not None]
    if not known:
        return "Lost writes: undecided."
    acknowledged, lost = sum(losses.acknowledged for losses in known), sum(losses.lost or 0 for losses in known)
    rest = len(trials) - len(known)
    return f"Lost writes: {lost} of {acknowledged}" + (
        f", undecided in {of(rest, len(trials))} trials." if rest else "."
    )
