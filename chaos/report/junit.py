"""JUnit for build servers: one test case for each experiment, path and gating target, over all its trials.

A target that failed in a trial is a failure. A target that is undecided in a trial, and failed in none, is an error: a
machine that only looks at failures must not read "we do not know" as a pass, nor as the system's fault. Nothing is ever
skipped.
"""

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from chaos.analysis import wording
from chaos.analysis.result import CampaignResult, TargetResult, TrialResult, Verdict
from chaos.analysis.verdict import not_there
from chaos.report.claims import targets

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENDS = {"fail": Verdict.FAIL, "undecided": Verdict.INCONCLUSIVE}


@dataclass(frozen=True, slots=True)
class Case:
    """One test case: a line for each trial, and how the case ends."""

    experiment: str
    name: str
    lines: tuple[str, ...]
    verdict: Verdict


def junit(result: CampaignResult) -> bytes:
    """Return the whole file. `tests`, `failures` and `errors` are counted as JUnit's readers expect."""
    root = Element("testsuites", name=result.name)
    for experiment in dict.fromkeys(trial.experiment for trial in result.trials):
        suite = [trial for trial in result.trials if trial.experiment == experiment]
        _suite(root, result, experiment, cases(experiment, suite))
    lacking = not_there(result.trials, result.manifest)
    if lacking or not result.trials:
        told = (_clean(lacking or result.rule),)
        _suite(root, result, "campaign", [Case("campaign", "every trial", told, Verdict.INCONCLUSIVE)])
    indent(root)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def cases(experiment: str, trials: list[TrialResult]) -> list[Case]:
    """Return a case for each gating target, and one for the experiment if no such case has its verdict."""
    held: dict[tuple[str, str], list[tuple[TrialResult, TargetResult]]] = {}
    for trial in trials:
        for path, name, target in targets(trial):
            if target.gate:
                held.setdefault((path, name), []).append((trial, target))
    found = []
    for (path, claim), each in held.items():
        lines = tuple(_clean(_line(trial, claim, target)) for trial, target in each)
        name = f"{path or 'system'} {wording.CLAIMS[claim]}"
        ends = [  # a target of a trial that is inconclusive is so too, whatever was measured
            trial.verdict if trial.verdict is Verdict.INCONCLUSIVE else _ENDS.get(target.verdict, Verdict.PASS)
            for trial, target in each
        ]
        found.append(Case(experiment, name, lines, worst(ends)))
    whole = worst([trial.verdict for trial in trials])
    said = [case.verdict for case in found]
    if found and worst(said) == worst([*said, whole]):
        return found
    lines = tuple(_clean(f"trial {trial.number}: {trial.verdict}: {'; '.join(trial.because)}") for trial in trials)
    return [*found, Case(experiment, "verdict", lines, whole)]


def worst(verdicts: list[Verdict]) -> Verdict:
    return next((verdict for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE) if verdict in verdicts), Verdict.PASS)


def _line(trial: TrialResult, name: str, target: TargetResult) -> str:
    measured, verdict = wording.measured(target, name), str(target.verdict)
    if target.verdict == "undecided":
        verdict = f"undecided, because {wording.why_undecided(target)}"
    doubts = "".join(f"; {why}" for why in trial.because if trial.verdict is Verdict.INCONCLUSIVE)
    return f"trial {trial.number}: {measured}, promised {wording.limit(target, name)}: {verdict}{doubts}"


def _clean(text: str) -> str:
    """Return a text without what XML cannot hold. A log line may have control characters."""
    return _NOT_XML.sub("", wording.breakable(text))


def _suite(root: Element, result: CampaignResult, experiment: str, found: list[Case]) -> None:
    counts = {
        "tests": len(found),
        "failures": sum(case.verdict is Verdict.FAIL for case in found),
        "errors": sum(case.verdict is Verdict.INCONCLUSIVE for case in found),
        "skipped": 0,
    }
    suite = SubElement(root, "testsuite", {"name": experiment} | {key: str(value) for key, value in counts.items()})
    for case in found:
        element = SubElement(suite, "testcase", classname=f"{result.scenario}.{case.experiment}", name=case.name)
        tag = {Verdict.FAIL: "failure", Verdict.INCONCLUSIVE: "error"}.get(case.verdict)
        if tag:
            first, *others = case.lines
            message = wording.modelled(result.cluster, f"{first} (and {len(others)} more trials)" if others else first)
            SubElement(element, tag, message=message, type=str(case.verdict)).text = "\n".join(case.lines)
        SubElement(element, "system-out").text = "\n".join(case.lines)
