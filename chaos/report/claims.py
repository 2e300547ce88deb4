"""The table of claims: what was promised, what was measured over the trials of one group, and where the evidence is.

Renders targets that the analysis has judged; it judges none itself.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from chaos.analysis.interval import Interval
from chaos.analysis.result import LOSS_CLAIMS, MILESTONE_OF, CampaignResult, Group, TargetResult, TrialResult
from chaos.report import words
from chaos.report.many import is_many
from chaos.report.words import CLAIMS, Mark

SHOWN = 5
"""Trials that a claim over many points at."""
VERDICTS = ("fail", "undecided", "pass", "not-applicable")
"""The worst first."""
ORDERS = {
    "lower": "the killed ordinal below its successor's",
    "higher": "the killed ordinal above its successor's",
    "": "",
}
_COUNTED_BY = {**dict.fromkeys(LOSS_CLAIMS, "audit"), "failovers": "sentinel", "works_at_end": "role"}
_COUNTED_IN = {**dict.fromkeys(LOSS_CLAIMS, "losses"), "failovers": "failovers"}
"""Who counted what has no milestone, and which part of a trial shows it."""


@dataclass(frozen=True, slots=True)
class Held:
    """One trial's word on a claim."""

    trial: TrialResult
    target: TargetResult


@dataclass(frozen=True, slots=True)
class Claim:
    """One promise over the trials of a group. `path` is empty where the promise is the system's."""

    name: str
    path: str
    held: tuple[Held, ...]

    @property
    def title(self) -> str:
        return f"{CLAIMS[self.name]}, {self.path}" if self.path else CLAIMS[self.name]

    @property
    def gate(self) -> bool:
        return any(one.target.gate for one in self.held)

    @property
    def promised(self) -> str:
        return words.limit(self.held[0].target, self.name)

    @property
    def floor(self) -> str:
        floors = [one.target.floor for one in self.held if one.target.floor is not None]
        return (
            f"settings allow from {words.joined(words.number(min(floors), 1), 's')}" if floors and self.values else ""
        )

    @property
    def values(self) -> list[Interval]:
        return [one.target.measured for one in self.held if one.target.measured is not None]

    @property
    def measured(self) -> str:
        if self.name in LOSS_CLAIMS:
            return _lost(self.name, self.held)
        if self.name == "works_at_end":
            return next((one.target.why for one in self.held if one.target.why), "works")
        if self.name in words.COUNTED:
            return _counts(self.values)
        if not self.values:
            return next((one.target.why for one in self.held if one.target.why), "–")
        return words.span(self.values[0]) if len(self.values) == 1 else spread(self.values)

    @property
    def mark(self) -> Mark:
        marks = [words.judged(one.target, self.name) for one in self.held]
        return marks[0] if len(marks) == 1 else _together(marks, self)

    @property
    def evidence(self) -> list[tuple[str, str]]:
        """(anchor, text) of each trial's evidence; of many trials that of the worst."""
        about = slug(self.path or MILESTONE_OF.get(self.name, _COUNTED_IN.get(self.name, "")))
        shown = sorted(self.held, key=_worst_first)[:SHOWN] if is_many(self.held) else self.held
        return [(f"trial-{one.trial.number}-{about}", str(one.trial.number)) for one in shown]

    @property
    def more(self) -> int:
        """How many trials have evidence that is not pointed at."""
        return len(self.held) - len(self.evidence)

    @property
    def source(self) -> str:
        """Who says so, in the record's word."""
        milestone = MILESTONE_OF.get(self.name, "")
        known = [one.trial.milestones[milestone].source for one in self.held if milestone in one.trial.milestones]
        usual = "client" if self.path else _COUNTED_BY.get(self.name, "–")
        return next((source for source in known if source), usual)


def _worst_first(held: Held) -> tuple[int, float]:
    measured = held.target.measured or Interval.at(0.0)
    return VERDICTS.index(held.target.verdict), -(float("inf") if measured.is_open else measured.middle)


