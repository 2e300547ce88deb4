"""What an application would have met: its longest blocked call, and when its first good durable call came.

Reported beside the service's outage and never gating: it is the library and its settings that are seen here.
"""

import numpy as np

from chaos.analysis.history import Fact, History
from chaos.analysis.interval import Interval
from chaos.analysis.operations import Bools, Client
from chaos.model import ErrorCode, Outcome
from chaos.record.events import ApplicationCall, ConnectionClosed, ConnectionOpened

SLOW_S = 1.0
"""A call that takes longer is one that an application's user notices."""


def longest_blocked_s(history: History, clients: tuple[Client, ...]) -> float | None:
    """Of the calls that were under way after the effect, those that never ended among them."""
    took = [value for client in clients for value in _took(history, client)]
    names = {client.number for client in clients}
    told = [call.event.blocked_s for call in history.facts(ApplicationCall) if call.event.client in names]
    return max([*took, *told], default=None)


def first_good_s(history: History, clients: tuple[Client, ...]) -> Interval | None:
    """The worst client's first good durable call that began after its first trouble, or after t = 0 if it had none.

    None: an application never had one again.
    """
    spans = [_first_good(history, client) for client in clients]
    return None if None in spans else max(span for span in spans if span)


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
    facts: list[Fact[ConnectionOpened] | Fact[ConnectionClosed]]
    facts = [*history.facts(ConnectionOpened), *history.facts(ConnectionClosed)]
    mine = [fact for fact in facts if fact.event.client == client.number]
    last = max(mine, key=lambda fact: fact.latest_s, default=None)
    words = ErrorCode(int(met[-1])).words
    if last is None or isinstance(last.event, ConnectionClosed):
        return words
    when = f"it opened at {last.latest_s:.1f} s" if last.latest_s > 0 else "it had before the fault"
    return f"{words}, on the connection that {when}"


def _took(history: History, client: Client) -> list[float]:
    ops = history.ops
    mine = ops.of(client.number)
    late = ops.done_s[mine] > 0
    return [float(seconds) for seconds in (ops.done_s[mine] - ops.sent_s[mine])[late]]


def _first_good(history: History, client: Client) -> Interval | None:
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
    return Interval(float(ops.sent_s[mine][at]), float(ops.done_s[mine][at]))


def _answered(history: History, client: Client) -> Bools:
    ops = history.ops
    mine = ops.of(client.number)
    fine: Bools = (ops.outcome[mine] == Outcome.OK) & ~ops.lost[mine]
    return fine
