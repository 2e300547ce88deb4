"""The table of claims: what was promised, what was measured over the trials of one group, and where the evidence is.

The analysis has judged every trial. A row over several trials shows their worst judgement, and how many of them have
it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from chaos.analysis import wording
from chaos.analysis.interval import Interval
from chaos.analysis.result import LOSS_CLAIMS, MILESTONE_OF, CampaignResult, Group, TargetResult, TrialResult
from chaos.analysis.wording import CLAIMS, Mark
from chaos.report.details import ways
from chaos.report.many import is_many

SHOWN = 5
"""A row over many trials links to the evidence of at most this many."""
VERDICTS = ("fail", "undecided", "pass", "not-applicable")
"""The verdicts, the worst first."""
WORKS = "works"
"""The claim on an address that never worked. It stands in place of all claims on the address's paths."""
_COUNTED_BY = {**dict.fromkeys(LOSS_CLAIMS, "audit"), "failovers": "sentinel", "works_at_end": "role"}
_COUNTED_IN = {**dict.fromkeys(LOSS_CLAIMS, "losses"), "failovers": "failovers"}
"""For claims without a milestone: the source of their counts, and the part of a trial on the page that shows them."""


@dataclass(frozen=True, slots=True)
class Held:
    """The result of a claim in one trial."""

    trial: TrialResult
    target: TargetResult


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """One claim over the trials of a group. `path` is empty if the claim is about the system."""

    name: str
    path: str
    held: tuple[Held, ...]

    @property
    def title(self) -> str:
        said = CLAIMS.get(self.name, self.name)
        return f"{said}, {self.path}" if self.path else said

    @property
    def gate(self) -> bool:
        return any(one.target.gate for one in self.held)

    @property
    def promised(self) -> str:
        return WORKS if self.name == WORKS else wording.limit(self.held[0].target, self.name)

    @property
    def floor(self) -> str:
        floors = [one.target.floor for one in self.held if one.target.floor is not None]
        if not floors or not self.values:
            return ""
        return f"settings allow from {wording.joined(wording.number(min(floors), 1), 's')}"

    @property
    def values(self) -> list[Interval]:
        return [one.target.measured for one in self.held if one.target.measured is not None]

    @property
    def measured(self) -> str:
        if self.name in LOSS_CLAIMS:
            return _lost(self.name, self.held)
        why = next((one.target.why for one in self.held if one.target.why and one.target.verdict != "undecided"), "")
        if self.name == "works_at_end" and all(one.target.verdict == "undecided" for one in self.held):
            return "–"
        if self.name in ("works_at_end", WORKS):
            return why or "works"
        if self.name in wording.COUNTED:
            counts = [wording.counted(value) for value in self.values]
            alike = len(counts) > 1 and len(set(counts)) == 1
            return f"{counts[0]} in each of {len(counts)}" if alike else ", ".join(counts) or "–"
        if not self.values:
            return why or "–"
        return wording.span(self.values[0]) if len(self.values) == 1 else spread(self.values)

    @property
    def mark(self) -> Mark:
        """The worst judgement, and how many trials have it if not all have."""
        if self.name == WORKS:
            return Mark("✗", "never worked", "bad")
        marks = [wording.judged(one.target, self.name) for one in self.held]
        worst = next((mark for tone in ("bad", "open") for mark in marks if mark.tone == tone), marks[0])
        alike = sum(mark.tone == worst.tone for mark in marks)
        what, colon, why = worst.text.partition(": ")
        if worst.tone in ("bad", "open") and alike < len(marks):
            said = "late" if what.startswith("late") else what
            return Mark(worst.sign, f"{said} in {alike} of {len(marks)}{colon}{why}", worst.tone)
        if len(marks) > 1 and what.startswith(("late", "early")):
            late_s = median(value.middle for value in self.values) - (self.held[0].target.limit or 0.0)
            return Mark(worst.sign, wording.late_or_early(late_s), worst.tone)
        return worst

    @property
    def evidence(self) -> list[tuple[str, str]]:
        """The (anchor, text) of each trial's evidence. If there are many trials, only the worst are shown."""
        about = slug(self.path or MILESTONE_OF.get(self.name, _COUNTED_IN.get(self.name, "")))
        shown = sorted(self.held, key=_worst_first)[:SHOWN] if is_many(self.held) else self.held
        return [(f"trial-{one.trial.number}-{about}", str(one.trial.number)) for one in shown]

    @property
    def more(self) -> int:
        """How many trials have evidence to which the row does not link."""
        return len(self.held) - len(self.evidence)

    @property
    def source(self) -> str:
        """The source of the record that shows the measured value, such as `sentinel` or `client`."""
        milestone = MILESTONE_OF.get(self.name, "")
        known = [one.trial.milestones[milestone].source for one in self.held if milestone in one.trial.milestones]
        usual = "client" if self.path else _COUNTED_BY.get(self.name, "–")
        return next((source for source in known if source), usual)


