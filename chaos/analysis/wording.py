"""Formats figures, claims and judgements, so that all sentences and reports show them alike.

Errors are rounded up, and never down. A time that was not over when watching stopped is shown as `> x`.
"""

import math
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from chaos.analysis.interval import Interval
from chaos.analysis.result import Milestone, PathResult, State, TargetResult, TrialResult, Verdict

LOCAL = "local"
"""The kind of cluster whose members are processes of one machine."""
WATCHED = "watched"
"""The kind of a system that runs somewhere, and of which only what its clients can see was recorded."""
MODELLED = "MODELLED (no Kubernetes, no operator):"

NBSP = "\N{NO-BREAK SPACE}"
"""Stands between a figure, its error and its unit. `breakable` replaces it by a space for plain text."""

CLAIMS = {
    "detection": "detection",
    "quorum": "quorum",
    "failover_start": "failover start",
    "promotion": "promotion",
    "reconfiguration": "reconfiguration",
    "endpoint": "endpoint",
    "recovery": "recovery",
    "downtime": "downtime",
    "works_at_end": "works at the end",
    "lost_before": "lost writes that everybody had",
    "lost_tail": "lost writes of the last second",
    "lost_after": "lost writes after the fault",
    "failovers": "failovers",
}
"""Maps each claim to its name in reports, in the order in which claims are promised."""

COUNTED = {
    "lost_before": ("none lost", "lost"),
    "lost_tail": ("none lost", "lost"),
    "lost_after": ("none lost", "lost"),
    "failovers": ("as expected", "not as expected"),
    "works_at_end": ("works", "does not work"),
}
"""Maps each claim that is not a time to the words for its pass and for its fail."""

RUN = 3
"""This many consecutive numbers, or more, are written as the first and the last."""
LOG_NOT_READ = "a log that cannot be read"
"""The name of the finding that every report shows beside the cause."""
NAMES = ("Sentinel", "Sentinels", "Redis", "Kubernetes", "Service", "Services")

Tone = Literal["good", "bad", "open", "plain"]
SIGNS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.INCONCLUSIVE: "?"}
"""A verdict has a sign as well as a colour, for readers who do not see the colour."""
TONES: dict[Verdict, Tone] = {Verdict.PASS: "good", Verdict.FAIL: "bad", Verdict.INCONCLUSIVE: "open"}


@dataclass(frozen=True, slots=True)
class Mark:
    """A judgement as reports show it: a sign, words, and a tone that may be shown as a colour."""

    sign: str
    text: str
    tone: Tone


# Numbers.


def number(value: float, digits: int = 2) -> str:
    """Format a number with fixed digits, a space between thousands, and no minus before a zero."""
    text = f"{value:,.{digits}f}".replace(",", NBSP)
    return text.removeprefix("-") if not any(digit in "123456789" for digit in text) else text


def count(value: float) -> str:
    """Format a whole number, as in `41 627`."""
    return number(value, 0)


