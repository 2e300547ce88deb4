"""The end of a campaign on the terminal, as lines of words and tones: first the trials, then the verdict.

A trial is shown in the order of time. Many trials are shown by their groups, and only the worst of them in full.
"""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from chaos.analysis import wording
from chaos.analysis.interval import Interval
from chaos.analysis.logs import RFC_3339
from chaos.analysis.result import (
    MILESTONE_OF,
    CampaignResult,
    Group,
    PathResult,
    State,
    TargetResult,
    TrialResult,
    Verdict,
)
from chaos.analysis.wording import TONES, Tone
from chaos.report.details import application_rows, lost_text, ways
from chaos.report.hurts import hurts
from chaos.report.many import PathSpread, group_title, is_many, spreads, worst_first

Line = list[tuple[str, Tone]]
WIDTH, INDENT = 110, 7

CLAIM_OF = {milestone: claim for claim, milestone in MILESTONE_OF.items()}
SHOWN = ("effect", "first_failed", *CLAIM_OF, "healed")

_STAMPS = re.compile(rf'^(?:\S+Z|{RFC_3339}) (?:\d+:\w \d+ \w+ \d+ [\d:.]+ [#*.-] |time="\S+" level=\w+ msg=)?')
"""Matches what the kubelet, Redis and the operator write before the words of a log line."""


def campaign_lines(result: CampaignResult) -> list[Line]:
    """Return the lines that say what became of the trials. They stand before the verdict."""
    if not is_many(result.trials):
        return [line for trial in result.trials for line in trial_lines(result, trial)]
    spread = spreads(result)
    groups = [line for group in result.groups for line in _group(group, spread.get(group_title(group), ()))]
    worst = worst_first(result)[0]
    head: Line = [(f"the worst of {len(result.trials)}, trial {worst.number}:", "plain")]
    return [*groups, [], head, *trial_lines(result, worst)]


def _group(group: Group, paths: tuple[PathSpread, ...]) -> Iterator[Line]:
    yield []
    yield [(group_title(group), "plain")]
    counts = {Verdict.PASS: group.passed, Verdict.FAIL: group.failed, Verdict.INCONCLUSIVE: group.inconclusive}
    told = [(f"{wording.SIGNS[verdict]} {n} {verdict}  ", wording.TONES[verdict]) for verdict, n in counts.items() if n]
    yield [("  ", "plain"), *told, (f" {group.strength}", "plain")]
    for path in paths:
        yield [(f"  {f'back, {path.path}':<26} {path.text}", "plain")]


def trial_lines(result: CampaignResult, trial: TrialResult) -> list[Line]:
    """Return the lines of a trial: its title, what happened when, and the outage of each path."""
    found = sorted((*_milestones(trial), *_recoveries(trial)), key=lambda item: item[0])
    outages: list[Line] = [[(line, "plain")] for line in _outages(trial)]
    doubts: list[Line] = [[("  doubt    ", "open"), (doubt.text, "plain")] for doubt in trial.doubts if doubt.voids]
    note = textwrap.wrap(wording.logs_not_read(trial), WIDTH - 11, break_on_hyphens=False)
    heads = ["  note     ", *([f"{'':<11}"] * len(note))]
    notes: list[Line] = [[(head, "open"), (text, "plain")] for head, text in zip(heads, note, strict=False)]
    compared = len(_told(trial)) < len(trial.paths)
    applications = ["", *(f"  {line}" for line in application_lines(trial, WIDTH - 2)), ""] if compared else []
    table: list[Line] = [[(line, "plain")] for line in applications]
    happened = [*(line for _, line in found), *_counted(trial)]
    return [[], _title(result, trial), *happened, *outages, *table, *doubts, *notes]


def application_lines(trial: TrialResult, width: int) -> list[str]:
    """Return the table of application clients: what each met in columns, and under it what it told of itself."""
    rows = application_rows(trial.paths.values())
    table = [("client", "library", "outage", "longest call", "errors")]
    table += [(name, library, outage, call, errors) for name, library, _, outage, call, errors, *_ in rows]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    aligned = [
        "  ".join([*(f"{text:<{wide}}" for text, wide in zip(row, widths, strict=False)), row[-1]]) for row in table
    ]
    lines = aligned[:1] if rows else []
    for line, (_, _, settings, _, _, _, end, tasks) in zip(aligned[1:], rows, strict=True):
        told = [settings, *([f"at the end: {end}"] if end != "works" else []), *([tasks] if tasks != "–" else [])]
        lines += [line, *(f"{'':<4}{each}" for each in wording.wrapped(" · ".join(told), width - 4))]
    return lines


def _outages(trial: TrialResult) -> list[str]:
    texts = []
    for path in ways(_told(trial)):
        none = f"never worked: {path.state_why}" if path.state == "never worked" else wording.application(path)
        texts.append(f"{path.name} {wording.span(path.outage_s, none=none or 'none')}")
    lost = f"lost: {lost_text(trial.losses)}"
    if trial.losses.lost is not None:
        lost = f"lost {lost_text(trial.losses)} of {wording.count(trial.losses.acknowledged)} acknowledged"
    armed = [text for text in [wording.rearmed(trial.milestones)] if text]
    head = "  outage   "
    room, rest = WIDTH - len(head), " " * len(head)
    whole = [  # a text that fits into a line is not broken
        text if len(text) > room else text.replace(" ", wording.NBSP) for text in [*texts, lost, *armed]
    ]
    return textwrap.wrap(" · ".join(whole), WIDTH, initial_indent=head, subsequent_indent=rest, break_on_hyphens=False)


