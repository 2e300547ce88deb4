"""report.html: one file without scripts that loads nothing, and is complete even if a page's styles are blocked.

As many trials as there is room for are shown in full, the worst first. The other trials have only their verdict here,
and everything else in summary.json. If even the worst trial leaves no room, fewer groups of failed operations and fewer
raw lines are shown. Both are files of their own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from chaos.analysis import wording
from chaos.analysis.result import CampaignResult, Finding, TrialResult
from chaos.findings import SEVERITIES
from chaos.report import details
from chaos.report.bars import PHASES, Chart, chart, phase_rows
from chaos.report.claims import ClaimRow, claims, slug
from chaos.report.details import Row
from chaos.report.evidence import Evidence
from chaos.report.hurts import HurtTable, hurts
from chaos.report.many import PathSpread, group_title, is_many, some, spreads, unvisited, worst_first
from chaos.report.svg import INKS

ROOM = 250_000
"""The most bytes of the page."""
FULL = 8
"""How many trials are shown in full if there are many."""
FEW = 40
"""How many groups and raw lines are shown if there is no room for all."""
DOUBTS = 60
"""How many rows of doubts are shown."""
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
    "watched": (
        "Watched from outside: what caused an outage, whom it hit, and what a label or a Service's endpoints said "
        "meanwhile is not known. Roles and Sentinels' words are, where they could be asked.",
        "A window begins with what was seen first. An outage of a path that no client of ours used is not seen.",
    ),
    "local": (
        "Measured on a model: real Redis and Sentinel processes of one machine, without Kubernetes.",
        "There was no kubelet and no operator: how a member is started again or replaced, and how the master's Service "
        "is moved, is what the scenario says of them, kept to the second. A real one may be slower, or do otherwise.",
        "All members share one kernel, one clock and one disk, and there is no real network between them.",
    ),
}
"""Maps each kind of cluster to what measuring there leaves out."""


@dataclass(frozen=True, slots=True)
class GroupView:
    """The claims of a group: one block for the system, and then one for each path."""

    title: str
    strength: str
    many: bool
    blocks: list[list[ClaimRow]]


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding as the page shows it: in full for `trial`, with the other trials that have one like it."""

    finding: Finding
    trial: TrialResult
    trials: str
    alike: int

    @property
    def span(self) -> str:
        """When the finding held, as in `0.3 to 11.4 s`, or `11.4 s to the end`."""
        since = wording.number(self.finding.since_s, 1)
        if self.finding.until_s is None:
            return f"{since} s to the end"
        return f"{since} to {wording.number(self.finding.until_s, 1)} s"


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """What the page shows, in the order in which it shows it."""

    result: CampaignResult
    evidence: Evidence
    hurts: HurtTable | None
    chart: Chart
    groups: Sequence[GroupView]
    findings: Sequence[Shown]
    spreads: dict[str, tuple[PathSpread, ...]]
    worst: TrialResult | None
    full: Sequence[TrialResult]
    short: Sequence[Row]
    doubts: Sequence[Row]
    covariates: Sequence[Row]
    leaves_out: Sequence[str]

    @property
    def phases(self) -> tuple[str, ...]:
        """Every phase that is drawn. Its pattern is defined once for the whole page."""
        drawn = {*self.chart.phases, *(self.hurts.phases if self.hurts else ())}
        return tuple(name for name in PHASES if name in drawn)

    @property
    def anchors(self) -> frozenset[str]:
        """What a claim can link to: the milestones, paths and losses of the trials that are shown in full."""
        parts = (
            (trial, (*trial.milestones, *(path.name for path in details.ways(trial.paths.values())), "losses"))
            for trial in self.full
        )
        return frozenset(f"trial-{trial.number}-{slug(part)}" for trial, each in parts for part in each)

    @property
    def trials_text(self) -> str:
        started = min((trial.t0 for trial in self.result.trials if trial.t0), default="")
        text = wording.plural(len(self.result.trials), "trial")
        return f"{text} · first T0 {started}" if started else text


def html(result: CampaignResult, evidence: Evidence) -> str:
    """Return the page with as many trials in full as there is room for."""
    most = FULL if is_many(result.trials) else len(result.trials)
    text = fitting(lambda most: _render(page(result, evidence, most)), most)
    if len(text.encode()) <= ROOM:
        return text
    few = replace(evidence, failed=evidence.failed[:FEW], raw=evidence.raw[:FEW])
    return _render(page(result, few, most=1))


