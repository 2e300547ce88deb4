"""Findings: what a recording shows beyond times. A rule is a function, and related rules share a file.

A rule reads what was measured, and yields a `Finding` with the rows that show it, or nothing. The rules here are about
Sentinel and Redis. Rules about the systems of one operator are in chaos.operators. To add a rule, write a function in a
file here and name it in RULES; docs/architecture.md says which recordings its test needs.
"""

from collections.abc import Callable, Iterable

from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding
from chaos.findings.applications import (
    application_came_late,
    application_stays_out,
    failed_without_a_retry,
    name_not_found,
    tasks_of_a_worker,
    worker_ended,
)
from chaos.findings.masters import (
    empty_master,
    master_is_a_replica,
    not_expected,
    not_missed,
    two_masters_acknowledge,
    two_masters_remain,
)
from chaos.findings.pods import cannot_be_scheduled, killed_for_memory, log_not_read, pod_does_not_run
from chaos.findings.refused_writes import writes_refused
from chaos.findings.replicas import no_good_replica, promotion_undone, replica_astray
from chaos.findings.sentinels import (
    election_repeated,
    no_majority,
    quorum_out_of_reach,
    replicas_forgotten,
    requested_failover_refused,
    sentinels_disagree,
    tilt,
)

RULES: tuple[Callable[[Measured], Iterable[Finding]], ...] = (
    quorum_out_of_reach,
    no_majority,
    election_repeated,
    no_good_replica,
    promotion_undone,
    requested_failover_refused,
    master_is_a_replica,
    not_missed,
    not_expected,
    writes_refused,
    empty_master,
    tilt,
    replicas_forgotten,
    sentinels_disagree,
    two_masters_acknowledge,
    two_masters_remain,
    replica_astray,
    pod_does_not_run,
    killed_for_memory,
    cannot_be_scheduled,
    application_stays_out,
    application_came_late,
    failed_without_a_retry,
    worker_ended,
    tasks_of_a_worker,
    name_not_found,
    log_not_read,
)
SEVERITIES = ("lost", "out", "slow", "note")


def find(measured: Measured) -> tuple[Finding, ...]:
    """Return every finding of a trial, the gravest first."""
    found = [one for rule in (*RULES, *measured.operator.rules) for one in rule(measured)]
    return tuple(sorted(found, key=lambda one: (SEVERITIES.index(one.severity), one.since_s)))
