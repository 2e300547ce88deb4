"""Decides the verdict of a trial and of a campaign, by the rules of docs/measuring.md."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from chaos.analysis.claim import Claim, Played
from chaos.analysis.result import Doubt, PathResult, TargetResult, TrialResult, Verdict
from chaos.analysis.wording import (
    CLAIMS,
    COUNTED,
    brief,
    count,
    counted,
    numbers,
    plural,
    seconds_text,
    why_undecided,
)

NOT_KNOWN: Mapping[str, Any] = MappingProxyType({})
"""An empty manifest, for trials that are judged by themselves, without a plan."""


def of_trial(
    targets: Mapping[str, TargetResult], paths: Mapping[str, PathResult], doubts: Sequence[Doubt]
) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict of a trial, and the sentences on which it rests.

    A trial that a doubt voids is inconclusive. Otherwise it fails if a gate failed, whatever else is undecided. It is
    inconclusive if a gate is undecided or if no path was held to a gate, and it passes if every gate passed.
    """
    void = tuple(doubt.text for doubt in doubts if doubt.voids and not doubt.path)
    if void:
        return Verdict.INCONCLUSIVE, void
    gates = [(name, target) for name, target in _all(targets, paths) if target.gate]
    failed = tuple(_sentence(name, target) for name, target in gates if target.verdict == "fail")
    if failed:
        return Verdict.FAIL, failed
    undecided = tuple(_sentence(name, target) for name, target in gates if target.verdict == "undecided")
    if undecided:
        return Verdict.INCONCLUSIVE, undecided
    if not any(target.gate and target.verdict == "pass" for path in paths.values() for target in path.targets.values()):
        return Verdict.INCONCLUSIVE, ("nothing gates: no path that worked was promised anything",)
    return Verdict.PASS, tuple(_sentence(name, target) for name, target in gates if target.verdict == "pass")


def of_campaign(trials: Sequence[TrialResult], manifest: Mapping[str, Any] = NOT_KNOWN) -> tuple[Verdict, str]:
    """Return the verdict of a campaign, and the rule that decided it: every trial must pass, and none is dropped.

    `manifest` is campaign.json. A planned trial that is missing counts as inconclusive. If the manifest states a claim,
    the claim decides.
    """
    n, missing = len(trials), not_there(trials, manifest)
    failed, unknown = (
        sum(trial.verdict is verdict for trial in trials) for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)
    )
    share = f"{unknown} of {n} trials {'is' if unknown == 1 else 'are'} inconclusive" if unknown else ""
    open_ones = " and ".join(filter(None, (share, missing)))
    if n == 0:
        return Verdict.INCONCLUSIVE, "no trial was recorded"
    if manifest.get("claim"):
        verdict, rule = _of_claim(trials, manifest)
        if missing:  # the experiment of a missing trial is not known
            return Verdict.FAIL if verdict is Verdict.FAIL else Verdict.INCONCLUSIVE, f"{rule}; {missing}"
        return verdict, rule
    if failed:
        return Verdict.FAIL, f"a gate failed in {failed} of {n} trials" + (f"; {open_ones}" if open_ones else "")
    if open_ones:
        return Verdict.INCONCLUSIVE, f"no gate failed, and {open_ones}"
    return Verdict.PASS, f"every gate passed in all {n} trials"


def not_there(trials: Iterable[TrialResult], manifest: Mapping[str, Any]) -> str:
    """Return which planned trials are missing, or an empty string if none are.

    Trials are missing if a campaign was interrupted, or if somebody removed a directory. A campaign with a claim stops
    when the claim is decided, and a watched system has no plan. Of these, only a trial that comes before an existing
    one is missing.
    """
    there = {trial.number for trial in trials}
    experiments, variants = manifest.get("experiments", []), (manifest.get("options") or {}).get("variants") or {}
    planned = 0 if manifest.get("claim") else manifest.get("trials", 0) * len(experiments) * max(1, len(variants))
    planned = max(planned, 1 + max(there, default=-1))
    missing = [number for number in range(planned) if number not in there]
    if not missing:
        return ""
    which = f"trial{'' if len(missing) == 1 else 's'} {numbers(missing)}"
    return f"{len(missing)} of {plural(planned, 'trial')} {'was' if len(missing) == 1 else 'were'} not played or " + (
        f"{'is' if len(missing) == 1 else 'are'} no longer there ({which})"
    )


def _of_claim(trials: Sequence[TrialResult], manifest: Mapping[str, Any]) -> tuple[Verdict, str]:
    """Judge the claim. It holds if it holds for every experiment, and fails if it fails for one."""
    claim, planned = Claim.parse(manifest["claim"]), manifest.get("trials", 0)
    verdicts, told = [], []
    for name in dict.fromkeys([*(trial.experiment for trial in trials), *manifest.get("experiments", [])]):
        each = [trial.verdict for trial in trials if trial.experiment == name]
        played = Played(planned, *(each.count(one) for one in (Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE)))
        verdicts.append(played.verdict(claim))
        word = {Verdict.PASS: "holds", Verdict.FAIL: "fails", Verdict.INCONCLUSIVE: "is undecided"}[verdicts[-1]]
        of = max(planned, played.n)
        allowed = max(0, claim.misses(of))
        counts = {
            "missed it": played.failed,
            "inconclusive": played.unknown,
            "not played": of - played.n,
        }
        others = "".join(f", {count} {what}" for what, count in counts.items() if count)
        told.append(f"{word} of {name}: {played.passed} of {of} trials kept it{others}, and {allowed} may miss")
    worst = next(one for one in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS) if one in verdicts)
    return worst, f"the claim {claim} {'; '.join(told)}"


def _all(targets: Mapping[str, TargetResult], paths: Mapping[str, PathResult]) -> Iterator[tuple[str, TargetResult]]:
    """Yield every target with its claim, or claim and path as in `recovery, service/new`. Losses come first."""
    yield from sorted(targets.items(), key=lambda item: not item[0].startswith("lost"))
    for path, result in paths.items():
        for name, target in result.targets.items():
            yield f"{name}, {path}", target


def _sentence(name: str, target: TargetResult) -> str:
    """Return how a claim was judged, as in `recovery, service/new: 46.1 to 46.3 s, promised 15 s`."""
    claim, comma, path = name.partition(", ")
    said = f"{CLAIMS[claim]}{comma}{path}"
    why = why_undecided(target) if target.verdict == "undecided" else target.why
    if target.measured is None or target.limit is None or claim == "works_at_end":
        return f"{said}: {why or target.verdict}"
    because = f" ({why})" if why else ""
    if claim in COUNTED:
        return f"{said}: {counted(target.measured)}, allowed {count(target.limit)}{because}"
    return f"{said}: {seconds_text(target.measured, digits=2)}, promised {brief(target.limit)} s{because}"
