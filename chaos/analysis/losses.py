"""Acknowledged and missing: which writes the system said it had, and did not have at the audit.

Undecided, and then not a number, where the audit cannot tell: it never came, keys were evicted or outlived their TTL,
or more than one master answered. An operation of unknown outcome that is found is `recovered`, and nobody's fault.
"""

import numpy as np

from chaos.analysis.history import History
from chaos.analysis.operations import Client
from chaos.analysis.result import Losses, LostSpell
from chaos.model import Outcome


def losses(history: History) -> Losses:
    ops = history.ops
    ok = ops.outcome == Outcome.OK
    undecided = why_undecided(history)
    return Losses(
        acknowledged=int(ok.sum()),
        lost=None if undecided else int(ops.lost.sum()),
        recovered=int(((ops.outcome == Outcome.UNKNOWN) & ops.kept).sum()),
        undecided=undecided,
        places=() if undecided else tuple(places(history)),
    )


def why_undecided(history: History) -> str:
    """Empty where the audit decides."""
    audit = history.last("audit")
    if audit is None:
        return "there was no audit"
    if audit.get("undecided"):
        return str(audit.get("undecided"))
    masters = several_masters(history)
    if masters:
        return f"{len(masters)} masters answered at the audit: {', '.join(masters)}"
    evicted = _evicted(history)
    ok = history.ops.outcome == Outcome.OK
    unread = int((ok & history.ops.unaudited).sum())
    unread_text = [f"{unread} acknowledged operations were not looked for"] if unread else []
    return "; ".join([*evicted, *unread_text])


def several_masters(history: History) -> list[str]:
    """The masters that answered at the audit, where they were more than one."""
    after = [fact for fact in history.facts("sanity") if fact.latest_s > 0]
    masters = sorted({master for fact in after for master in fact.get("masters")})
    return masters if len(masters) > 1 else []


def phantoms(history: History) -> int:
    """Operations that we said were surely not applied and whose keys are there: a fault of our outcome table."""
    failed = np.isin(history.ops.outcome, [Outcome.FAILED, Outcome.MISSED])
    return int((failed & history.ops.kept).sum())


def lost_of(history: History, client: Client) -> int:
    return int(history.ops.lost[history.ops.of(client.number)].sum())


def places(history: History) -> list[LostSpell]:
    """Where losses lie: each path's, in spells of at most `gap` between two, by who acknowledged them."""
    found: list[LostSpell] = []
    for name, clients in history.paths.items():
        sent_s, node = _lost_ops(history, clients)
        for answered in np.unique(node):
            found += _spells(name, _node_name(history, int(answered)), sent_s[node == answered], history.gap_s)
    return sorted(found, key=lambda spell: (spell.from_s, spell.path, spell.node))


def _spells(path: str, node: str, sent_s: np.ndarray, gap_s: float) -> list[LostSpell]:
    parts = np.split(sent_s, np.flatnonzero(np.diff(sent_s) > gap_s) + 1)
    return [
        LostSpell(path=path, from_s=float(part[0]), to_s=float(part[-1]), count=len(part), node=node) for part in parts
    ]


def _lost_ops(history: History, clients: list[Client]) -> tuple[np.ndarray, np.ndarray]:
    ops = history.ops
    mine = np.isin(ops.client, [client.number for client in clients]) & ops.lost
    order = np.argsort(ops.sent_s[mine], kind="stable")
    return ops.sent_s[mine][order], ops.node[mine][order]


def _node_name(history: History, index: int) -> str:
    said = next((fact for fact in history.facts("node") if fact.get("index") == index), None)
    if said is None:
        return "unknown"
    known = history.roster.ran(str(said.get("run_id")))
    return known.name if known else history.roster.node(str(said.get("address"))).name or "unknown"


def _evicted(history: History) -> list[str]:
    """Keys that Redis evicted since the start. A counter belongs to a process: one started anew counts from 0."""
    start = {
        fact.get("run_id"): fact.get("evicted_keys") or 0 for fact in history.facts("sanity") if fact.latest_s <= 0
    }
    after = [fact for fact in history.facts("sanity") if fact.latest_s > 0]
    moved = [(fact.get("member"), (fact.get("evicted_keys") or 0) - start.get(fact.get("run_id"), 0)) for fact in after]
    return [f"{member} evicted {count} keys" for member, count in moved if count > 0]