def slug(text: str) -> str:
    """Return an anchor made from a name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def claims(result: CampaignResult, group: Group) -> list[ClaimRow]:
    """Return the system's claims in their order, and then each path's. An address that never worked has only one."""
    held: dict[tuple[str, str], list[Held]] = {}
    for trial in result.trials:
        for path, name, target in _told(trial) if trial.number in group.trials else ():
            held.setdefault((path, name), []).append(Held(trial, target))
    order = list(CLAIMS)
    found = sorted(held.items(), key=lambda item: (item[0][0] != "", order.index(item[0][1]) if not item[0][0] else 0))
    return [ClaimRow(name, path, tuple(each)) for (path, name), each in found]


def targets(trial: TrialResult) -> Iterator[tuple[str, str, TargetResult]]:
    """Yield (path, claim, target): the trial's own targets with an empty path, and then the targets of each path."""
    for name, target in trial.targets.items():
        yield "", name, target
    for path in trial.paths.values():
        for name, target in path.targets.items():
            yield path.name, name, target


def _told(trial: TrialResult) -> Iterator[tuple[str, str, TargetResult]]:
    """Yield what `targets` yields, but only one target for an address that never worked, which says just that."""
    never = [one for one in ways(trial.paths.values()) if one.state == "never worked" and one.targets]
    for path, name, target in targets(trial):
        if not path or trial.paths[path].state != "never worked":
            yield path, name, target
    for one in never:
        why = f"{one.state_why} ({one.about})" if one.about else one.state_why
        gate = any(target.gate for target in one.targets.values())
        yield one.name, WORKS, TargetResult(verdict="fail", gate=gate, why=why)


def spread(values: list[Interval]) -> str:
    """Format values as `50.80 · 51.90 · 53.00 s ± 0.04, n 3`: least, median and most.

    A value that was not over counts as the longest.
    """
    ordered = sorted(values, key=lambda value: (value.is_open, value.middle))
    ends, over = [value.middle for value in ordered], [value for value in ordered if not value.is_open]
    middle = wording.number(median(ends))
    if ordered[len(ordered) // 2].is_open:
        middle = wording.joined(">", wording.number(ends[(len(ends) - 1) // 2]))
    error_s = max(map(wording.error, over), default=0.0)
    texts = (wording.plain(ordered[0]), middle, wording.plain(ordered[-1]))
    n, error = wording.joined("n", str(len(values))), wording.joined("±", wording.number(error_s))
    return f"{wording.joined(' · '.join(texts), 's')} {error}, {n}"


def _worst_first(held: Held) -> tuple[int, float]:
    measured = held.target.measured or Interval.at(0.0)
    return VERDICTS.index(held.target.verdict), -(float("inf") if measured.is_open else measured.middle)


def _lost(claim: str, held: tuple[Held, ...]) -> str:
    known: list[Interval | None] = [getattr(one.trial.losses, claim.removeprefix("lost_")) for one in held]
    sent = wording.count(sum(one.trial.losses.acknowledged for one in held))
    undecided = sum(each is None for each in known)
    text = f"{wording.count(sum(each.most for each in known if each))} of {sent}"
    return f"{text}, undecided in {undecided} of {len(known)}" if undecided else text