def brief(value: float, digits: int = 2) -> str:
    """Format a number that was set and not measured, without zeros at its end, as in `15` and `0.25`."""
    if abs(value) >= 1e6:
        return f"{value:g}"
    text = number(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """Format a share from 0 to 1, as in `88 %`."""
    return f"{count(100 * share)} %"


def counted(value: Interval) -> str:
    """Format a count that may be an interval, as in `3` and `3 to 5`."""
    least, most = count(round(value.least)), count(round(value.most))
    return least if least == most else f"{least} to {most}"


def joined(*parts: str) -> str:
    """Join parts by spaces at which no line is broken."""
    return NBSP.join(parts)


def breakable(text: str) -> str:
    return text.replace(NBSP, " ")


def wrapped(text: str, width: int) -> list[str]:
    """Break a text at its spaces into lines of at most `width` characters. A longer word has a line of its own."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def plural(count_of: int, word: str) -> str:
    """Format a count of things, as in `1 trial` and `3 trials`."""
    return f"{count(count_of)} {word}" if count_of == 1 else f"{count(count_of)} {word}s"


def continued(sentence: str) -> str:
    """Return a sentence for use after a colon: with a small first letter, unless it begins with a name."""
    first = sentence.partition(" ")[0].strip(",.:;")
    return sentence if first in NAMES or first[1:] != first[1:].lower() else sentence[:1].lower() + sentence[1:]


def listed(names: Iterable[str]) -> str:
    """Join names, as in `redis-1`, `redis-1 and redis-2`, and `redis-0, redis-1 and redis-2`."""
    each = list(names)
    return f"{', '.join(each[:-1])} and {each[-1]}" if len(each) > 1 else "".join(each)


def numbers(given: Iterable[int]) -> str:
    """Format numbers as `0, 1, 5–9`."""
    runs: list[list[int]] = []
    for each in sorted(given):
        if runs and runs[-1][-1] == each - 1:
            runs[-1].append(each)
        else:
            runs.append([each])
    told = ([f"{run[0]}–{run[-1]}"] if len(run) >= RUN else list(map(str, run)) for run in runs)
    return ", ".join(text for run in told for text in run)


# Times. A table shows a value with its error, and a sentence the two edges of the interval.


def seconds(value: float, digits: int = 1) -> str:
    """Format a time for a sentence, as in `6.4 s`."""
    return f"{number(value, digits)} s"


def error(measured: Interval) -> float:
    """Return the error of an interval: half its width, rounded up to 10 ms."""
    return 0.0 if measured.is_open else math.ceil(round(measured.width * 50, 6)) / 100


def time(value: float | None, none: str = "–") -> str:
    """Format a time without an error for a table, as in `12.31 s`, or `never` if it is infinite."""
    if value is None:
        return none
    return joined(number(value), "s") if math.isfinite(value) else "never"


def span(measured: Interval | None, none: str = "–") -> str:
    """Format a time for a table, as in `51.99 ± 0.04 s`, or `> 90.00 s` if it was not over."""
    if measured is None:
        return none
    if measured.is_open:
        return joined(">", number(measured.least), "s")
    return joined(number(measured.middle), "±", number(error(measured)), "s")


def plain(measured: Interval) -> str:
    """Format a time without its error and unit, for a row that shows them once."""
    return joined(">", number(measured.least)) if measured.is_open else number(measured.middle)


def seconds_text(value: Interval, digits: int = 1) -> str:
    """Format an interval for a sentence: `6.4 to 6.5 s`, `6.4 s` if both edges round to it, `> 60.0 s` if open."""
    least, most = number(value.least, digits), number(value.most, digits)
    if value.is_open:
        return f"> {least} s"
    return f"{least} s" if least == most else f"{least} to {most} s"


def spread_text(lengths: Iterable[Interval | None]) -> str:
    """Format the range of several times by their middles, as in `50.9 to 53.1 s`. Empty without any times."""
    known = [length for length in lengths if length is not None]
    if not known:
        return ""
    low, high = min(one.middle for one in known), max(one.middle for one in known)
    if any(one.is_open for one in known):
        never = max(one.least for one in known if one.is_open)
        over = any(not one.is_open for one in known)
        return f"{number(low, 1)} to > {number(never, 1)} s" if over else f"> {number(low, 1)} s"
    return seconds_text(Interval(low, high))


# Milestones, paths and places.


def milestone(value: Milestone) -> str:
    if value.state is State.NOT_YET:
        return "not seen" if value.limit_s is None else joined(">", time(value.limit_s))
    return span(value.at_s, none=value.state.value.replace("-", " "))


def milestone_name(name: str) -> str:
    """Return the name of a milestone in reports: `try-failover` as Sentinel writes it, and all others as words."""
    if name == "rearmed":
        return "re-armed"
    return name.replace("_", "-") if name == "try_failover" else name.replace("_", " ")


def longest_call(path: PathResult) -> str:
    """Format the longest call of an application client, as in `> 33.10 s` if it had not ended with the trial."""
    if path.longest_blocked_s is None:
        return "–"
    over = [">"] if path.calls and path.calls.hung else []
    return joined(*over, time(path.longest_blocked_s))


def rearmed(milestones: Mapping[str, Milestone]) -> str:
    """Return a text that says since when another failure would be survived, or an empty string if that is not known."""
    found = milestones.get("rearmed")
    if found is None:
        return ""
    if found.state is State.NOT_APPLICABLE:
        return "ready for another failure all along"
    if found.at_s is None:
        return f"not ready for another failure within {time(found.limit_s or 0)}: {found.evidence}"
    return f"ready for another failure after {span(found.at_s)}"


def logs_not_read(trial: TrialResult) -> str:
    """Return which log could not be read, for a trial whose cause was found without that log."""
    found = [one.sentence for one in trial.findings if one.name == LOG_NOT_READ] if trial.cause else []
    more = f" The same is so of {plural(len(found) - 1, 'more log')}." if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else ""


def application(path: PathResult) -> str:
    """Return what an application client met, or an empty string for a meter."""
    if path.longest_blocked_s is None:
        return ""
    blocked = f"longest blocked call {longest_call(path)}"
    return f"{blocked}, never a good one again: {path.never_again}" if path.never_again else blocked


def where(cluster: str, why: str) -> str:
    """Return on which kind of cluster a campaign was measured, and why not on kind if kind could not run."""
    if cluster == WATCHED:
        return "watched from outside, as its clients see it"
    return f"on {cluster}, not on kind ({why})" if why else f"on {cluster}"


def modelled(cluster: str, text: str) -> str:
    """Return a verdict's text. On a modelled system it begins by saying so, because the line may be quoted alone."""
    return f"{MODELLED} {text}" if cluster == LOCAL else text


# Claims: what was promised, what was measured, and the judgement.


def limit(target: TargetResult, name: str) -> str:
    """Format what was promised. The limit of a control is 0 s, which is shown as `no outage`."""
    if name == "works_at_end":
        return "works" if target.limit is None else "one master"
    if name in COUNTED:
        return count(target.limit or 0)
    return joined(number(target.limit, 1), "s") if target.limit else "no outage"


def measured(target: TargetResult, name: str) -> str:
    """Format what was measured for a claim, or return why nothing was.

    Why a target is undecided is left to `judged`.
    """
    why = "–" if target.verdict == "undecided" else target.why
    if name == "works_at_end":
        return why or "works"
    if name in COUNTED and target.measured is not None:
        return counted(target.measured)
    return span(target.measured, none=why or "no outage")


def judged(target: TargetResult, name: str = "") -> Mark:
    """Return a target's verdict, with how early or late it is, or with the reason why it is undecided."""
    if target.verdict == "not-applicable":
        return Mark("–", "not applicable", "plain")
    if target.verdict == "undecided":
        return Mark("?", f"undecided: {why_undecided(target)}", "open")
    failed = target.verdict == "fail"
    if name in COUNTED:
        return Mark("✗", COUNTED[name][1], "bad") if failed else Mark("✓", COUNTED[name][0], "good")
    if target.measured is None:
        return Mark("✗", "false", "bad") if failed else Mark("✓", "no outage", "good")
    if target.measured.is_open:
        return Mark("✗", "not within the trial", "bad")
    assert target.limit is not None
    late_s = target.measured.middle - target.limit
    return Mark("✗" if failed else "✓", late_or_early(late_s), "bad" if failed else "good")


def late_or_early(late_s: float) -> str:
    """Format by how many seconds a limit was missed or kept, as in `late 32.18` and `early 0.88`."""
    return joined("late" if late_s > 0 else "early", number(abs(late_s)))


def why_undecided(target: TargetResult) -> str:
    """Return why a target is undecided: the reason that the analysis gives, or else where the limit lies."""
    if target.why or target.measured is None:
        return target.why or "nothing was measured"
    if target.measured.is_open:
        return "it was not over when the trial stopped watching, before the limit"
    return "the limit lies within the error of the measurement"
