"""Makes the first lines of every report from the trials, by rules: verdict, why, do and expect.

The verdict is for a manager, and the why is for an engineer. `do` says what would change the result and at what price,
and `expect` says what the settings allow beside what was seen. The verdict names lost data, and an address that never
worked.
"""

from collections.abc import Sequence
from statistics import median

from chaos.analysis.cause import called, dominating, longest, longest_s, share
from chaos.analysis.history import host
from chaos.analysis.interval import total
from chaos.analysis.result import PathResult, TrialResult, Verdict
from chaos.analysis.statistics import strength, what
from chaos.analysis.wording import brief, continued, count, counted, listed, percent, plural, spread_text

MOST_EXPERIMENTS = 3
"""A line names at most this many experiments, and only counts the others."""
MOST_ADVICE = 3
"""A report gives at most this many pieces of advice."""


def headline(trials: Sequence[TrialResult], verdict: Verdict, rule: str) -> dict[str, str]:
    told = {Verdict.FAIL: _failed, Verdict.INCONCLUSIVE: _inconclusive, Verdict.PASS: _passed}[verdict](trials)
    first, full_stop, rest = (told or f"{rule[:1].upper()}{rule[1:]}.").partition(". ")
    gone = list(dict.fromkeys(one.sentence for trial in trials for one in trial.findings if one.severity == "lost"))
    never = "; ".join(_never_worked(trials))
    begun = f"{first.removesuffix('.')}; {never}." if never else first + full_stop.strip()
    return {
        "verdict": " ".join(text for text in (*gone[:1], begun, rest) if text).strip(),
        "why": _why(trials, verdict),
        "do": _do(trials, verdict),
        "expect": _expect(trials),
    }


def by_experiment(trials: Sequence[TrialResult]) -> list[tuple[str, list[TrialResult]]]:
    """Return the trials of each experiment, in the order in which the experiments were first played."""
    names = dict.fromkeys(trial.experiment for trial in trials)
    return [(name, [trial for trial in trials if trial.experiment == name]) for name in names]


def is_late(path: PathResult) -> bool:
    """Return whether the path's recovery is a gate and failed."""
    target = path.targets.get("recovery")
    return bool(target and target.gate and target.verdict == "fail" and path.state == "works")


# Verdict.


def _failed(trials: Sequence[TrialResult]) -> str:
    told = []
    for name, mine in by_experiment(trials):
        failed = [trial for trial in mine if trial.verdict is Verdict.FAIL]
        if failed:
            told.append(_late(f"{len(failed)} of {plural(len(mine), f'{name} trial')}", failed))
    more = len(told) - MOST_EXPERIMENTS
    return " ".join([*told[:MOST_EXPERIMENTS], *([f"{plural(more, 'more experiment')} failed."] if more > 0 else [])])


def _late(subject: str, failed: list[TrialResult]) -> str:
    """Return which paths were late in the failed trials, and when they were back, or else which gate failed."""
    late = [path for trial in failed for path in trial.paths.values() if is_late(path)]
    if not late:
        return f"{subject} failed: {failed[0].because[0]}."
    through = "through " + " and ".join(dict.fromkeys(host(path.address) for path in late))
    limit_s = max(path.targets["recovery"].limit or 0.0 for path in late)
    if limit_s == 0:
        return f"{subject} had an outage {through} though nothing was done."
    was = "was" if len(failed) == 1 else "were"
    back = spread_text(path.recovered_s for path in late)
    return f"{subject} {was} back later than {brief(limit_s)} s {through}: {back}."


def _inconclusive(trials: Sequence[TrialResult]) -> str:
    undecided = [trial for trial in trials if trial.verdict is Verdict.INCONCLUSIVE]
    because = "; ".join(dict.fromkeys(trial.because[0] for trial in undecided if trial.because))
    if not undecided:
        return ""
    prove = "proves" if len(undecided) == 1 else "prove"
    return f"{len(undecided)} of {plural(len(trials), 'trial')} {prove} nothing: {because}."


def _passed(trials: Sequence[TrialResult]) -> str:
    told, each = [], by_experiment(trials)
    for name, mine in each if len(each) <= MOST_EXPERIMENTS else [("", trials)]:
        paths = [path for trial in mine for path in trial.paths.values()]
        back = [
            path.recovered_s for path in paths if "recovery" in path.targets or (path.head and not path.application)
        ]
        told.append(f"{len(mine)} of {plural(len(mine), f'{name} trial'.strip())}, {spread_text(back) or 'no outage'}")
    return f"Every path that worked was back in time and worked to the end: {'; '.join(told)}."


def _never_worked(trials: Sequence[TrialResult]) -> list[str]:
    never = [path for trial in trials for path in trial.paths.values() if path.state == "never worked"]
    by_address = {path.address: path for path in reversed(never)}
    return [
        f"{f'{path.about}, {path.address},' if path.about else path.address} never worked ({path.state_why})"
        for path in by_address.values()
    ]


# Why.


def _why(trials: Sequence[TrialResult], verdict: Verdict) -> str:
    """Return the cause in the longest of the trials that decided the verdict.

    If several trials of its experiment decided, also say whether the same phase was longest in all of them.
    """
    caused = [trial for trial in trials if trial.cause]
    deciding = [trial for trial in caused if trial.verdict is verdict] or caused
    if not deciding:
        return "No path that worked had an outage."
    worst = max(deciding, key=lambda trial: longest_s(trial.paths.values()))
    alike = [trial for trial in deciding if trial.experiment == worst.experiment]
    if len(alike) == 1:
        return worst.cause
    paths = [longest(trial.paths.values()) for trial in alike]
    heads = [path.head for path in paths if path and path.head and path.head.phases]
    phases = {dominating(head) for head in heads}
    if len(heads) < len(alike) or len(phases) > 1:
        return f"In the longest of {len(alike)} {worst.experiment} trials: {worst.cause}"
    phase = phases.pop()
    middle = percent(median(share(head, phase) for head in heads))
    return f"{middle} of the outage is {called(phase)} in all {len(alike)} trials. In the longest: {worst.cause}"


