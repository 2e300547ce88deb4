"""Finds the outages of one client from its own operations, in the order in which they were sent.

F is the first bad operation of an outage, and L is the good one before F. R is the first good operation after which no
bad one follows for `gap`, and P is the bad one before R. The onset lies in (sent L, sent F], and the end in (sent P,
done R]. A bad operation that is suspect (see chaos.analysis.lateness) counts as neither good nor bad: it opens no
window, and at an edge the interval reaches to the nearest operation that is not suspect.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from chaos.analysis.interval import Interval
from chaos.analysis.operations import Bools, Floats
from chaos.analysis.result import Window

Kind = Literal["seen", "durable"]
Edge = Literal["onset", "end"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """The operations of one client as columns. `done_s` is when each operation was decided."""

    sent_s: Floats
    done_s: Floats
    bad: Bools
    suspect: Bools

    def chosen(self, which: "Bools | np.ndarray") -> "Sent":
        """Return the operations that `which` selects. If `which` holds indices, they are returned in its order."""
        return Sent(
            sent_s=self.sent_s[which], done_s=self.done_s[which], bad=self.bad[which], suspect=self.suspect[which]
        )


def windows(  # noqa: PLR0913  # whose operations, and the four times at which they are cut
    ops: Sent, kind: Kind, client: int, *, gap_s: float, first_effect_s: float, heal_s: float | None
) -> tuple[Window, ...]:
    """Return every outage of a client in order. A good time that is longer than `gap_s` separates two outages.

    They are cut at t = 0, at `first_effect_s` if another fault came earlier, and at `heal_s`, when the healing of a
    lasting fault was requested.
    """
    ops = ops.chosen(np.argsort(ops.sent_s, kind="stable"))
    sure = ops.chosen(~(ops.bad & ops.suspect))
    bad = np.flatnonzero(sure.bad)
    if not len(bad):
        return ()
    next_good = np.minimum(bad[:-1] + 1, len(sure.sent_s) - 1)
    good_between = bad[1:] - bad[:-1] > 1
    parted = np.flatnonzero(good_between & (sure.sent_s[bad[1:]] - sure.sent_s[next_good] > gap_s))
    firsts, lasts = np.concatenate([bad[:1], bad[parted + 1]]), np.concatenate([bad[parted], bad[-1:]])
    found: list[Window] = []
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        for part in _cut_at_the_effects(sure, _Part(first, last), first_effect_s):
            outage = _outage(ops, sure, part, gap_s, before=float(sure.done_s[part.first]) < first_effect_s)
            found += _cut_at_the_heal(outage, kind, client, heal_s)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Part:
    """An outage, or one part of it, by the indices of its first and its last bad operation.

    `from_s` and `until_s` are the times of the effects at which it was divided from what came before and after.
    """

    first: int
    last: int
    from_s: float | None = None
    until_s: float | None = None


def _cut_at_the_effects(sure: Sent, outage: _Part, first_effect_s: float) -> list[_Part]:
    """Divide an outage at the first effect of a fault, and at t = 0.

    A fault may have caused only the bad operations that were under way at its effect or were sent after it.
    """
    parts = [outage]
    for at_s in sorted({first_effect_s, 0.0}):
        last = parts.pop()
        bad = last.first + np.flatnonzero(sure.bad[last.first : last.last + 1])
        ours = bad[sure.done_s[bad] >= at_s]
        if sure.done_s[last.first] >= at_s or not len(ours):
            parts.append(last)
            continue
        earlier = bad[bad < ours[0]]
        parts.append(replace(last, last=int(earlier[-1]), until_s=at_s))
        parts.append(replace(last, first=int(ours[0]), from_s=at_s))
    return parts


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outage:
    """The times of the four operations that define an outage. `end_s` is None if the outage was not over.

    `before` is true if it began before the first effect of a fault.
    """

    before: bool
    last_good_s: float
    first_bad_s: float
    last_bad_s: float
    first_good_s: float | None
    end_s: float | None
    widened: tuple[Edge, ...]


def _outage(ops: Sent, sure: Sent, part: _Part, gap_s: float, *, before: bool) -> _Outage:
    first_bad_s, last_bad_s = float(sure.sent_s[part.first]), float(sure.sent_s[part.last])
    last_good_s = float(sure.sent_s[part.first - 1]) if part.first else first_bad_s
    if (from_s := part.from_s) is not None:
        last_good_s, first_bad_s, last_bad_s = from_s, max(from_s, first_bad_s), max(from_s, last_bad_s)
    after = part.last + 1
    first_good_s = end_s = None
    edges: dict[Edge, tuple[float, float]] = {"onset": (last_good_s, first_bad_s)}
    if part.until_s is not None:
        first_good_s = end_s = part.until_s
    elif after < len(sure.sent_s) and sure.sent_s[-1] - sure.sent_s[after] >= gap_s:
        first_good_s, end_s = float(sure.sent_s[after]), float(sure.done_s[after])
        edges["end"] = (last_bad_s, first_good_s)
    doubtful_s = ops.sent_s[ops.bad & ops.suspect]
    return _Outage(
        before=before,
        last_good_s=last_good_s,
        first_bad_s=first_bad_s,
        last_bad_s=last_bad_s,
        first_good_s=first_good_s,
        end_s=end_s,
        widened=tuple(edge for edge, (a, b) in edges.items() if ((doubtful_s > a) & (doubtful_s < b)).any()),
    )


def _cut_at_the_heal(outage: _Outage, kind: Kind, client: int, heal_s: float | None) -> list[Window]:
    """Divide an outage at the request to heal. The first part has no end, and the second part is `after heal`."""
    end_s = outage.end_s
    least_s = max(0.0, outage.last_bad_s - outage.first_bad_s)
    whole = Window(
        kind=kind,
        when="before" if outage.before else "fault",
        onset_s=Interval(outage.last_good_s, outage.first_bad_s),
        end_s=None if end_s is None else Interval(min(outage.last_bad_s, end_s), end_s),
        censored="limit" if end_s is None else None,
        length_s=Interval(least_s) if end_s is None else Interval(least_s, end_s - outage.last_good_s),
        client=client,
        widened=outage.widened,
    )
    was_back = outage.first_good_s is not None and heal_s is not None and outage.first_good_s <= heal_s
    if heal_s is None or outage.before or was_back:
        return [whole]
    if outage.last_good_s >= heal_s:
        return [replace(whole, when="after heal")]
    until_heal = replace(
        whole,
        end_s=None,
        censored="heal",
        length_s=Interval(max(0.0, heal_s - outage.first_bad_s)),
        widened=tuple(edge for edge in outage.widened if edge == "onset"),
    )
    after_heal = replace(
        whole,
        when="after heal",
        onset_s=Interval.at(heal_s),
        end_s=None if end_s is None else Interval(max(heal_s, outage.last_bad_s), end_s),
        length_s=Interval(max(0.0, outage.last_bad_s - heal_s), *(() if end_s is None else (end_s - heal_s,))),
        widened=tuple(edge for edge in outage.widened if edge == "end"),
    )
    return [until_heal, after_heal]
