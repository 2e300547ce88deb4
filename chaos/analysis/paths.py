"""Measures each path: what its baseline showed, the outages of its clients, and the figures of its worst client.

A path is an address together with a way to connect to it, such as service/new. Promises are not considered here.
chaos.analysis.applications finds what an application client met beside its outage.
"""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from chaos.analysis.applications import called, calls, first_good_s, longest_blocked_s, never_again
from chaos.analysis.history import History
from chaos.analysis.interval import Interval, total
from chaos.analysis.operations import Bools
from chaos.analysis.result import Counts, PathResult, PathState, Window
from chaos.analysis.windows import Kind, Sent, windows
from chaos.model import WORKS_SHARE, ErrorCode, Outcome
from chaos.record.layout import RecordedClient

LEAST_SHARE = 0.5
"""A baseline proves nothing if it has less than this share of the operations that the client's rate demands."""
SHORTEST_S = 1.0
"""A baseline shorter than this many seconds proves nothing."""


@dataclass(frozen=True, slots=True)
class ClientWindows:
    """The outages of one client, once as the client saw them, and once with lost acknowledged writes counted as bad.

    `served` is true if the client's last operation that is not suspect was good.
    """

    client: RecordedClient
    seen: tuple[Window, ...]
    durable: tuple[Window, ...]
    served: bool

    @property
    def first(self) -> Window | None:
        """The first durable window that the fault caused and that was not over before t = 0, or None."""
        return next((window for window in self.durable if window.after_effect), None)

    @property
    def recovered_s(self) -> Interval | None:
        """The end of the first window, counted from t = 0, or None without a window.

        It is open if the window has no end.
        """
        head = self.first
        return None if head is None else head.end_s or Interval(head.onset_s.most + head.length_s.least)

    @property
    def downtime_s(self) -> Interval | None:
        """The total length of all durable windows that the fault caused, or None without one."""
        mine = [window.length_s for window in self.durable if window.when == "fault"]
        return total(mine) if mine else None


def measure(history: History, suspect: Bools, *, decided: bool) -> dict[str, PathResult]:
    """Return the result of every path. Lost writes count as bad only if it is `decided` which are lost."""
    return {name: _path(history, clients, suspect, decided) for name, clients in history.clients_by_path.items()}


def _path(history: History, clients: tuple[RecordedClient, ...], suspect: Bools, decided: bool) -> PathResult:
    first, ops = clients[0], history.ops
    state, why = baseline(history, clients, suspect)
    each: list[ClientWindows] = []
    if state in ("works", "unproved"):
        for client in clients:
            operations = sent(history, client, suspect) if client.is_meter else called(history, client)
            seen = _windows(history, operations["seen"], client, "seen")
            durable = _windows(history, operations["durable"], client, "durable") if decided else ()
            kept = durable or tuple(replace(window, kind="durable") for window in seen)
            sure = operations["durable"].chosen(~(operations["durable"].bad & operations["durable"].suspect))
            each.append(ClientWindows(client, seen, kept, served=not sure.bad[-1:].any()))
    worst = worst_of(each)
    durable = worst.durable if worst else ()
    head = worst.first if worst else None
    declared = history.scenario.clients.get(first.path)
    found = PathResult(
        name=first.name,
        connection=first.connection,
        state=state,
        state_why=why,
        about=", ".join(text for text in (first.library, declared.about if declared else "") if text),
        windows=(*durable, *worst.seen) if worst else (),
        outage_s=head.length_s if head else None,
        recovered_s=max((one.recovered_s for one in each if one.recovered_s), key=by_most, default=None),
        downtime_s=max((one.downtime_s for one in each if one.downtime_s), key=by_most, default=None),
        full_s=_while_nobody_succeeded(each),
        any_s=_while_somebody_did_not(each),
        operations=counts(history, clients),
        errors=errors(history, clients, Interval(history.begin_s, history.end_s)),
        lost=sum(int(ops.lost[ops.of(client.number)].sum()) for client in clients) if decided else None,
        address=first.address,
        via_sentinel=first.via_sentinel,
        application=not first.is_meter,
        gate=first.gate if not first.is_meter else declared.gate if declared else True,
        at_end=_at_end(each),
    )
    if first.is_meter:
        return found
    met = calls(history, clients)
    return replace(
        found,
        state_why=met.gone or why if state == "unproved" else why,
        longest_blocked_s=longest_blocked_s(history, clients),
        first_good_s=first_good_s(history, clients),
        never_again=never_again(history, clients),
        calls=met,
    )


