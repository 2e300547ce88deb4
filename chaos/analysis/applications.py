"""What an application would have met: its longest blocked call, and when its first good durable call came.

Reported beside the service's outage and never gating: it is the library and its settings that are seen here.
"""

import numpy as np

from chaos.analysis.history import Fact, History
from chaos.analysis.operations import Bools, Client
from chaos.analysis.result import Span
from chaos.model import ErrorCode, Outcome

OPENED = "connection.opened"
SLOW_S = 1.0
"""A call that takes longer is one that an application's user notices."""


def longest_blocked_s(history: History, clients: tuple[Client, ...]) -> float | None:
    """Of the calls that were under way after the effect, those that never ended among them."""
    took = [value for client in clients for value in _took(history, client)]
    names = {client.number for client in clients}
    told = [float(call.get("blocked_s")) for call in history.facts("application.call") if call.get("client") in names]
    return max([*took, *told], default=None)


def first_good_s(history: History, clients: tuple[Client, ...]) -> Span | None:
    """The worst client's first good durable call that began after its first trouble, or after t = 0 if it had none.

    None: an application never had one again.
    """
    spans = [_first_good(history, client) for client in clients]
    return None if any(span is None for span in spans) else max(span for span in spans if span)


def never_again(history: History, clients: tuple[Client, ...]) -> str:
    """What the last call of an application that never had a good one again met; empty where all of them had one."""
    stuck = (client for client in clients if _first_good(history, client) is None)
    return next((text for client in stuck if (text := _last_trouble(history, client))), "")


def _last_trouble(history: History, client: Client) -> str:
    """Its last error, and the connection where it still had one: a library may keep one that is of no use."""
    errors = history.ops.error[history.ops.of(client.number)]
    met = errors[errors != ErrorCode.NONE]
    if not len(met):
        return ""
    facts = (fact for kind in (OPENED, "connection.closed") for fact in history.facts(kind))
    mine = [fact for fact in facts if fact.get("client") == client.number]
    last = max(mine, key=lambda fact: fact.latest_s, default=None)
    return ErrorCode(int(met[-1])).words + (_kept(last) if last and last.kind == OPENED else "")


def _kept(opened: Fact) -> str:
    when = f"it opened at {opened.latest_s:.1f} s" if opened.latest_s > 0 else "it had before the fault"
    return f", on the connection that {when}"


def _took(history: History, client: Client) -> list[float]:
    ops = history.ops
    mine = ops.of(client.number)
    late = ops.done_s[mine] > 0
    return [float(seconds) for seconds in (ops.done_s[mine] - ops.sent_s[mine])[late]]


def _first_good(history: History, client: Client) -> Span | None:
    ops = history.ops
    mine = ops.of(client.number)
    after = ops.done_s[mine] > 0
    fine = _answered(history, client)
    trouble = np.flatnonzero(after & (~fine | (ops.done_s[mine] - ops.sent_s[mine] > SLOW_S)))
    first = int(trouble[0]) if len(trouble) else int(np.argmax(after)) if after.any() else len(fine)
    again = np.flatnonzero(fine[first:])
    if not len(again):
        return None
    at = first + int(again[0])
    return float(ops.sent_s[mine][at]), float(ops.done_s[mine][at])


def _answered(history: History, client: Client) -> Bools:
    ops = history.ops
    mine = ops.of(client.number)
    fine: Bools = (ops.outcome[mine] == Outcome.OK) & ~ops.lost[mine]
    return fine
