"""What a record shows beyond times: one rule a file, each a function of what was measured.

A rule yields a `Finding` with the rows that show it, or nothing. Those of Sentinel and Redis are here; those that only
one operator's systems have are in its room in chaos.operators. To add one, write a file with a function and name it in
RULES; docs/architecture.md says which recordings its test needs.
"""

from collections.abc import Callable, Iterable

from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding
from chaos.findings.applications import never_wrote_again
from chaos.findings.failovers import aborted, no_good_replica, promotion_undone
from chaos.findings.masters import promised_and_lost, two_masters_at_the_end
from chaos.findings.not_missed import back_as_a_replica, empty_master, not_missed
from chaos.findings.quorum import no_majority, quorum_out_of_reach
from chaos.findings.refused_writes import refused_writes
from chaos.findings.tilt import tilt

RULES: tuple[Callable[[Measured], Iterable[Finding]], ...] = (
    quorum_out_of_reach,
    no_majority,
    no_good_replica,
    aborted,
    promotion_undone,
    back_as_a_replica,
    not_missed,
    empty_master,
    refused_writes,
    two_masters_at_the_end,
    promised_and_lost,
    never_wrote_again,
    tilt,
)
SEVERITIES = ("lost", "out", "slow", "note")


def find(measured: Measured) -> tuple[Finding, ...]:
    """Every finding of a trial, the gravest first."""
    found = [one for rule in (*RULES, *measured.operator.rules) for one in rule(measured)]
    return tuple(sorted(found, key=lambda one: (SEVERITIES.index(one.severity), one.since_s)))
