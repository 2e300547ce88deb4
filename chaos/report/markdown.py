"""summary.md: what a pull request or a step summary shows. Its first five lines are enough; the rest is tables.

Kept under 64 KB, which is what an issue's body takes: what does not fit is counted, and is in the HTML report.
"""

from collections.abc import Iterator, Sequence

from chaos.analysis import wording
from chaos.analysis.result import CampaignResult, Group, PathResult, TrialResult
from chaos.report.claims import claims
from chaos.report.details import ways
from chaos.report.many import ORDERS, worst_first

ROOM = 60_000
"""Bytes; the limit is 65 536, less what a host adds around it."""


def markdown(result: CampaignResult) -> str:
    """The first five lines, then as many sections as there is room for, the most asked for first."""
    text, left_out = "\n".join(head(result)) + "\n", 0
    for section in sections(result):
        block = "\n" + "\n".join(section) + "\n"
        if len((text + block).encode()) > ROOM:
            left_out += 1
        else:
            text += block
    return text + (f"\n{left_out} more sections are left out: summary.json has every trial.\n" if left_out else "")


def head(result: CampaignResult) -> list[str]:
    lines = [f"**{result.verdict.upper()}** {clean(result.headline.get('verdict', ''))}"]
    lines += [f"**{key.title()}** {clean(result.headline.get(key, '')) or '–'}" for key in ("why", "do", "expect")]
    place = clean(wording.where(result.cluster, result.cluster_why))
    count = len(result.trials)
    measured = f"{wording.plural(count, 'trial')} {place}, scenario {result.scenario}"
    left_out = "".join(f". Left out: {clean(sentence)}" for sentence in result.manifest.get("left_out", []))
    return [f"{line}  " for line in lines] + [f"**Measured** {measured}. Rule: {clean(result.rule)}{left_out}"]


def sections(result: CampaignResult) -> Iterator[list[str]]:
    for group in result.groups:
        yield _claims(result, group)
    for trial in worst_first(result):
        yield _trial(trial)


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [" | ".join(titles), " | ".join("---" for _ in titles)]
    return [f"| {line} |" for line in lines + [" | ".join(clean(cell) for cell in row) for row in rows]]


def clean(text: str) -> str:
    """Text that stays in its line and in its cell, and is no HTML."""
    one_line = " ".join(wording.breakable(text).split())
    return one_line.replace("|", "\\|").replace("<", "&lt;")


def _claims(result: CampaignResult, group: Group) -> list[str]:
    title = ", ".join(part for part in (group.experiment, ORDERS.get(group.group, group.group)) if part)
    rows = [
        (claim.title, claim.promised, claim.measured, f"{claim.mark.sign} {claim.mark.text}{' (gates)' * claim.gate}")
        for claim in claims(result, group)
    ]
    titles = ("claim", "promised", "measured: min · median · max", "verdict")
    return [f"## {title}", "", f"{clean(group.strength)}", "", *table(titles, rows)]


def _trial(trial: TrialResult) -> list[str]:
    title = f"## Trial {trial.number}: {trial.experiment}, {trial.verdict}"
    because = [f"- {clean(text)}" for text in (*trial.because, trial.cause) if text]
    titles = ("path", "state", "outage", "downtime", "of which", "operations not ok", "lost")
    return [
        title,
        "",
        f"T0 {trial.t0}, seed {trial.seed}",
        "",
        *because,
        "",
        *table(titles, [_path(path) for path in ways(trial.paths.values())]),
    ]


def _path(path: PathResult) -> tuple[str, ...]:
    parts = [f"{phase.name} {wording.number(phase.seconds)}" for window in path.windows[:1] for phase in window.phases]
    bad = path.operations.sent - path.operations.ok
    return (
        path.name,
        path.state,
        wording.span(path.outage_s, none=path.state_why or wording.application(path) or "none"),
        wording.span(path.downtime_s),
        ", ".join(parts) or "–",
        f"{wording.count(bad)} of {wording.count(path.operations.sent)}",
        "–" if path.lost is None else wording.count(path.lost),
    )
