"""Each path's outages: those of every client, the worst client's as the headline, and what all of them share.

A path is a way to the master driven in one way: `service/new`. What its numbers are held against is the verdict's.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from chaos.analysis.baseline import Baseline, baseline
from chaos.analysis.history import History
from chaos.analysis.operations import Bools, Client
from chaos.analysis.result import Counts, Measured, Window
from chaos.analysis.stalls import Late, late
from chaos.analysis.windows import Kind, Outage, Sent, judged, outages
from chaos.model import ErrorCode, Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientWindows:
    """One client's windows from the effect on; `before` counts outages that were over by then."""

    client: Client
    seen: tuple[Window, ...]
    durable: tuple[Window, ...]
    before: int

    @property
    def first(self) -> Window | None:
        """The first durable window that the fault is answerable for."""
        return next((window for window in self.durable if not window.after_heal), None)


@dataclass(frozen=True, kw_only=True)
class Path:
    """One path of a trial. Application clients are a path of their own, and no baseline of theirs gates anything."""

    name: str
    clients: tuple[Client, ...]
    baseline: Baseline
    windows: tuple[ClientWindows, ...] = field(default=())

    @property
    def connection(self) -> str:
        return self.clients[0].connection

    @property
    def is_meter(self) -> bool:
        return self.clients[0].is_meter

    @property
    def via_sentinel(self) -> bool:
        return self.clients[0].via_sentinel

    @property
    def service(self) -> str:
        """The Service that the path's address names; empty where Sentinel is asked."""
        return "" if self.via_sentinel else self.clients[0].address.partition(":")[0].partition(".")[0]

    @property
    def works(self) -> bool:
        return self.is_meter and self.baseline.state == "works"

    @cached_property
    def worst(self) -> ClientWindows | None:
        """Whose first durable window was longest; of equal ones the lowest number. None: no client has one."""
        hit = [each for each in self.windows if each.first is not None]
        return max(hit, key=_severity, default=None)

    @property
    def head(self) -> Window | None:
        """The window that the path's outage, its recovery and its phases are about."""
        return self.worst.first if self.worst else None

    @property
    def full_s(self) -> Measured | None:
        """The first time when nobody succeeded; None where somebody always did."""
        heads = [each.first for each in self.windows]
        if not heads or any(head is None for head in heads):
            return None
        return _intersection([head for head in heads if head is not None])

    @property
    def any_s(self) -> Measured | None:
        """The first time when not everybody succeeded."""
        heads = sorted((head for each in self.windows if (head := each.first)), key=lambda head: head.onset_s)
        return _union(heads) if heads else None


def paths(history: History, decided: bool) -> list[Path]:
    """The trial's paths in the order of their clients. Losses count as bad operations only where they are `decided`."""
    how = (late(history), decided)
    return [_path(history, name, clients, how) for name, clients in history.paths.items()]


def counts(history: History, clients: Iterable[Client]) -> Counts:
    ops, found = history.ops, np.zeros(len(Outcome), np.int64)
    for client in clients:
        found += np.bincount(ops.outcome[ops.of(client.number)], minlength=len(Outcome))
    ok, failed, unknown, missed = (int(found[outcome]) for outcome in _COUNTED)
    return Counts(sent=ok + failed + unknown, ok=ok, failed=failed, unknown=unknown, missed=missed)


def errors(history: History, clients: Iterable[Client]) -> dict[str, int]:
    """How often each error was met, by its name."""
    ops, found = history.ops, np.zeros(256, np.int64)
    for client in clients:
        mine = ops.of(client.number)
        found += np.bincount(ops.error[mine][ops.outcome[mine] != Outcome.OK], minlength=256)
    return {ErrorCode(code).words: int(found[code]) for code in np.flatnonzero(found).tolist() if code}


def _path(history: History, name: str, clients: list[Client], how: tuple[Late, bool]) -> Path:
    known = baseline(history, clients, how[0].either)
    measured = clients[0].is_meter and known.state in ("works", "unproved")
    windows = tuple(_windows(history, client, *how) for client in clients) if measured else ()
    return Path(name=name, clients=tuple(clients), baseline=known, windows=windows)


def _windows(history: History, client: Client, lateness: Late, decided: bool) -> ClientWindows:
    ops = history.ops
    mine = ops.of(client.number)
    bad = ~ops.good[mine]
    seen, before = _kind(history, client, bad, lateness)
    durable, _ = _kind(history, client, bad | ops.lost[mine], lateness, "durable") if decided else _as_durable(seen)
    return ClientWindows(client=client, seen=seen, durable=durable, before=before)


def _kind(
    history: History, client: Client, bad: Bools, lateness: Late, kind: Kind = "seen"
) -> tuple[tuple[Window, ...], int]:
    ops = history.ops
    mine = ops.of(client.number)
    stalled, waited = lateness.stalled[mine], lateness.waited[mine]
    sent = Sent(sent_s=ops.sent_s[mine], done_s=ops.done_s[mine], bad=bad, suspect=stalled, waited=waited)
    found = outages(sent, history.gap_s)
    after = [outage for outage in found if outage.latest_end_s > 0]
    return _judged(after, kind, client, history.heal_s), len(found) - len(after)


def _judged(found: list[Outage], kind: Kind, client: Client, heal_s: float | None) -> tuple[Window, ...]:
    return tuple(window for outage in found for window in judged(outage, kind, client.number, heal_s))


def _as_durable(seen: tuple[Window, ...]) -> tuple[tuple[Window, ...], int]:
    return tuple(replace(window, kind="durable") for window in seen), 0


def _severity(each: ClientWindows) -> tuple[float, float, int]:
    head = each.first
    assert head is not None
    least, most = head.length_s
    return (float("inf") if most is None else most, least, -each.client.number)


def _intersection(heads: list[Window]) -> Measured | None:
    least = min(head.onset_s[1] + head.length_s[0] for head in heads) - max(head.onset_s[1] for head in heads)
    ends = [head.end_s[1] for head in heads if head.end_s]
    most = min(ends) - max(head.onset_s[0] for head in heads) if ends else None
    return None if most is not None and most <= 0 else (max(0.0, least), most)


def _union(heads: list[Window]) -> Measured:
    """From the first onset for as long as the clients' windows overlap."""
    inner_end, outer_end = heads[0].onset_s[1], heads[0].onset_s[0]
    for head in heads:
        if head.onset_s[0] > outer_end and head is not heads[0]:
            break
        inner_end = max(inner_end, head.onset_s[1] + head.length_s[0])
        outer_end = max(outer_end, float("inf") if head.end_s is None else head.end_s[1])
    most = None if outer_end == float("inf") else outer_end - heads[0].onset_s[0]
    return max(0.0, inner_end - heads[0].onset_s[1]), most


_COUNTED = (Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN, Outcome.MISSED)
