"""Two Redis that acknowledge writes, or say that they are master, at the same time."""

from collections.abc import Iterator

import numpy as np

from chaos.analysis.history import History
from chaos.analysis.measured import Measured, masters_at_end
from chaos.analysis.operations import Bools
from chaos.analysis.result import Finding
from chaos.analysis.wording import count, listed, plural
from chaos.findings.members import first_in_sync, roles_of, setting_of
from chaos.model import Outcome

LEAST_S = 0.5
"""A shorter overlap than this comes with every promotion, while the clients change their connections."""


def two_masters_acknowledge(measured: Measured) -> Iterator[Finding]:
    """Find a node that went on acknowledging writes after another was promoted."""
    history, successor, promoted_s = measured.history, measured.successor, measured.middle_s("promoted")
    lasting = measured.attempt is not None and measured.attempt.completed
    if successor is None or promoted_s is None or not lasting:
        return
    by_name = _acknowledged(history, promoted_s)
    new = by_name.pop(successor.name, np.zeros(len(history.ops), bool))
    least = [setting_of(measured, name, "min-replicas-to-write", 0.0) for name in by_name]
    guarded = any(text not in (None, "", "0") for text in least)
    for name, mine in by_name.items():
        done_s = history.ops.done_s
        begin_s, end_s = float(done_s[mine].min()), float(done_s[mine].max())
        if end_s - begin_s < LEAST_S or not _is_demoted(measured, name):
            continue
        lost = int((mine & history.ops.lost).sum()) if not measured.losses.undecided else 0
        writes, meanwhile = int(mine.sum()), int((new & (done_s < end_s)).sum())
        others = f"{successor.name} acknowledged {count(meanwhile)} meanwhile"
        also = others if meanwhile else "nobody else was written to"
        many = "all" if 1 < lost == writes else count(lost) if lost else "none"
        gone = f"{many} of them {'is' if lost < 2 else 'are'} lost"
        if measured.losses.undecided:
            gone = "how many of them are lost is not known"
        follower = first_in_sync(history, successor.address, promoted_s)
        alone = f"{follower.latest_s - promoted_s:.1f} s" if follower else "to the end"
        yield Finding(
            name="a replaced master said OK",
            sentence=f"{name} went on saying OK until {end_s:.1f} s, {end_s - promoted_s:.1f} s after {successor.name} "
            f"was promoted: {plural(writes, 'write')}, and {gone}; {also}.",
            severity="slow" if lost else "note",
            since_s=promoted_s,
            until_s=end_s,
            explains=("after recovery",),
            rows=(f"{plural(writes, 'write')} that were decided from {begin_s:.3f} s on: ok, answered by {name}",),
            advice="" if guarded else "Set min-replicas-to-write 1: a master without replicas then stops saying OK.",
            price=""
            if guarded
            else f"With one replica left, writes are refused until another follows: {alone} in this trial.",
        )


def two_masters_remain(measured: Measured) -> Iterator[Finding]:
    """Find that more than one Redis said that it is master when the trial ended."""
    history = measured.history
    names = masters_at_end(history) or []
    if len(names) < 2:
        return
    since_s = max(_master_since_s(measured, name) for name in names)
    counts = {name: int(mine.sum()) for name, mine in _acknowledged(history, since_s).items()}
    acknowledged = listed(f"{plural(counts.get(name, 0), 'write')} by {name}" for name in names)
    timeout_s = measured.least_s("failover-timeout")
    yield Finding(
        name="two masters",
        sentence=f"{listed(names)} {'both' if len(names) == 2 else 'all'} said that they are master, from "
        f"{since_s:.1f} s until the end. Acknowledged meanwhile: {acknowledged}.",
        severity="out",
        since_s=since_s,
        explains=("after recovery",),
        rows=tuple(f"{name}: ROLE says master, since {_master_since_s(measured, name):.3f} s" for name in names),
        advice=f"Shorten failover-timeout ({timeout_s:g} s): Sentinel makes a master that it does not know a replica "
        "only after that time."
        if timeout_s and timeout_s > history.end_s - since_s
        else "",
        price="A failover that takes longer than failover-timeout is given up."
        if timeout_s and timeout_s > history.end_s - since_s
        else "",
    )


def _acknowledged(history: History, since_s: float) -> dict[str, Bools]:
    """Return the writes of meters that each Redis acknowledged after `since_s`, by its name."""
    ops = history.ops
    meters = [client.number for client in history.clients.values() if client.is_meter]
    ok = np.isin(ops.client, meters) & (ops.outcome == Outcome.OK) & (ops.done_s > since_s)
    found: dict[str, Bools] = {}
    for index in np.unique(ops.node[ok]).tolist():
        node = history.answered_by(index)
        if node and node.run_id:
            found[node.name] = found.get(node.name, np.zeros(len(ops), bool)) | (ok & (ops.node == index))
    return found


def _is_demoted(measured: Measured, name: str) -> bool:
    """Whether no failover after t = 0 promoted that Redis."""
    later = [one.successor.name for one in measured.after_effect if one.successor and not one.aborted]
    return name not in later


def _master_since_s(measured: Measured, name: str) -> float:
    """Return since when that Redis says without a break that it is master."""
    since_s, was = 0.0, ""
    for fact in roles_of(measured.history, name):
        if fact.event.role == "master" and was != "master":
            since_s = fact.latest_s
        was = fact.event.role
    return since_s