def group_title(group: Group) -> str:
    """What its trials have in common, and how many they are."""
    n = len(group.trials)
    return ", ".join(
        part for part in (group.experiment, f"{n} trial{'s' * (n != 1)}", ORDERS.get(group.group, group.group)) if part
    )


def slug(text: str) -> str:
    """An anchor made of a name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def claims(result: CampaignResult, group: Group) -> list[Claim]:
    """The system's claims in their order, then each path's."""
    trials = [trial for trial in result.trials if trial.number in group.trials]
    held: dict[tuple[str, str], list[Held]] = {}
    for trial in trials:
        for path, name, target in targets(trial):
            held.setdefault((path, name), []).append(Held(trial, target))
    order = list(CLAIMS)
    found = sorted(held.items(), key=lambda item: (item[0][0] != "", order.index(item[0][1]) if not item[0][0] else 0))
    return [Claim(name, path, tuple(each)) for (path, name), each in found]


def targets(trial: TrialResult) -> Iterator[tuple[str, str, TargetResult]]:
    """(path, claim, target): the trial's own with an empty path, then those of each path."""
    for name, target in trial.targets.items():
        yield "", name, target
    for path in trial.paths.values():
        for name, target in path.targets.items():
            yield path.name, name, target


def spread(values: list[Interval]) -> str:
    """`50.80 · 51.90 · 53.00 s ± 0.04, n 3`: least, median and most. What was not over counts as longest."""
    ordered = sorted(values, key=lambda value: (value.is_open, value.middle))
    ends = [value.middle for value in ordered]
    worst = words.error(
        max((value for value in ordered if not value.is_open), key=words.error, default=Interval.at(0.0))
    )
    more = {index for index, value in enumerate(ordered) if value.is_open}
    middle_known = len(ordered) // 2 not in more
    texts = [
        words.plain(ordered[0]),
        words.number(median(ends)) if middle_known else words.joined(">", words.number(ends[(len(ends) - 1) // 2])),
        words.plain(ordered[-1]),
    ]
    values_text = words.joined(" · ".join(texts), "s")
    return f"{values_text} {words.joined('±', words.number(worst))}, {words.joined('n', str(len(values)))}"


def _counts(values: list[Interval]) -> str:
    """Each trial's count, or the one that all of them have."""
    counts = [words.count(round(value.least)) for value in values]
    if len(counts) > 1 and len(set(counts)) == 1:
        return f"{counts[0]} in each of {len(counts)}"
    return ", ".join(counts) or "–"


def _lost(claim: str, held: tuple[Held, ...]) -> str:
    known: list[Interval | None] = [getattr(one.trial.losses, claim.removeprefix("lost_")) for one in held]
    sent = words.count(sum(one.trial.losses.acknowledged for one in held))
    undecided = sum(each is None for each in known)
    lost = words.count(round(sum(each.most for each in known if each)))
    text = f"{lost} of {sent}"
    return f"{text}, undecided in {undecided} of {len(known)}" if undecided else text


def _together(marks: list[Mark], claim: Claim) -> Mark:
    """Failed beats undecided beats passed; a judgement that is not everybody's says how many it is."""
    for tone, word in (("bad", "late"), ("open", "undecided")):
        these = [mark for mark in marks if mark.tone == tone]
        if these and len(these) < len(marks):
            return Mark(these[0].sign, f"{_word(these[0], word)} in {len(these)} of {len(marks)}", these[0].tone)
        if these:
            return _median_of(these[0], claim)
    return _median_of(marks[0], claim)


def _word(mark: Mark, word: str) -> str:
    return word if mark.text.startswith(word) else mark.text


def _median_of(mark: Mark, claim: Claim) -> Mark:
    """The late or early of the median trial, where there is such a figure."""
    if not mark.text.startswith(("late", "early")):
        return mark
    ends = [value.middle for value in claim.values]
    late_s = median(ends) - (claim.held[0].target.limit or 0.0)
    return Mark(mark.sign, words.joined("late" if late_s > 0 else "early", words.number(abs(late_s))), mark.tone)
