"""report.html: one file without scripts and without anything to load, complete where a page's styles are blocked.

The page must stay under 250 KB. Trials are told in full as far as there is room, the worst first; the others keep
their verdict here and everything else in summary.json. Where even the worst one leaves no room, fewer of the failed
operations' groups and of the raw lines are shown: both are files of their own.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from chaos.analysis.result import CampaignResult
from chaos.report import page, palette, rows, words
from chaos.report.claims import slug
from chaos.report.many import is_many

ROOM = 250_000
"""Bytes."""
FULL = 8
"""Trials that are told in full where there are many."""
FEW = 40
"""Groups and raw lines where there is no room for all."""


def html(result: CampaignResult, evidence: page.Evidence) -> str:
    """The page with as many trials in full as there is room for."""
    most = FULL if is_many(result.trials) else len(result.trials)
    text = fitting(lambda most: _render(page.page(result, evidence, most)), most)
    if len(text.encode()) <= ROOM:
        return text
    few = replace(evidence, failed=evidence.failed[:FEW], raw=evidence.raw[:FEW])
    return _render(page.page(result, few, most=1))


def fitting(render: Callable[[int], str], most: int) -> str:
    """The page with at most `most` trials that fits. How many to leave out is reckoned first: rendering is slow."""
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


def css() -> str:
    """The style sheet: every ink as a variable, light and dark, and each ink's attribute in a chart mapped to it."""
    light = ";".join(f"--{name}:{ink.light}" for name, ink in palette.INKS.items())
    dark = ";".join(f"--{name}:{ink.dark}" for name, ink in palette.INKS.items())
    inked = "\n".join(
        f'svg [{attribute}="{ink.light}"]{{{attribute}:var(--{name})}}'
        for name, ink in palette.INKS.items()
        for attribute in ("fill", "stroke")
    )
    source = _environment().get_template("report.css").render()
    return (
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{source}\n{inked}"
    )


def _render(view: page.Page) -> str:
    template = _environment().get_template("report.html")
    figure = Markup(view.evidence.figure)
    return (
        template.render(page=view, result=view.result, evidence=view.evidence, figure=figure, css=Markup(css())) + "\n"
    )


@cache
def _environment() -> Environment:
    loader = PackageLoader("chaos.report", "templates")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {
        "where": words.where,
        "span": words.span,
        "application": words.application,
        "number": words.number,
        "count": words.count,
        "milestone": words.milestone,
        "milestone_name": words.milestone_name,
        "sign": words.SIGNS.__getitem__,
        "tone": words.TONES.__getitem__,
        "slug": slug,
        "not_ok": rows.not_ok,
        "losses": rows.losses,
        "milestones": rows.milestones,
        "fault_text": rows.fault_text,
        "fault_rows": rows.fault_rows,
        "failover_rows": rows.failover_rows,
        "window_rows": rows.window_rows,
        "loss_rows": rows.loss_rows,
    }
    made.globals |= {"inks": palette.INKS, "phases": palette.PHASES}
    return made
