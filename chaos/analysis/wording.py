"""Says every figure, claim and judgement, so that they are said alike in every sentence and every report.

Errors are rounded up, and never down. What was not over when we stopped looking is said as `> x`.
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
"""What stands between a figure, its error and its unit. `breakable` makes a space of it for plain text."""

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
"""The claims in the order in which they are promised, and what a report calls them."""

COUNTED = {
    "lost_before": ("none lost", "lost"),
    "lost_tail": ("none lost", "lost"),
    "lost_after": ("none lost", "lost"),
    "failovers": ("as expected", "not as expected"),
    "works_at_end": ("works", "does not work"),
}
"""The claims that count instead of timing, and what a pass and a fail of them are called."""

RUN = 3
"""Three numbers in a row, or more, are written as the first and the last."""
LOG_NOT_READ = "a log that cannot be read"
"""The name of a finding that every report tells beside the cause."""
NAMES = ("Sentinel", "Sentinels", "Redis", "Kubernetes", "Service", "Services")

Tone = Literal["good", "bad", "open", "plain"]
SIGNS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.INCONCLUSIVE: "?"}
"""A verdict has a sign as well as a colour, for those who do not see the colour."""
TONES: dict[Verdict, Tone] = {Verdict.PASS: "good", Verdict.FAIL: "bad", Verdict.INCONCLUSIVE: "open"}


@dataclass(frozen=True, slots=True)
class Mark:
    """A judgement as a reader meets it: a sign, words, and a tone that a colour may repeat."""

    sign: str
    text: str
    tone: Tone


# Numbers.


def number(value: float, digits: int = 2) -> str:
    """Say a number with fixed digits, thousands apart, and without a minus before a zero."""
    text = f"{value:,.{digits}f}".replace(",", NBSP)
    return text.removeprefix("-") if not any(digit in "123456789" for digit in text) else text


def count(value: float) -> str:
    """Say a whole number, as in `41 627`."""
    return number(value, 0)


def brief(value: float, digits: int = 2) -> str:
    """Say a number that was set and not measured, without zeros at its end, as in `15` and `0.25`."""
    if abs(value) >= 1e6:
        return f"{value:g}"
    text = number(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """Say a share from 0 to 1, as in `88 %`."""
    return f"{count(100 * share)} %"


def counted(value: Interval) -> str:
    """Say a count that may be known only as an interval, as in `3` and `3 to 5`."""
    least, most = count(round(value.least)), count(round(value.most))
    return least if least == most else f"{least} to {most}"


def joined(*parts: str) -> str:
    """Join parts that must stay on one line."""
    return NBSP.join(parts)


def breakable(text: str) -> str:
    return text.replace(NBSP, " ")


def wrapped(text: str, width: int) -> list[str]:
    """The lines of a text, none of them longer than that."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def plural(count_of: int, word: str) -> str:
    """Say a count of things, as in `1 trial` and `3 trials`."""
    return f"{count(count_of)} {word}" if count_of == 1 else f"{count(count_of)} {word}s"


def continued(sentence: str) -> str:
    """Return a sentence as it stands after a colon: with a small first letter, unless it begins with a name."""
    first = sentence.partition(" ")[0].strip(",.:;")
    return sentence if first in NAMES or first[1:] != first[1:].lower() else sentence[:1].lower() + sentence[1:]


def listed(names: Iterable[str]) -> str:
    """List names, as in `redis-1`, `redis-1 and redis-2`, and `redis-0, redis-1 and redis-2`."""
    each = list(names)
    return f"{', '.join(each[:-1])} and {each[-1]}" if len(each) > 1 else "".join(each)


def numbers(given: Iterable[int]) -> str:
    """List numbers as `0, 1, 5–9`."""
    runs: list[list[int]] = []
    for each in sorted(given):
        if runs and runs[-1][-1] == each - 1:
            runs[-1].append(each)
        else:
            runs.append([each])
    told = ([f"{run[0]}–{run[-1]}"] if len(run) >= RUN else list(map(str, run)) for run in runs)
    return ", ".join(text for run in told for text in run)


# Times. A table has a value with its error, a sentence the two edges.


def seconds(value: float, digits: int = 1) -> str:
    """Say a time in a sentence, as in `6.4 s`."""
    return f"{number(value, digits)} s"


def error(measured: Interval) -> float:
    """Return the error of an interval: half its width, rounded up to 10 ms."""
    return 0.0 if measured.is_open else math.ceil(round(measured.width * 50, 6)) / 100


def time(value: float | None, none: str = "–") -> str:
    """Say a time in a table that has no error of its own, as in `12.31 s`, or `never` if it is infinite."""
    if value is None:
        return none
    return joined(number(value), "s") if math.isfinite(value) else "never"


