"""How a figure is said, the same in every report: value, error, limit, verdict. Rounding happens here and nowhere else.

Errors are rounded up, never down; what was not over when we stopped looking is said as `> x`.
"""

import math
from dataclasses import dataclass
from typing import Literal

from chaos.analysis.interval import Interval
from chaos.analysis.result import Milestone, PathResult, State, TargetResult, Verdict

NBSP = "\N{NO-BREAK SPACE}"
"""Between a figure, its error and its unit. What is read as plain text has them back by `breakable`."""

Tone = Literal["good", "bad", "open", "plain"]

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

SIGNS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.INCONCLUSIVE: "?"}
"""Colour is never the only sign."""
TONES: dict[Verdict, Tone] = {Verdict.PASS: "good", Verdict.FAIL: "bad", Verdict.INCONCLUSIVE: "open"}


@dataclass(frozen=True, slots=True)
class Mark:
    """A judgement as a reader meets it: a sign, words, and a tone that colour may repeat."""

    sign: str
    text: str
    tone: Tone


def number(value: float, digits: int = 2) -> str:
    """Fixed digits, thousands apart, and no minus before a zero."""
    text = f"{value:,.{digits}f}".replace(",", NBSP)
    return text.removeprefix("-") if not any(digit in "123456789" for digit in text) else text


def count(value: int) -> str:
    return number(value, 0)


def joined(*parts: str) -> str:
    """Parts that a line's end must not part."""
    return NBSP.join(parts)


def where(cluster: str, why: str) -> str:
    """On what it was measured, and why not on kind, where that was not asked for."""
    return f"on {cluster}, not on kind ({why})" if why else f"on {cluster}"


def breakable(text: str) -> str:
    return text.replace(NBSP, " ")


def error(measured: Interval) -> float:
    """Half the span, rounded up to 10 ms."""
    return 0.0 if measured.is_open else math.ceil(round(measured.width * 50, 6)) / 100


def plain(measured: Interval | None, digits: int = 2) -> str:
    """A span without its error and unit, for a table whose other columns have them."""
    if measured is None:
        return "–"
    return joined(">", number(measured.least, digits)) if measured.is_open else number(measured.middle, digits)


def span(measured: Interval | None, none: str = "–") -> str:
    """`51.99 ± 0.04 s`, or `> 90.0 s` where it was not over."""
    if measured is None:
        return none
    if measured.is_open:
        return joined(">", number(measured.least), "s")
    return joined(number(measured.middle), "±", number(error(measured)), "s")


def application(path: PathResult) -> str:
    """What an application client met, beside the outages of the paths; empty of a meter."""
    if path.longest_blocked_s is None:
        return ""
    blocked = f"longest blocked call {joined(number(path.longest_blocked_s), 's')}"
    return f"{blocked}, never a good one again: {path.never_again}" if path.never_again else blocked


def limit(target: TargetResult, name: str) -> str:
    """What was promised; a limit of no time at all is that of a control."""
    if name == "works_at_end":
        return "works" if target.limit is None else "one master"
    if name in COUNTED:
        return count(round(target.limit or 0))
    return joined(number(target.limit, 1), "s") if target.limit else "no outage"


def measured(target: TargetResult, name: str) -> str:
    """What was measured of a claim, in its unit; without a measure, why."""
    if name == "works_at_end":
        return target.why or "works"
    if name in COUNTED and target.measured is not None:
        return count(round(target.measured.least))
    return span(target.measured, none=target.why or "no outage")


def milestone(value: Milestone) -> str:
    if value.state is State.NOT_YET:
        return "not seen" if value.limit_s is None else joined(">", number(value.limit_s), "s")
    return span(value.at_s, none=value.state.value.replace("-", " "))


def milestone_name(name: str) -> str:
    """`try_failover` is Sentinel's `try-failover`; the rest are words."""
    return name.replace("_", "-") if name == "try_failover" else name.replace("_", " ")


def judged(target: TargetResult, name: str = "") -> Mark:
    """A target's verdict, with how early or late it is."""
    if target.verdict in ("not-applicable", "undecided"):
        sign = "–" if target.verdict == "not-applicable" else "?"
        return Mark(sign, target.verdict.replace("-", " "), "plain" if sign == "–" else "open")
    if name in COUNTED:
        return _mark(target, *COUNTED[name])
    if target.measured is None:
        return _mark(target, "no outage", "false")
    return _late_or_early(target)


def _mark(target: TargetResult, passed: str, failed: str) -> Mark:
    return Mark("✗", failed, "bad") if target.verdict == "fail" else Mark("✓", passed, "good")


def _late_or_early(target: TargetResult) -> Mark:
    assert target.measured is not None
    assert target.limit is not None
    if target.measured.is_open:
        return Mark("✗", "not within the trial", "bad")
    late_s = target.measured.middle - target.limit
    if target.verdict == "fail":
        return Mark("✗", joined("late", number(late_s)), "bad")
    return Mark("✓", joined("early", number(-late_s)), "good")
