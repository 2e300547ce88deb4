"""Counts losses: writes that were acknowledged and that the audit did not find, in three classes.

`before`: acknowledged more than 1 s before the effect, when every replica should have had the write. `tail`:
acknowledged in the last second before the effect, which asynchronous replication may lose. `after`: acknowledged after
the effect, by a replaced, isolated or short-lived master. There is no number if the audit cannot tell, because there
was none, or because keys were evicted or had expired.
"""

from typing import Literal

import numpy as np

from chaos.analysis.history import History
from chaos.analysis.interval import Interval
from chaos.analysis.operations import Bools
from chaos.analysis.result import Losses, LostSpell
from chaos.model import Outcome
from chaos.record.events import Audit, Sanity

TAIL_S = 1.0
"""How many seconds before the effect the class `tail` begins."""
LostClass = Literal["before", "tail", "after"]


def find_losses(history: History) -> Losses:
    """Return the losses of a trial by class, and when and by which node the lost writes were acknowledged."""
    ops = history.ops
    acknowledged = ops.outcome == Outcome.OK
    undecided = why_undecided(history)
    done_s, effect_s = ops.done_s, history.effect_s or Interval.at(0.0)
    before = done_s < effect_s.least - TAIL_S
    after = done_s > effect_s.most
    classes: dict[LostClass, Bools] = {"before": before, "tail": ~before & ~after, "after": after}
    known = {
        name: None if undecided else Interval(int((ops.lost_everywhere & mine).sum()), int((ops.lost & mine).sum()))
        for name, mine in classes.items()
    }
    return Losses(
        acknowledged=int(acknowledged.sum()),
        before=known["before"],
        tail=known["tail"],
        after=known["after"],
        recovered=int(((ops.outcome == Outcome.UNKNOWN) & ops.kept).sum()),
        undecided=undecided,
        places=() if undecided else tuple(_places(history, classes)),
    )


def why_undecided(history: History) -> str:
    """Return why the audit cannot prove losses, or an empty string if it can."""
    audit = history.last(Audit)
    if audit is None:
        return "there was no audit"
    if audit.event.undecided:
        return audit.event.undecided
    first: dict[str, int] = {}
    for fact in history.facts(Sanity):
        if fact.latest_s <= 0:
            first[fact.event.run_id] = fact.event.evicted_keys or 0
    found = []
    for fact in history.facts(Sanity):
        evicted = (fact.event.evicted_keys or 0) - first.get(fact.event.run_id, 0)  # a new process counts from 0
        if fact.latest_s > 0 and evicted > 0:
            found.append(f"{fact.event.member} evicted {evicted} keys")
    unread = int(((history.ops.outcome == Outcome.OK) & history.ops.unaudited).sum())
    if unread:
        found.append(f"{unread} acknowledged operations were not looked for")
    return "; ".join(found)


def phantoms(history: History) -> int:
    """Count operations that are called surely not applied and whose keys are there. Our outcomes are then wrong."""
    refused = np.isin(history.ops.outcome, [Outcome.FAILED, Outcome.MISSED])
    return int((refused & history.ops.kept).sum())


def _places(history: History, classes: dict[LostClass, Bools]) -> list[LostSpell]:
    """Return the spells of lost writes of each path, class and acknowledging node.

    A pause longer than `gap` ends a spell.
    """
    ops, found = history.ops, []
    for path, clients in history.clients_by_path.items():
        mine = np.isin(ops.client, [client.number for client in clients]) & ops.lost
        for lost_class, of_class in classes.items():
            for index in np.unique(ops.node[mine & of_class]).tolist():
                answered = history.answered_by(index)
                sent_s = np.sort(ops.sent_s[mine & of_class & (ops.node == index)])
                for part in np.split(sent_s, np.flatnonzero(np.diff(sent_s) > history.gap_s) + 1):
                    found.append(
                        LostSpell(
                            path=path,
                            from_s=float(part[0]),
                            to_s=float(part[-1]),
                            count=len(part),
                            node=answered.name if answered else "unknown",
                            lost_class=lost_class,
                        )
                    )
    return sorted(found, key=lambda spell: (spell.from_s, spell.path, spell.node))
