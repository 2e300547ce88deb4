"""The one formatter: how a figure, a claim and a judgement are said, alike in every sentence and in every report.

Errors are rounded up, never down. What was not over when we stopped looking is said as `> x`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from chaos.analysis.interval import Interval
from chaos.analysis.result import Milestone, PathResult, State, TargetResult, Verdict

LOCAL = "local"
"""The kind of cluster that is processes of one machine."""
MODELLED = "MODELLED (no Kubernetes, no operator):"

NBSP = "\N{NO-BREAK SPACE}"
"""Between a figure, its error and its unit. `breakable` turns it into a space where text is read as plain text."""

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
    """Fixed digits, thousands apart, and no minus before a zero."""
    text = f"{value:,.{digits}f}".replace(",", NBSP)
    return text.removeprefix("-") if not any(digit in "123456789" for digit in text) else text


def count(value: float) -> str:
    """A whole number, as in `41 627`."""
    return number(value, 0)


def brief(value: float, digits: int = 2) -> str:
    """Without zeros that say nothing, as in `15` and `0.25`: for what was set and not measured."""
    if abs(value) >= 1e6:
        return f"{value:g}"
    text = number(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """A share from 0 to 1, as in `88 %`."""
    return f"{count(100 * share)} %"


def counted(value: Interval) -> str:
    """A count that may be known as an interval only, as in `3` and `3 to 5`."""
    least, most = count(round(value.least)), count(round(value.most))
    return least if least == most else f"{least} to {most}"


def joined(*parts: str) -> str:
    """Parts that the end of a line must not part."""
    return NBSP.join(parts)


def breakable(text: str) -> str:
    return text.replace(NBSP, " ")


def plural(count_of: int, word: str) -> str:
    """As in `1 trial` and `3 trials`."""
    return f"{count(count_of)} {word}" if count_of == 1 else f"{count(count_of)} {word}s"


def continued(sentence: str) -> str:
    """A sentence behind a colon: its first letter is small unless its first word is a name, as in `Redis`."""
    first = sentence.partition(" ")[0].strip(",.:;")
    return sentence if first in NAMES or first[1:] != first[1:].lower() else sentence[:1].lower() + sentence[1:]


def listed(names: Iterable[str]) -> str:
    """As in `redis-1`, `redis-1 and redis-2`, and `redis-0, redis-1 and redis-2`."""
    each = list(names)
    return f"{', '.join(each[:-1])} and {each[-1]}" if len(each) > 1 else "".join(each)


# Times. A table has a value with its error, a sentence the two edges.


def seconds(value: float, digits: int = 1) -> str:
    """A time in a sentence, as in `6.4 s`."""
    return f"{number(value, digits)} s"


def error(measured: Interval) -> float:
    """Half the span, rounded up to 10 ms."""
    return 0.0 if measured.is_open else math.ceil(round(measured.width * 50, 6)) / 100


def span(measured: Interval | None, none: str = "–") -> str:
    """`51.99 ± 0.04 s`, or `> 90.00 s` where it was not over."""
    if measured is None:
        return none
    if measured.is_open:
        return joined(">", number(measured.least), "s")
    return joined(number(measured.middle), "±", number(error(measured)), "s")


def plain(measured: Interval | None, digits: int = 2) -> str:
    """A span without its error and unit, for a table whose other columns have them."""
    if measured is None:
        return "–"
    return joined(">", number(measured.least, digits)) if measured.is_open else number(measured.middle, digits)


def seconds_text(value: Interval, digits: int = 1) -> str:
    """As in `6.4 to 6.5 s`, `6.4 s` where both edges round to that, and `> 60.0 s` of an open one."""
    least, most = number(value.least, digits), number(value.most, digits)
    if value.is_open:
        return f"> {least} s"
    return f"{least} s" if least == most else f"{least} to {most} s"


def spread_text(lengths: Iterable[Interval | None]) -> str:
    """`50.9 to 53.1 s` of several middles; `> 90.0 s` where one was not over; empty without any."""
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
        return "not seen" if value.limit_s is None else joined(">", number(value.limit_s), "s")
    return span(value.at_s, none=value.state.value.replace("-", " "))


def milestone_name(name: str) -> str:
    """`try_failover` is Sentinel's `try-failover`; the rest are words."""
    return name.replace("_", "-") if name == "try_failover" else name.replace("_", " ")


def application(path: PathResult) -> str:
    """What an application client met, beside the outages of the paths; empty of a meter."""
    if path.longest_blocked_s is None:
        return ""
    blocked = f"longest blocked call {joined(number(path.longest_blocked_s), 's')}"
    return f"{blocked}, never a good one again: {path.never_again}" if path.never_again else blocked


def where(cluster: str, why: str) -> str:
    """On what it was measured, and why not on kind, where that was not asked for."""
    return f"on {cluster}, not on kind ({why})" if why else f"on {cluster}"


def modelled(cluster: str, text: str) -> str:
    """A verdict as it is said: one of a modelled system begins with that, so that no line can be quoted without it."""
    return f"{MODELLED} {text}" if cluster == LOCAL else text


# Claims: what was promised, what was measured, and the judgement.


def limit(target: TargetResult, name: str) -> str:
    """What was promised. The limit of a control is 0 s, which is said as `no outage`."""
    if name == "works_at_end":
        return "works" if target.limit is None else "one master"
    if name in COUNTED:
        return count(target.limit or 0)
    return joined(number(target.limit, 1), "s") if target.limit else "no outage"


def measured(target: TargetResult, name: str) -> str:
    """What was measured of a claim, in its unit; without a measure, why there is none.

    Why a target is undecided is said by its judgement, and so not here.
    """
    why = "–" if target.verdict == "undecided" else target.why
    if name == "works_at_end":
        return why or "works"
    if name in COUNTED and target.measured is not None:
        return counted(target.measured)
    return span(target.measured, none=why or "no outage")


def judged(target: TargetResult, name: str = "") -> Mark:
    """A target's verdict, with how early or late it is. One that is undecided has its reason beside it."""
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
    """As in `late 32.18` and `early 0.88`."""
    return joined("late" if late_s > 0 else "early", number(abs(late_s)))


def why_undecided(target: TargetResult) -> str:
    """The analysis's reason, else that the limit lies inside what was measured, or beyond what was watched."""
    if target.why or target.measured is None:
        return target.why or "nothing was measured"
    if target.measured.is_open:
        return "it was not over when the trial stopped watching, before the limit"
    return "the limit lies within the error of the measurement"