def baseline(history: History, clients: tuple[RecordedClient, ...], suspect: Bools) -> tuple[PathState, str]:
    """Return the state of a path, as its operations before the fault show it, and what is wrong if it does not work.

    A path is judged only if good writes of its clients were seen before anything was done to the system. Suspect
    operations count neither as good nor as bad. The other operations of each client must be at least a second's worth.
    """
    span = history.baseline_s
    if span is None or span.width < SHORTEST_S:
        return "unproved", "there was no baseline"
    ops, good, sent, excused, met, few, silent = history.ops, 0, 0, 0, Counter[str](), False, False
    for client in clients:
        mine = ops.of(client.number)
        within = (ops.due_s[mine] >= span.least) & (ops.due_s[mine] < span.most)
        counted = within & ~suspect[mine]
        good_ones = ops.good[mine] if client.is_meter else ops.outcome[mine] == Outcome.OK
        fine = int((good_ones & counted).sum())
        few |= int(within.sum()) < LEAST_SHARE * client.rate_hz * span.width
        few |= int(counted.sum()) < SHORTEST_S * client.rate_hz
        silent |= fine == 0
        good, sent = good + fine, sent + int(counted.sum())
        excused += int((within & ~counted).sum())
        wrong = ops.error[mine][within & (ops.outcome[mine] != Outcome.OK)]
        met.update(ErrorCode(code).words for code in wrong.tolist() if code)
    error = met.most_common(1)[0][0] if met else "no error"
    if few:
        stalled = f"; {excused} more were bad while our own agent or the system waited for a core" if excused else ""
        return "unproved", f"too few operations of a client count before the fault: {sent} in all{stalled}"
    if good == 0:
        return "never worked", f"{error}, 0 of {sent}"
    if good < WORKS_SHARE * sent or silent:
        return "unreliable", f"{good} of {sent} operations were good before the fault; {error}"
    return "works", ""


def by_most(interval: Interval) -> tuple[float, float]:
    """Return the key by which outages are ranked: an outage that never ended is worse than every other."""
    return interval.most, interval.least


def worst_of(each: list[ClientWindows]) -> ClientWindows | None:
    """Return the client that was out longest in all. A client that never came back is worse than every other.

    Between equals, return the client whose first window was longer, and then the one with the lowest number. Without
    any outage, return the first client, or None if there is no client.
    """

    def severity(one: ClientWindows) -> tuple[tuple[float, float], tuple[float, float], int]:
        assert one.first is not None
        assert one.downtime_s is not None
        return by_most(one.downtime_s), by_most(one.first.length_s), -one.client.number

    hit = [one for one in each if one.first is not None]
    return max(hit, key=severity) if hit else next(iter(each), None)


def counts(history: History, clients: tuple[RecordedClient, ...]) -> Counts:
    found = np.zeros(len(Outcome), np.int64)
    for client in clients:
        found += np.bincount(history.ops.outcome[history.ops.of(client.number)], minlength=len(Outcome))
    ok, failed, unknown = (int(found[outcome]) for outcome in (Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN))
    return Counts(sent=ok + failed + unknown, ok=ok, failed=failed, unknown=unknown, missed=int(found[Outcome.MISSED]))