def _told(trial: TrialResult) -> list[PathResult]:
    """Return the paths, without those of application clients if these have a table of their own."""
    several = sum(path.application for path in trial.paths.values()) > 1
    return [path for path in trial.paths.values() if not (several and path.application)]


def _counted(trial: TrialResult) -> list[Line]:
    """Return lines for the gates that are counts, and for each gate that a path missed although it was back in time."""
    held = [("", name, target) for name, target in trial.targets.items() if name in wording.COUNTED and target.gate]
    for path in trial.paths.values():
        if path.state == "works" and "recovery" in path.targets and path.targets["recovery"].verdict == "pass":
            missed = [(name, it) for name, it in path.targets.items() if it.gate and it.verdict != "pass"]
            held += [(f", {path.name}", name, target) for name, target in missed]
    lines: list[Line] = []
    for whose, name, target in held:
        title = f" {'':<15} {wording.CLAIMS[name] + whose:<26} {wording.measured(target, name):<50}"
        lines.append([(title, "plain"), *_held(target, name)])
    return lines


def fault_lines(result: CampaignResult) -> list[Line]:
    """Return a line for each fault, the worst first, and what kept the promise.

    Return nothing if only one experiment was played.
    """
    found = hurts(result)
    if found is None:
        return []
    lines: list[Line] = [[], [("what hurts most comes first; lost: before · in the last second · after", "plain")]]
    for row in found.rows:
        told = f" {row.name:<26} {row.longest:<42} lost {' · '.join(row.lost)}"
        lines.append([(f"{row.mark.sign} {row.mark.text:<14}", row.mark.tone), (told, "plain")])
    kept = [found.anecdote, *found.kept] if found.anecdote else found.kept
    lines += [[(line, "plain")] for text in kept for line in textwrap.wrap(text, WIDTH, subsequent_indent="  ")]
    return lines


def verdict_lines(result: CampaignResult, report: Path) -> list[Line]:
    """Return verdict, why, do, expect, the report's path, and why it was not on kind.

    `--quiet` prints only these lines.
    """
    lines: list[Line] = [
        [],
        *_paragraph(result.verdict.upper(), result.headline.get("verdict", ""), TONES[result.verdict]),
    ]
    for key in ("why", "do", "expect"):
        lines += _paragraph(key.title(), result.headline.get(key, ""), "plain")
    last = [str(report), *([wording.where(result.cluster, result.cluster_why)] if result.cluster_why else [])]
    return lines + [[(f"{'':<{INDENT}}{text}", "plain")] for text in last]


def _paragraph(word: str, text: str, tone: Tone) -> list[Line]:
    """Return a word and its text, with the further lines indented. Return nothing without a text."""
    first, *rest = textwrap.wrap(text, WIDTH - INDENT, break_on_hyphens=False) or [""]
    if not first:
        return []
    more: list[Line] = [[(f"{'':<{INDENT}}{line}", "plain")] for line in rest]
    return [[(f"{word:<{INDENT - 1}} ", tone), (first, "plain")], *more]


def _title(result: CampaignResult, trial: TrialResult) -> Line:
    same = [each.number for each in result.trials if each.experiment == trial.experiment]
    place = f"{trial.experiment} {same.index(trial.number) + 1}/{len(same)}"
    targets = ", ".join(fault.of_whom for fault in trial.faults if fault.target)
    head = f"{wording.SIGNS[trial.verdict]} {place}"
    return [(head, TONES[trial.verdict]), (f"   seed {trial.seed}   T0 {trial.t0}   {targets}", "plain")]


def _milestones(trial: TrialResult) -> Iterator[tuple[float, Line]]:
    for name in SHOWN:
        milestone = trial.milestones.get(name)
        if milestone is None or milestone.state is State.NOT_APPLICABLE:
            continue
        if milestone.state is State.SEEN:
            text = textwrap.shorten(_STAMPS.sub("", milestone.evidence), 50, placeholder=" …")
        else:
            text = wording.milestone(milestone)
        claim = CLAIM_OF.get(name, "")
        start = _start(milestone.at_s, wording.CLAIMS.get(claim, wording.milestone_name(name)))
        at_s = milestone.at_s.least if milestone.at_s else milestone.limit_s or float("inf")
        yield at_s, [(f"{start} {text:<50}", "plain"), *_held(trial.targets.get(claim), claim)]


def _recoveries(trial: TrialResult) -> Iterator[tuple[float, Line]]:
    for path in trial.paths.values():
        held = path.targets.get("recovery")
        if path.recovered_s and not path.recovered_s.is_open:
            start = _start(path.recovered_s, f"recovered, {path.name}")
            yield path.recovered_s.middle, [(f"{start} {'':<50}", "plain"), *_held(held, "recovery")]
        elif path.recovered_s:
            text = f"           {f'not recovered, {path.name}':<32} {wording.span(path.recovered_s):<50}"
            yield path.recovered_s.least, [(text, "plain"), *_held(held, "recovery")]


def _start(at: Interval | None, title: str) -> str:
    when = (
        "    –      " if at is None else f"{wording.number(at.middle):>7} ±{wording.number(wording.error(at)):>5}"[:15]
    )
    return f" {when:<15} {title:<26}"


def _held(target: TargetResult | None, claim: str) -> Line:
    if target is None:
        return []
    mark = wording.judged(target, claim)
    floor = "" if target.floor is None or mark.tone != "bad" else f" (floor {wording.number(target.floor, 1)})"
    gates = " (gates)" if target.gate else ""
    limit = wording.limit(target, claim).removesuffix(f"{wording.NBSP}s")
    return [
        (f" target {limit:>5}  ", "plain"),
        (f"{mark.sign} {mark.text}{floor}{gates}", mark.tone),
    ]