# Do.


def _do(trials: Sequence[TrialResult], verdict: Verdict) -> str:
    """Return what would change the result, as these same trials show, with its price."""
    if verdict is Verdict.INCONCLUSIVE and all(trial.verdict is not verdict for trial in trials) and trials:
        return "Play what is missing with `failover run --resume` and this directory; what was recorded is kept."
    if verdict is Verdict.INCONCLUSIVE:
        return "Remove what is named above and run it again; what was recorded is kept."
    each: dict[str, str] = {}  # the same advice is given once, with its price in the first trial
    for one in (one for trial in trials for one in trial.findings if one.advice and one.severity != "note"):
        each.setdefault(one.advice, f"{one.advice} The price: {continued(one.price)}" if one.price else one.advice)
    never = dict.fromkeys(path.address for t in trials for path in t.paths.values() if path.state == "never worked")
    other = [f"Give clients another address than {address}." for address in sorted(never)]
    advice = [text for text in (_ask_sentinel(trials), *each.values()) if text]
    if advice or other:
        return " ".join([*advice[:MOST_ADVICE], *other])
    if verdict is Verdict.FAIL:
        return "Nothing in these trials did better; the phases say where the time went."
    kinds: dict[str, list[TrialResult]] = {}  # trials of different kinds are not counted together
    for trial in trials:
        kinds.setdefault(" ".join(filter(None, (trial.experiment, trial.variant, trial.group))), []).append(trial)
    told = [
        f"{f'{kind}: ' if len(kinds) > 1 else ''}{strength(len(mine), len(mine), what(mine))}"
        for kind, mine in kinds.items()
    ]
    return f"Nothing. {'; '.join(told)}; 59 of 59 would support 95 %."


def _ask_sentinel(trials: Sequence[TrialResult]) -> str:
    """Return the advice to ask Sentinel, if a Service was late and Sentinel was not late in the same trials."""
    meters = {trial.number: [path for path in trial.paths.values() if not path.application] for trial in trials}
    late = [trial for trial in trials if any(is_late(one) and not one.via_sentinel for one in meters[trial.number])]
    asking = {
        trial.number: [path for path in meters[trial.number] if path.via_sentinel and path.state == "works"]
        for trial in late
    }
    never_back = (
        path.recovered_s is not None and path.recovered_s.is_open for each in asking.values() for path in each
    )
    if not late or any(never_back) or any(is_late(path) for each in asking.values() for path in each):
        return ""
    told, each = [], by_experiment(late)
    for name, mine in each if len(each) <= MOST_EXPERIMENTS else [(f"{len(each)} experiments", late)]:
        asked = [path for trial in mine for path in asking[trial.number]]
        if asked:
            told.append(f"{spread_text(path.recovered_s for path in asked) or 'no time'} in {name}")
    return f"Let clients ask Sentinel: in these same trials it took {listed(told)}." if told else ""


# Expect.


def _expect(trials: Sequence[TrialResult]) -> str:
    """Return what the settings allow on the path that was out longest, what was seen there, and what was lost.

    Each variant has settings of its own, and is told apart.
    """
    kinds: dict[str, list[TrialResult]] = {}
    for experiment, each in by_experiment(trials):
        for trial in each:
            kinds.setdefault(" ".join(filter(None, (experiment, trial.variant))), []).append(trial)
    told = []
    for name, mine in kinds.items():
        paths = [path for trial in mine for path in trial.paths.values() if path.allowed_s and path.recovered_s]
        worst = longest(paths)
        same = [path for path in paths if worst and path.name == worst.name]
        allowed = [path.allowed_s for path in same if path.allowed_s]
        if worst and allowed:
            low, high = min(one.least for one in allowed), max(one.most for one in allowed)
            seen = f"seen: {spread_text(path.recovered_s for path in same)} in {plural(len(same), 'trial')}"
            within = f"{count(low)} to {count(high)} s through {host(worst.address)}"
            told.append(f"{name}: these settings allow {within} ({seen}).")
    more, one = len(told) - MOST_EXPERIMENTS, "variant" if any(trial.variant for trial in trials) else "experiment"
    rest = [f"The table of claims has what they allow in {plural(more, f'more {one}')}."] if more > 0 else []
    return " ".join([*told[:MOST_EXPERIMENTS], *rest, _lost(trials)])


def _lost(trials: Sequence[TrialResult]) -> str:
    """Return how many acknowledged writes are lost, by class if any are, and why some trials cannot tell."""
    known = [trial.losses for trial in trials if trial.losses.lost is not None]
    silent = [trial.losses.undecided for trial in trials if trial.losses.lost is None]
    why = "; ".join(dict.fromkeys(silent))
    if not known:
        return f"How many writes are lost is undecided: {why}."
    acknowledged = count(sum(losses.acknowledged for losses in known))
    lost = total(losses.lost for losses in known if losses.lost)
    text = f"None of {acknowledged} acknowledged writes is lost"
    if lost.most:
        classes = [
            f"{counted(total(one for one in each if one))} {words}"
            for each, words in (
                ([losses.before for losses in known], "that everybody had"),
                ([losses.tail for losses in known], "of the last second"),
                ([losses.after for losses in known], "after the fault"),
            )
        ]
        text = f"Of {acknowledged} acknowledged writes {counted(lost)} are lost: {', '.join(classes)}"
    return f"{text}; undecided in {len(silent)} of {plural(len(trials), 'trial')}: {why}." if silent else f"{text}."
