"""Outages of one client, from its own operations: where they begin and end, and with what error.

All on the axis of sending. L is the last good operation before F, the first bad one; P the last bad one before R, the
first good one after which no bad one follows for `gap`. The onset is in (sent L, sent F], the end in (sent P, done R].
Knows nothing of faults but when one was healed.
"""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from chaos.analysis.operations import Bools, Floats
from chaos.analysis.result import Window

Kind = Literal["seen", "durable"]
Edge = Literal["onset", "end"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outage:
    """One outage as its four operations say. `end_s` None: no good operation ended it while we watched.

    `suspect` are the edges touched by an operation that our own stall may have made bad.
    """

    last_good_s: float
    first_bad_s: float
    last_bad_s: float
    first_good_s: float | None
    end_s: float | None
    suspect: tuple[Edge, ...] = ()

    @property
    def latest_end_s(self) -> float:
        return float("inf") if self.end_s is None else self.end_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A client's operations in order of sending: when sent, when decided, bad or not.

    `suspect` were made bad by a stall of our own, it may be, and `waited` by the machine, that gave members no core.
    """

    sent_s: Floats
    done_s: Floats
    bad: Bools
    suspect: Bools
    waited: Bools


def outages(ops: Sent, gap_s: float) -> list[Outage]:
    """Every outage of a client, in order. A bad operation that is suspect or waited opens none by itself."""
    order = np.argsort(ops.sent_s, kind="stable")
    sorted_ops = Sent(**{each.name: getattr(ops, each.name)[order] for each in fields(ops)})
    bad = np.flatnonzero(sorted_ops.bad)
    if not len(bad):
        return []
    found = [_outage(sorted_ops, int(first), int(last), gap_s) for first, last in _clusters(sorted_ops, bad, gap_s)]
    return [outage for outage in found if outage is not None]


def _clusters(ops: Sent, bad: np.ndarray, gap_s: float) -> list[tuple[int, int]]:
    """First and last bad operation of each outage: a good spell longer than `gap` parts two."""
    after = np.minimum(bad[:-1] + 1, len(ops.sent_s) - 1)
    good_between = bad[1:] - bad[:-1] > 1
    parted = np.flatnonzero(good_between & (ops.sent_s[bad[1:]] - ops.sent_s[after] > gap_s))
    firsts = np.concatenate([bad[:1], bad[parted + 1]])
    lasts = np.concatenate([bad[parted], bad[-1:]])
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _outage(ops: Sent, first: int, last: int, gap_s: float) -> Outage | None:
    within = slice(first, last + 1)
    if (ops.suspect | ops.waited)[within][ops.bad[within]].all():
        return None
    after = last + 1
    ended = after < len(ops.sent_s) and ops.sent_s[-1] - ops.sent_s[after] >= gap_s
    edges: dict[Edge, int] = {"onset": first, "end": last}
    return Outage(
        last_good_s=float(ops.sent_s[first - 1] if first else ops.sent_s[first]),
        first_bad_s=float(ops.sent_s[first]),
        last_bad_s=float(ops.sent_s[last]),
        first_good_s=float(ops.sent_s[after]) if ended else None,
        end_s=float(ops.done_s[after]) if ended else None,
        suspect=tuple(edge for edge, index in edges.items() if ops.suspect[index]),
    )


def judged(outage: Outage, kind: Kind, client: int, heal_s: float | None) -> list[Window]:
    """An outage as windows: whole, or cut where a lasting fault was healed. The rest of a cut one is `after_heal`."""
    if heal_s is None or outage.last_good_s >= heal_s:
        return [_window(outage, kind, client, after_heal=heal_s is not None)]
    if outage.first_good_s is not None and outage.first_good_s <= heal_s:
        return [_window(outage, kind, client)]
    return [_until_heal(outage, kind, client, heal_s), _after_heal(outage, kind, client, heal_s)]


def met_a_stall(edges: tuple[Edge, ...]) -> str:
    """Why what rests on these edges is undecided; empty where there are none."""
    return f"a stall of our own touched its {' and its '.join(edges)}" if edges else ""


def _window(outage: Outage, kind: Kind, client: int, after_heal: bool = False) -> Window:
    end, least = outage.end_s, max(0.0, outage.last_bad_s - outage.first_bad_s)
    return Window(
        kind=kind,
        onset_s=(outage.last_good_s, outage.first_bad_s),
        end_s=None if end is None else (outage.last_bad_s, end),
        censored="limit" if end is None else None,
        length_s=(least, None if end is None else end - outage.last_good_s),
        client=client,
        after_heal=after_heal,
        undecided=met_a_stall(outage.suspect),
        suspect=outage.suspect,
    )


def _until_heal(outage: Outage, kind: Kind, client: int, heal_s: float) -> Window:
    """What was not back when healing was requested did not recover while the fault lasted."""
    suspect = tuple(edge for edge in outage.suspect if edge == "onset")
    return Window(
        kind=kind,
        onset_s=(outage.last_good_s, outage.first_bad_s),
        end_s=None,
        censored="heal",
        length_s=(max(0.0, heal_s - outage.first_bad_s), None),
        client=client,
        undecided=met_a_stall(suspect),
        suspect=suspect,
    )


def _after_heal(outage: Outage, kind: Kind, client: int, heal_s: float) -> Window:
    end = outage.end_s
    suspect = tuple(edge for edge in outage.suspect if edge == "end")
    return Window(
        kind=kind,
        onset_s=(heal_s, heal_s),
        end_s=None if end is None else (max(heal_s, outage.last_bad_s), end),
        censored="limit" if end is None else None,
        length_s=(max(0.0, outage.last_bad_s - heal_s), None if end is None else end - heal_s),
        client=client,
        after_heal=True,
        undecided=met_a_stall(suspect),
        suspect=suspect,
    )