def fitting(render: Callable[[int], str], most: int) -> str:
    """Return the page with as many trials as fit into ROOM, and at most `most`.

    Rendering is slow, so how many will fit is first estimated from the sizes of two pages.
    """
    text = render(most)
    if len(text.encode()) <= ROOM or most < 2:
        return text
    least = len(render(1).encode())
    each = (len(text.encode()) - least) / (most - 1)
    for fewer in range(max(1, min(most - 1, 1 + int((ROOM - least) / each))), 0, -1):
        text = render(fewer)
        if len(text.encode()) <= ROOM:
            break
    return text


def page(result: CampaignResult, evidence: Evidence, most: int) -> Page:
    """Return what the page shows, with the worst `most` trials in full."""
    worst = worst_first(result)
    full = sorted(worst[:most], key=lambda trial: trial.number)
    shown = {trial.number for trial in full}
    groups = []
    for group in result.groups:
        held = claims(result, group)
        blocks = [[one for one in held if one.path == path] for path in dict.fromkeys(one.path for one in held)]
        groups.append(GroupView(group_title(group), group.strength, len(group.trials) > 1, blocks))
    return Page(
        result=result,
        evidence=evidence,
        hurts=hurts(result),
        chart=chart(result),
        groups=groups,
        findings=findings(result.trials),
        spreads=spreads(result),
        worst=worst[0] if worst else None,
        full=full,
        short=[details.short_row(trial) for trial in result.trials if trial.number not in shown],
        doubts=details.doubt_rows(result.trials, DOUBTS),
        covariates=details.covariate_rows(tuple(full)),
        leaves_out=(*LEAVES_OUT.get(result.cluster, ()), *EVERYWHERE, *unvisited(result)),
    )


def findings(trials: Sequence[TrialResult]) -> list[Shown]:
    """Return every finding, the gravest first, and equal ones once.

    If there are many trials, all findings of one name in one experiment are shown as the one that lasted longest.
    """
    alike: dict[tuple[str, str], list[tuple[TrialResult, Finding]]] = {}
    for trial in trials:
        for one in trial.findings:
            what = (one.name, trial.experiment) if is_many(trials) else (one.sentence, "")
            alike.setdefault(what, []).append((trial, one))
    shown = []
    for each in alike.values():
        lasted_s = [float("inf") if one.until_s is None else one.until_s - one.since_s for _, one in each]
        trial, longest = each[lasted_s.index(max(lasted_s))]
        numbers = sorted({trial.number for trial, _ in each})
        shown.append(Shown(longest, trial, some(numbers), len(each)))
    return sorted(shown, key=lambda one: SEVERITIES.index(one.finding.severity))


def css() -> str:
    """Return the style sheet: each ink as a variable, light and dark, and each ink's attribute in a plot mapped to it.

    No rule names an ancestor, because it would not apply in the copies that `use` makes of a shape.
    """
    light = ";".join(f"--{name}:{ink.light}" for name, ink in INKS.items())
    dark = ";".join(f"--{name}:{ink.dark}" for name, ink in INKS.items())
    inked = "\n".join(
        f'[{attribute}="{ink.light}"]{{{attribute}:var(--{name})}}'
        for name, ink in INKS.items()
        for attribute in ("fill", "stroke")
    )
    source = environment().get_template("report.css").render()
    return (
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{source}\n{inked}"
    )


def _render(view: Page) -> str:
    template = environment().get_template("report.html")
    return template.render(page=view, result=view.result, evidence=view.evidence, css=Markup(css())) + "\n"


@cache
def environment() -> Environment:
    loader = PackageLoader("chaos.report", "templates")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {
        "where": wording.where,
        "span": wording.span,
        "application": wording.application,
        "application_rows": details.application_rows,
        "number": wording.number,
        "count": wording.count,
        "continued": wording.continued,
        "milestone": wording.milestone,
        "milestone_name": wording.milestone_name,
        "rearmed": wording.rearmed,
        "sign": wording.SIGNS.__getitem__,
        "tone": wording.TONES.__getitem__,
        "slug": slug,
        "svg": Markup,
        "phase_rows": phase_rows,
        "ways": details.ways,
        "not_ok": details.not_ok,
        "losses": details.losses,
        "milestones": details.milestones,
        "fault_text": details.fault_text,
        "fault_row": details.fault_row,
        "failover_row": details.failover_row,
        "window_rows": details.window_rows,
        "loss_row": details.loss_row,
    }
    made.globals |= {"inks": INKS, "phases": PHASES, "application_titles": details.APPLICATION_TITLES}
    return made
