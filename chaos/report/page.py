"""What the HTML page shows, in the order it shows it: values in words, gathered from the result and the recording."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from chaos.analysis.result import CampaignResult, Group, TrialResult
from chaos.report import rows
from chaos.report.bars import Chart, chart
from chaos.report.claims import Claim, claims, group_title, slug
from chaos.report.rows import Row
from chaos.report.spreads import Curves, curves
from chaos.report.worst import worst_first

DOUBTS = 60
"""Rows of doubts that are shown."""
EVERYWHERE = (
    "The clients were on no side of a cut. Their own lag is measured, and is part of every error.",
    "Each meter sends at a fixed rate: an outage is known to about two of its periods, as its error says.",
)
LEAVES_OUT = {
    "kind": (
        "Measured on kind: all nodes are containers of one machine, with one clock, one disk and one kernel.",
        "There is no real network between the nodes: no latency, no loss, no switch that must learn a new address.",
        "Nothing else ran in the cluster. A busy node detects, elects and relabels later than an idle one.",
    ),
    "local": (
        "Measured on a model: real Redis and Sentinel processes of one machine, without Kubernetes.",
        "There was no kubelet and no operator: how a member is started again or replaced, and how the master's Service "
        "is moved, is what the scenario says of them, kept to the second. A real one may be slower, or do otherwise.",
        "All members share one kernel, one clock and one disk, and there is no real network between them.",
    ),
}
"""What the place of measuring leaves out, by the kind of cluster."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What the page shows from the recordings themselves. `figure` is SVG; its words are already safe."""

    figure: str = ""
    lanes: Sequence[Row] = ()
    raw: Sequence[Row] = ()
    failed: Sequence[Row] = ()
    failed_total: int = 0
    settings: Sequence[Row] = ()
    versions: Sequence[Row] = ()
    command: str = ""


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group's claims: the system's first, then a block a path."""

    title: str
    strength: str
    many: bool
    blocks: list[list[Claim]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    result: CampaignResult
    evidence: Evidence
    worst: TrialResult | None
    full: Sequence[TrialResult]
    short: Sequence[Row]
    chart: Chart
    curves: Curves
    groups: Sequence[GroupView]
    doubts: Sequence[Row]
    covariates: Sequence[Row]
    leaves_out: Sequence[str]

    @property
    def anchors(self) -> frozenset[str]:
        """What a claim can point at: the milestones, paths and losses of the trials told in full."""
        parts = ((trial, (*trial.milestones, *trial.paths, "losses")) for trial in self.full)
        return frozenset(f"trial-{trial.number}-{slug(part)}" for trial, each in parts for part in each)

    @property
    def trials_text(self) -> str:
        started = min((trial.t0 for trial in self.result.trials if trial.t0), default="")
        text = f"{len(self.result.trials)} trial{'s' * (len(self.result.trials) != 1)}"
        return f"{text} · first T0 {started}" if started else text


def page(result: CampaignResult, evidence: Evidence, most: int) -> Page:
    """The page with at most `most` trials told in full, the worst of them first to stay."""
    worst = worst_first(result)
    full = sorted(worst[:most], key=lambda trial: trial.number)
    shown = {trial.number for trial in full}
    rest = [rows.short_row(trial) for trial in result.trials if trial.number not in shown]
    return Page(
        result=result,
        evidence=evidence,
        worst=worst[0] if worst else None,
        full=full,
        short=rest,
        chart=chart(result),
        curves=curves(result),
        groups=[group_view(result, group) for group in result.groups],
        doubts=rows.doubt_rows(result.trials, DOUBTS),
        covariates=rows.covariate_rows(tuple(full)),
        leaves_out=(*LEAVES_OUT.get(result.cluster, ()), *EVERYWHERE),
    )


def group_view(result: CampaignResult, group: Group) -> GroupView:
    found = claims(result, group)
    blocks = [[claim for claim in found if claim.path == path] for path in dict.fromkeys(claim.path for claim in found)]
    return GroupView(group_title(group), group.strength, len(group.trials) > 1, blocks)
