"""Small words that the sentences about trials share."""

from collections.abc import Iterable, Sequence

from chaos.analysis.result import Measured, PathResult, TrialResult, Verdict, middle

GATE = "reconnect"
"""The claim that gates by default: how late a path was back."""
LOCAL = "local"
"""The kind of cluster that is processes of one machine."""
MODELLED = "MODELLED (no Kubernetes, no operator):"


def modelled(cluster: str, text: str) -> str:
    """A verdict as it is said: one of a modelled system begins with that, so that no line can be quoted without it."""
    return f"{MODELLED} {text}" if cluster == LOCAL else text


def of(part: int, whole: int) -> str:
    return f"{part} of {whole}"


def trials_word(count: int) -> str:
    return "trial" if count == 1 else "trials"


def spread_text(lengths: Iterable[Measured | None]) -> str:
    """`50.9 to 53.1 s`; `> 90.0 s` where one was not over; empty without any."""
    known = [length for length in lengths if length is not None]
    if not known:
        return ""
    low, high = min(map(middle, known)), max(map(middle, known))
    if any(most is None for _, most in known):
        never = max(least for least, most in known if most is None)
        over = any(most is not None for _, most in known)
        return f"{low:.1f} to > {never:.1f} s" if over else f"> {low:.1f} s"
    return f"{low:.1f} s" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f} to {high:.1f} s"


def experiments(trials: Sequence[TrialResult]) -> list[tuple[str, list[TrialResult]]]:
    """By experiment, in the order of their first trials."""
    names = dict.fromkeys(trial.experiment for trial in trials)
    return [(name, [trial for trial in trials if trial.experiment == name]) for name in names]


def has_failed(trial: TrialResult) -> bool:
    return trial.verdict is Verdict.FAIL


def is_late(path: PathResult) -> bool:
    target = path.targets.get(GATE)
    return bool(target and target.gate and target.verdict == "fail")