def errors(history: History, clients: tuple[RecordedClient, ...], during: Interval) -> dict[str, int]:
    """Count the failed operations that were sent within `during`, by the name of their error."""
    ops, found = history.ops, np.zeros(256, np.int64)
    for client in clients:
        mine = ops.of(client.number)
        sent_s = ops.sent_s[mine]
        chosen = (ops.outcome[mine] != Outcome.OK) & (sent_s >= during.least) & (sent_s <= during.most)
        found += np.bincount(ops.error[mine][chosen], minlength=256)
    return {ErrorCode(code).words: int(found[code]) for code in np.flatnonzero(found).tolist() if code}


def sent(history: History, client: RecordedClient, suspect: Bools) -> dict[Kind, Sent]:
    """Return a meter's operations twice: as the meter saw them, and with lost writes counted as bad.

    A lost write is bad however late its answer was, so that no stall makes it suspect for the durable outage.
    """
    ops = history.ops
    mine = ops.of(client.number)
    times = {"sent_s": ops.sent_s[mine], "done_s": ops.done_s[mine]}
    late, lost, doubtful = ~ops.good[mine], ops.lost[mine], suspect[mine] & ~ops.good[mine]
    return {
        "seen": Sent(**times, bad=late, suspect=doubtful),
        "durable": Sent(**times, bad=late | lost, suspect=doubtful & ~lost),
    }


def _windows(history: History, sent: Sent, client: RecordedClient, kind: Kind) -> tuple[Window, ...]:
    """Return a client's windows. The error of the client's clock widens the edges of a window, and not its length."""
    error_s = history.ops.clock_error_s
    found = []
    first_s, heal_s = history.first_effect_s, history.heal_s
    for window in windows(sent, kind, client.number, gap_s=history.gap_s, first_effect_s=first_s, heal_s=heal_s):
        until_s = window.end_s.most if window.end_s else window.onset_s.most + window.length_s.least
        found.append(
            replace(
                window,
                onset_s=window.onset_s.widened(error_s, error_s),
                end_s=window.end_s.widened(error_s, error_s) if window.end_s else None,
                errors=errors(history, (client,), Interval(window.onset_s.least, until_s)),
            )
        )
    return tuple(found)


def _at_end(each: list[ClientWindows]) -> Literal["works", "out", "unknown"]:
    """Return whether all clients were served at the end. Too soon after a bad operation, that is `unknown`."""
    open_ended = [one for one in each if any(window.censored == "limit" for window in one.durable)]
    found = {"unknown" if one.served else "out" for one in open_ended}
    return "out" if "out" in found else "unknown" if found or not each else "works"


def _while_nobody_succeeded(each: list[ClientWindows]) -> Interval | None:
    """Return how long no client succeeded: from the last onset to the first end.

    Return None if at every time some client succeeded.
    """
    heads = [one.first for one in each if one.first]
    if not heads or len(heads) < len(each):
        return None
    least_s = min(head.onset_s.most + head.length_s.least for head in heads) - max(head.onset_s.most for head in heads)
    ends_s = [head.end_s.most for head in heads if head.end_s]
    if not ends_s:
        return Interval(max(0.0, least_s))
    most_s = min(ends_s) - max(head.onset_s.least for head in heads)
    return Interval(max(0.0, least_s), most_s) if most_s > 0 else None


def _while_somebody_did_not(each: list[ClientWindows]) -> Interval | None:
    """Return how long at least one client failed, or None if none did.

    This is the time from the first onset for as long as the clients' first windows overlap.
    """
    heads = sorted((one.first for one in each if one.first), key=lambda head: head.onset_s)
    if not heads:
        return None
    onset = heads[0].onset_s
    inner_end_s, outer_end_s = onset.most, onset.least
    for head in heads:
        if head.onset_s.least > outer_end_s and head is not heads[0]:
            break
        inner_end_s = max(inner_end_s, head.onset_s.most + head.length_s.least)
        outer_end_s = max(outer_end_s, head.end_s.most if head.end_s else float("inf"))
    return Interval(max(0.0, inner_end_s - onset.most), outer_end_s - onset.least)
