"""summary.md, for a pull request or a step summary. Its first five lines are enough. Tables follow.

It is kept under 64 KB, which is what the body of an issue takes. Sections that do not fit are counted, and are in the
HTML report.
"""

from collections.abc import Iterator, Sequence

from chaos.analysis import wording
from chaos.analysis.result import CampaignResult, Group, PathResult, Quantile, TrialResult
from chaos.report.claims import claims
from chaos.report.details import APPLICATION_TITLES, application_rows, ways
from chaos.report.hurts import HurtTable, hurts
from chaos.report.hurts import rows as hurt_rows
from chaos.report.many import ORDERS, worst_first

ROOM = 60_000
"""The most bytes of summary.md. The limit is 65 536, less what a host adds around it."""


def markdown(result: CampaignResult) -> str:
    """Return the first five lines, and then as many sections as there is room for, the most asked for first."""
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
    found = hurts(result)
    if found:
        yield _faults(found)
    for group in result.groups:
        yield _claims(result, group)
        if len(group.trials) > 1:
            yield _times(group)
    for trial in worst_first(result):
        yield _trial(trial)


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [" | ".join(titles), " | ".join("---" for _ in titles)]
    return [f"| {line} |" for line in lines + [" | ".join(clean(cell) for cell in row) for row in rows]]


def clean(text: str) -> str:
    """Return a text that stays in its line and in its cell, and is no HTML."""
    one_line = " ".join(wording.breakable(text).split())
    return one_line.replace("|", "\\|").replace("<", "&lt;")


def _faults(found: HurtTable) -> list[str]:
    titles = ("fault", "stands for", "outage on each path", "worst path's phases", "lost: before · tail · after")
    kept = [f"- {clean(sentence)}" for sentence in found.kept]
    return [
        "## For which failures does the promise hold?",
        "",
        f"What hurts most comes first. {found.anecdote}".strip(),
        "",
        *table((*titles, "verdict", "what the settings allow, and the cause"), hurt_rows(found)),
        "",
        "What would have kept the promise in these same trials:",
        "",
        *kept,
    ]


def _claims(result: CampaignResult, group: Group) -> list[str]:
    title = ", ".join(part for part in (group.experiment, group.variant, ORDERS.get(group.group, group.group)) if part)
    rows = [
        (claim.title, claim.promised, claim.measured, f"{claim.mark.sign} {claim.mark.text}{' (gates)' * claim.gate}")
        for claim in claims(result, group)
    ]
    titles = ("claim", "promised", "measured: min · median · max", "verdict")
    return [f"## {title}", "", f"{clean(group.strength)}", "", *table(titles, rows)]


def _times(group: Group) -> list[str]:
    """Return a Markdown table of a group: each figure with its 95 % interval, or how many trials an interval needs."""
    rows = []
    for name, spread in group.figures.items():
        p95 = spread.quantiles.get("p95")
        if not spread.n or p95 is None:
            continue
        low, high = (wording.number(edge) if edge is not None else "?" for edge in spread.interval)
        over = spread.n - spread.censored
        rows.append(
            (
                name.replace("_", " "),
                f"{over} of {spread.n}" if spread.censored else str(spread.n),
                "–" if spread.minimum is None else wording.number(spread.minimum),
                f"{'not over' if spread.median is None else wording.number(spread.median)} ({low} to {high})",
                _bounded(p95),
                "not over" if spread.maximum is None else wording.number(spread.maximum),
            )
        )
    titles = ("seconds", "n", "least", "median (at 95 %)", "95 % of such by", "most")
    said = "? is where so few trials bound nothing. Of what was not over in every trial, n says in how many it was."
    return [f"### Over {len(group.trials)} trials of {group.experiment}", "", said, "", *table(titles, rows)]


def _bounded(quantile: Quantile) -> str:
    """Format when a share was over, and by when it is over in all such trials at 95 % confidence."""
    if quantile.value is None and quantile.most is None:
        return f"needs n ≥ {quantile.needs}"
    value, most = (None if edge is None else wording.number(edge) for edge in (quantile.value, quantile.most))
    return f"{value or 'not over'}, at most {most or '?'}"


def _trial(trial: TrialResult) -> list[str]:
    title = f"## Trial {trial.number}: {trial.experiment}, {trial.verdict}"
    told = (*trial.because, trial.cause, wording.logs_not_read(trial), wording.rearmed(trial.milestones))
    because = [f"- {clean(text)}" for text in told if text]
    titles = ("path", "state", "outage", "downtime", "of which", "operations not ok", "lost")
    applications = application_rows(trial.paths.values())
    return [
        title,
        "",
        f"T0 {trial.t0}, seed {trial.seed}",
        "",
        *because,
        "",
        *table(titles, [_path(path) for path in ways(trial.paths.values())]),
        *(["", *table(APPLICATION_TITLES, applications)] if applications else []),
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