def span(measured: Interval | None, none: str = "–") -> str:
    """Say a time in a table, as in `51.99 ± 0.04 s`, or `> 90.00 s` if it was not over."""
    if measured is None:
        return none
    if measured.is_open:
        return joined(">", number(measured.least), "s")
    return joined(number(measured.middle), "±", number(error(measured)), "s")


def plain(measured: Interval) -> str:
    """Say a time without its error and unit, for a row that says them once."""
    return joined(">", number(measured.least)) if measured.is_open else number(measured.middle)


def seconds_text(value: Interval, digits: int = 1) -> str:
    """Say an interval in a sentence: `6.4 to 6.5 s`, `6.4 s` if both edges round to that, `> 60.0 s` if it is open."""
    least, most = number(value.least, digits), number(value.most, digits)
    if value.is_open:
        return f"> {least} s"
    return f"{least} s" if least == most else f"{least} to {most} s"


def spread_text(lengths: Iterable[Interval | None]) -> str:
    """Say from which to which several times reach, by their middles, as in `50.9 to 53.1 s`. Empty without any."""
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
    """Say the name of a milestone: `try-failover` as Sentinel writes it, and all others as words."""
    if name == "rearmed":
        return "re-armed"
    return name.replace("_", "-") if name == "try_failover" else name.replace("_", " ")


def longest_call(path: PathResult) -> str:
    """Say how long the longest call of an application client took: `> 33.10 s` if it had not ended at the end."""
    if path.longest_blocked_s is None:
        return "–"
    over = [">"] if path.calls and path.calls.hung else []
    return joined(*over, time(path.longest_blocked_s))


def rearmed(milestones: Mapping[str, Milestone]) -> str:
    """Say from when on another failure would be survived. Return an empty string if nobody could tell."""
    found = milestones.get("rearmed")
    if found is None:
        return ""
    if found.state is State.NOT_APPLICABLE:
        return "ready for another failure all along"
    if found.at_s is None:
        return f"not ready for another failure within {time(found.limit_s or 0)}: {found.evidence}"
    return f"ready for another failure after {span(found.at_s)}"


def logs_not_read(trial: TrialResult) -> str:
    """Say of a trial with an outage which log could not be read, since its cause is told without what that says."""
    found = [one.sentence for one in trial.findings if one.name == LOG_NOT_READ] if trial.cause else []
    more = f" The same is so of {plural(len(found) - 1, 'more log')}." if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else ""


def application(path: PathResult) -> str:
    """Say what an application client met. Return an empty string for a meter."""
    if path.longest_blocked_s is None:
        return ""
    blocked = f"longest blocked call {longest_call(path)}"
    return f"{blocked}, never a good one again: {path.never_again}" if path.never_again else blocked


def where(cluster: str, why: str) -> str:
    """Say on which kind of cluster it was measured, and why not on kind if nobody asked for the other."""
    if cluster == WATCHED:
        return "watched from outside, as its clients see it"
    return f"on {cluster}, not on kind ({why})" if why else f"on {cluster}"


def modelled(cluster: str, text: str) -> str:
    """Say a verdict. That on a modelled system begins with saying so, lest the line is quoted without it."""
    return f"{MODELLED} {text}" if cluster == LOCAL else text


# Claims: what was promised, what was measured, and the judgement.


def limit(target: TargetResult, name: str) -> str:
    """Say what was promised. The limit of a control is 0 s, which is said as `no outage`."""
    if name == "works_at_end":
        return "works" if target.limit is None else "one master"
    if name in COUNTED:
        return count(target.limit or 0)
    return joined(number(target.limit, 1), "s") if target.limit else "no outage"


def measured(target: TargetResult, name: str) -> str:
    """Say what was measured of a claim, in its unit, or why nothing was.

    The judgement, and not this, says why a target is undecided.
    """
    why = "–" if target.verdict == "undecided" else target.why
    if name == "works_at_end":
        return why or "works"
    if name in COUNTED and target.measured is not None:
        return counted(target.measured)
    return span(target.measured, none=why or "no outage")


def judged(target: TargetResult, name: str = "") -> Mark:
    """Say a target's verdict, with how early or late it is, or with the reason why it is undecided."""
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
    """Say by how many seconds a limit was missed or kept, as in `late 32.18` and `early 0.88`."""
    return joined("late" if late_s > 0 else "early", number(abs(late_s)))


def why_undecided(target: TargetResult) -> str:
    """Say why a target is undecided: as the analysis says, or by where the limit lies."""
    if target.why or target.measured is None:
        return target.why or "nothing was measured"
    if target.measured.is_open:
        return "it was not over when the trial stopped watching, before the limit"
    return "the limit lies within the error of the measurement"
