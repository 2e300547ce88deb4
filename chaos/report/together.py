"""The closing block of a campaign: a few trials one by one, many by their groups and the worst of them in full."""

from collections.abc import Iterator

from chaos.analysis.result import CampaignResult, Group, Verdict
from chaos.report import words
from chaos.report.claims import group_title
from chaos.report.closing import Line, trial_lines
from chaos.report.many import is_many
from chaos.report.spreads import Curve, curves
from chaos.report.worst import worst_first


def campaign_lines(result: CampaignResult) -> list[Line]:
    """What became of its trials, before the verdict."""
    if not is_many(result.trials):
        return [line for trial in result.trials for line in trial_lines(result, trial)]
    spread = dict(curves(result).groups)
    groups = [line for group in result.groups for line in _group(group, spread.get(group_title(group), ()))]
    worst = worst_first(result)[0]
    head: Line = [(f"the worst of {len(result.trials)}, trial {worst.number}:", "plain")]
    return [*groups, [], head, *trial_lines(result, worst)]


def _group(group: Group, paths: tuple[Curve, ...]) -> Iterator[Line]:
    yield []
    yield [(group_title(group), "plain")]
    yield [("  ", "plain"), *_counts(group), (f" {group.strength}", "plain")]
    for path in paths:
        yield [(f"  {f'back, {path.path}':<26} {path.text}", "plain")]


def _counts(group: Group) -> Line:
    counts = {Verdict.PASS: group.passed, Verdict.FAIL: group.failed, Verdict.INCONCLUSIVE: group.inconclusive}
    return [(f"{words.SIGNS[verdict]} {n} {verdict}  ", words.TONES[verdict]) for verdict, n in counts.items() if n]
