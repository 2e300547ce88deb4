"""What a record shows beyond times: one rule a file, each a function of what was measured.

A rule yields a `Finding` with the rows that show it, or nothing. Those of Sentinel and Redis are here; those that only
one operator's systems have are in its room in chaos.operators. To add one, write a file with a function and name it in
RULES; docs/architecture.md says which recordings its test needs.
"""

from collections.abc import Callable, Iterable

from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding

RULES: tuple[Callable[[Measured], Iterable[Finding]], ...] = ()
SEVERITIES = ("lost", "out", "slow", "note")


def find(measured: Measured) -> tuple[Finding, ...]:
    """Every finding of a trial, the gravest first."""
    found = [one for rule in (*RULES, *measured.operator.rules) for one in rule(measured)]
    return tuple(sorted(found, key=lambda one: (SEVERITIES.index(one.severity), one.since_s)))
