"""Findings: what a recording shows beyond times. A rule is a function, and related rules share a file.

A rule reads what was measured, and yields a `Finding` with the rows that show it, or nothing. The rules here are about
Sentinel and Redis. Rules about the systems of one operator are in chaos.operators. To add a rule, write a function in a
file here and name it in RULES; docs/architecture.md says which recordings its test needs.
"""

from collections.abc import Callable, Iterable

from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding
from chaos.findings import applications, masters, pods, refused_writes, replicas, sentinels

RULES: tuple[Callable[[Measured], Iterable[Finding]], ...] = (
    sentinels.quorum_out_of_reach,
    sentinels.no_majority,
    sentinels.election_repeated,
    replicas.no_good_replica,
    replicas.promotion_undone,
    sentinels.requested_failover_refused,
    masters.master_is_a_replica,
    masters.not_missed,
    masters.not_expected,
    refused_writes.writes_refused,
    masters.empty_master,
    sentinels.tilt,
    sentinels.replicas_forgotten,
    sentinels.sentinels_disagree,
    masters.two_masters_acknowledge,
    masters.two_masters_remain,
    replicas.replica_astray,
    pods.pod_does_not_run,
    pods.killed_for_memory,
    pods.cannot_be_scheduled,
    applications.application_stays_out,
    applications.application_came_late,
    applications.failed_without_a_retry,
    applications.worker_ended,
    applications.tasks_of_a_worker,
    applications.name_not_found,
    pods.log_not_read,
)
SEVERITIES = ("lost", "out", "slow", "note")


def find(measured: Measured) -> tuple[Finding, ...]:
    """Return every finding of a trial, the gravest first."""
    found = [one for rule in (*RULES, *measured.operator.rules) for one in rule(measured)]
    return tuple(sorted(found, key=lambda one: (SEVERITIES.index(one.severity), one.since_s)))
