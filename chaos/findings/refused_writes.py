"""A rule about writes that a Redis refused for longer than a moment: which Redis, why, and what ended it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding, Node
from chaos.findings.members import ANY_PHASE, first_in_sync, setting_of
from chaos.model import ErrorCode

LEAST_S = 1.0
"""Refusals that last for less than this many seconds come with every change of a role or of an address."""
ENDING_S = 1.5
"""Refusals that last until this many seconds before the end of the trial had not ended."""
BY_REFUSAL = {
    ErrorCode.NOREPLICAS: "too few replicas were in sync for min-replicas-to-write",
    ErrorCode.READONLY: "it was a replica",
    ErrorCode.OOM: "maxmemory was reached",
    ErrorCode.MISCONF: "it could not save to its disk",
    ErrorCode.LOADING: "it was loading its file",
    ErrorCode.MASTERDOWN: "it was a replica without its master, and replica-serve-stale-data is no",
}
SAVING = r"Background saving error|Failed opening|Error (?:writing|saving)|Can't save in background|No space left"
"""Matches what a Redis logs when it cannot save. The last such line says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusals:
    """A time in which one node refused writes for one reason. `until_s` is None if the refusals had not ended."""

    code: ErrorCode
    node: Node | None
    since_s: float
    until_s: float | None
    count: int


def writes_refused(measured: Measured) -> Iterator[Finding]:
    """Find the times in which a node refused writes on paths that worked before the fault."""
    for spell in _spells(measured):
        why, row = _why(measured, spell)
        who = spell.node.name if spell.node else "A Redis that did not say who it is"
        promoted_s, successor = measured.middle_s("promoted"), measured.successor
        if promoted_s is not None and successor and spell.node and spell.node.name == successor.name:
            who = f"{who}, promoted at {promoted_s:.1f} s,"
        until = f"to {spell.until_s:.1f} s" if spell.until_s is not None else "s on, until the end"
        advice, price = _advice(measured, spell)
        yield Finding(
            name=f"writes refused with {spell.code.name}",
            sentence=f"{who} refused writes with {spell.code.name} from {spell.since_s:.1f} {until}: {why}.",
            severity="out" if spell.until_s is None else "slow",
            since_s=spell.since_s,
            until_s=spell.until_s,
            explains=("reconnection", "unattributed", "after recovery")
            if spell.code is ErrorCode.READONLY
            else ANY_PHASE,
            rows=(f"{spell.count} writes that were sent from {spell.since_s:.3f} s on: {spell.code.name}", *row),
            advice=advice,
            price=price,
        )


def _spells(measured: Measured) -> Iterator[Refusals]:
    history, ops = measured.history, measured.history.ops
    clients = [client.number for path in measured.working for client in history.clients_by_path[path.name]]
    mine = np.isin(ops.client, clients) & (ops.sent_s > 0)
    for code in BY_REFUSAL:
        refused = mine & (ops.error == code)
        for index in np.unique(ops.node[refused]).tolist():
            sent_s = np.sort(ops.sent_s[refused & (ops.node == index)])
            for part in np.split(sent_s, np.flatnonzero(np.diff(sent_s) > history.gap_s) + 1):
                since_s, last_s = float(part[0]), float(part[-1])
                if last_s - since_s >= LEAST_S:
                    yield Refusals(
                        code=code,
                        node=history.answered_by(index),
                        since_s=since_s,
                        until_s=last_s if last_s < history.end_s - ENDING_S else None,
                        count=len(part),
                    )


def _why(measured: Measured, spell: Refusals) -> tuple[str, tuple[str, ...]]:
    """Return why the writes were refused and what ended that, and the rows that show it."""
    history, why = measured.history, BY_REFUSAL[spell.code]
    if spell.node is None:
        return why, ()
    if spell.code is ErrorCode.NOREPLICAS and spell.until_s is not None:
        follower = first_in_sync(history, spell.node.address, spell.since_s)
        if follower:
            row = f"{follower.event.member}: ROLE says in sync with {spell.node.address}"
            return f"{why} until {follower.event.member} was, at {follower.latest_s:.1f} s", (row,)
    if spell.code is ErrorCode.OOM:
        maxmemory = setting_of(measured, spell.node.name, "maxmemory", spell.since_s) or ""
        return (f"maxmemory, {int(maxmemory) / 2**20:g} MiB, was reached" if maxmemory.isdigit() else why), ()
    if spell.code in (ErrorCode.MISCONF, ErrorCode.LOADING):
        pattern = SAVING if spell.code is ErrorCode.MISCONF else "DB loaded from|Done loading RDB"
        told = [line for line in history.lines("redis", pattern) if line.pod == spell.node.name and line.at_s.most > 0]
        if told:
            return f"{why} ({told[-1].message})", (told[-1].text,)
    return why, ()


def _advice(measured: Measured, spell: Refusals) -> tuple[str, str]:
    if spell.code is ErrorCode.NOREPLICAS:
        least = (
            setting_of(measured, spell.node.name if spell.node else "", "min-replicas-to-write", spell.since_s) or "n"
        )
        return (
            f"Keep more replicas than min-replicas-to-write ({least}), so that one may be lost.",
            "One more Redis; without the setting a master that is cut off goes on saying OK to writes that are lost.",
        )
    if spell.code is ErrorCode.OOM:
        return (
            "Raise maxmemory above what is written, or let Redis evict (maxmemory-policy).",
            "Memory, or the keys that are evicted.",
        )
    if spell.code is ErrorCode.MISCONF:
        return (
            "Mend the disk of that Redis, or set stop-writes-on-bgsave-error no.",
            "With the setting Redis says OK to writes that it cannot save.",
        )
    return "", ""
