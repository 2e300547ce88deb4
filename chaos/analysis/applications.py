"""What an application client met: its calls as operations, its longest call, its first good call, and a worker's tasks.

An application client decides no verdict unless the scenario says so, because what it meets depends on its library and
its settings.
"""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np

from chaos.analysis.history import Fact, History
from chaos.analysis.interval import Interval
from chaos.analysis.operations import Bools, Floats
from chaos.analysis.result import Calls, Tasks
from chaos.analysis.windows import Kind, Sent
from chaos.model import ErrorCode, Outcome
from chaos.record.events import (
    ApplicationCall,
    ApplicationErrors,
    ApplicationTask,
    ApplicationWorker,
    ConnectionClosed,
    ConnectionOpened,
    Gap,
)
from chaos.record.layout import RecordedClient

SLOW_S = 1.0
"""A call that takes longer than this many seconds is bad, because an application's user notices it."""
SILENT_PERIODS = 3
"""A client has stopped calling if it made no call for this many of its periods and a second."""
JUST_S = 1e-6


def called(history: History, client: RecordedClient) -> dict[Kind, Sent]:
    """Return a client's calls as `chaos.analysis.windows` needs them to find outages.

    A call is bad if it failed, if it took longer than SLOW_S, or, for the durable outage, if its write is lost. The
    calls of a client come one after the other. A bad call is therefore listed twice, at its beginning and at its end,
    so that the outage lasts as long as the call. A call that never ended lasts until the trial's end, and so does the
    silence of a client whose process is gone.
    """
    ops = history.ops
    mine = ops.of(client.number)
    begun_s, done_s = ops.sent_s[mine], ops.done_s[mine].copy()
    slow = done_s - begun_s > SLOW_S
    seen: Bools = (ops.outcome[mine] != Outcome.OK) | slow
    under_way = _under_way(history, client)
    done_s[under_way] = history.end_s
    silent_s = _silent_since_s(history, client)
    more_s: Floats = np.array([] if silent_s is None else [silent_s, history.end_s])
    found: dict[Kind, Sent] = {}
    both: dict[Kind, Bools] = {"seen": seen, "durable": seen | ops.lost[mine]}
    for kind, bad in both.items():
        ends_s = np.maximum(done_s[bad] - JUST_S, begun_s[bad])
        sent_s = np.concatenate([begun_s, ends_s, more_s])
        found[kind] = Sent(
            sent_s=sent_s,
            done_s=np.concatenate([done_s, done_s[bad], np.full(len(more_s), history.end_s)]),
            bad=np.concatenate([bad, np.ones(len(ends_s) + len(more_s), bool)]),
            suspect=np.zeros(len(sent_s), bool),
        ).chosen(np.argsort(sent_s, kind="stable"))
    return found


def calls(history: History, clients: tuple[RecordedClient, ...]) -> Calls:
    first = clients[0]
    mine = {client.number for client in clients}
    told: dict[int, dict[str, int]] = {}
    for fact in history.facts(ApplicationErrors):
        if fact.event.client in mine:
            told[fact.event.client] = fact.event.counts
    classes = sum((Counter(counts) for counts in told.values()), Counter[str]())
    tasks = [_tasks(history, client) for client in clients if not client.audited]
    return Calls(
        library=first.library.partition(",")[0],
        settings=dict(first.settings),
        classes=dict(classes.most_common()),
        hung=hung_s(history, clients) is not None,
        gone=next((text for client in clients if (text := _gone(history, client))), ""),
        tasks=next((one for one in tasks if one is not None), None),
    )


def hung_s(history: History, clients: tuple[RecordedClient, ...]) -> float | None:
    """Return how many seconds a call had been under way when the trial ended, or None if no call was."""
    sent_s = [history.ops.sent_s[history.ops.of(client.number)][_under_way(history, client)] for client in clients]
    under_way_s = history.end_s - np.concatenate([np.zeros(0), *sent_s])
    return float(under_way_s.max()) if len(under_way_s) else None


def _under_way(history: History, client: RecordedClient) -> Bools:
    """Return which calls have no end. Only the last call can have none."""
    ops = history.ops
    mine = ops.of(client.number)
    found: Bools = np.zeros(mine.stop - mine.start, bool)
    found[-1:] = (ops.outcome[mine][-1:] == Outcome.UNKNOWN) & (ops.error[mine][-1:] == ErrorCode.NONE)
    return found


def _silent_since_s(history: History, client: RecordedClient) -> float | None:
    """Return when a client stopped calling because its process was gone, or None if it called to the end."""
    mine = history.ops.of(client.number)
    done_s = history.ops.done_s[mine]
    if not len(done_s) or not _gone(history, client):
        return None
    due_s = max(float(done_s[-1]), float(history.ops.sent_s[mine][-1]) + 1 / client.rate_hz)
    return due_s if history.end_s - due_s > SLOW_S + SILENT_PERIODS / client.rate_hz else None


def _gone(history: History, client: RecordedClient) -> str:
    """Return why a client's process ended before it was told to, or an empty string if it did not."""
    mine = (gap.event for gap in history.facts(Gap) if gap.event.source.startswith(f"client {client.number},"))
    return next((gap.text for gap in mine), "")


def _tasks(history: History, client: RecordedClient) -> Tasks | None:
    """Return what became of the tasks that a client's calls handed to its worker, or None if there were no tasks."""
    told = [fact for fact in history.facts(ApplicationTask) if fact.event.client == client.number]
    if not told:
        return None
    at_end = ("waiting", "result", "looked")
    told = [fact for fact in told if fact.event.state not in at_end or fact.latest_s > 0]
    ops = history.ops
    mine = ops.of(client.number)
    accepted = set(ops.seq[mine][ops.outcome[mine] == Outcome.OK].tolist())
    each: dict[str, Counter[int]] = {state: Counter() for state in ("begun", "done", *at_end)}
    for fact in told:
        each.setdefault(fact.event.state, Counter())[fact.event.task] += 1
    undone = accepted - set(each["done"])
    looked = bool(each["looked"])
    stuck = undone & (set(each["begun"]) | set(each["waiting"])) if looked else undone
    found = Tasks(
        accepted=len(accepted),
        after=int(((ops.outcome[mine] == Outcome.OK) & (ops.done_s[mine] > 0)).sum()),
        done=len(each["done"]),
        lost=len(undone - stuck) if looked else None,
        twice=sum(1 for times in each["done"].values() if times > 1),
        stuck=len(stuck),
        unknown=len(accepted & set(each["done"]) - set(each["result"])) if looked else None,
    )
    died = [fact for fact in history.facts(ApplicationWorker) if fact.event.client == client.number]
    if died and died[-1].latest_s > 0:
        found = replace(found, ended=died[-1].event.how, ended_s=died[-1].latest_s)
    done = [fact for fact in told if fact.event.state == "done"]
    return _with_pause(history, client, found, done)


def _with_pause(history: History, client: RecordedClient, tasks: Tasks, done: list[Fact[ApplicationTask]]) -> Tasks:
    """Return the tasks with the worker's longest pause after t = 0, if its work does not explain that pause."""
    pauses = [
        (later.latest_s - before.latest_s, later.latest_s) for before, later in pairwise(done) if later.latest_s > 0
    ]
    last_s = done[-1].latest_s if done else history.begin_s
    mine = history.ops.of(client.number)
    handed_over_s = history.ops.done_s[mine][history.ops.outcome[mine] == Outcome.OK]
    until_s = float(handed_over_s[-1]) if len(handed_over_s) else history.end_s
    pauses_s = max(pauses, default=(0.0, 0.0))
    if until_s - last_s > max(pauses_s[0], SLOW_S + SILENT_PERIODS / client.rate_hz):
        return replace(tasks, out_s=Interval(until_s - last_s), back_s=Interval(until_s))
    if pauses_s[0] <= SLOW_S:
        return tasks
    return replace(tasks, out_s=Interval.at(pauses_s[0]), back_s=Interval.at(pauses_s[1]))


def longest_blocked_s(history: History, clients: tuple[RecordedClient, ...]) -> float | None:
    """Return how long the longest call that was under way after the effect took, even if it never ended."""
    ops, took = history.ops, list[float]()
    for client in clients:
        mine = ops.of(client.number)
        ended = (ops.done_s[mine] > 0) & ~_under_way(history, client)
        took += (ops.done_s[mine] - ops.sent_s[mine])[ended].tolist()
    names = {client.number for client in clients}
    hung = hung_s(history, clients)
    told = [call.event.blocked_s for call in history.facts(ApplicationCall) if call.event.client in names]
    return max([*took, *told, *([] if hung is None else [hung])], default=None)


def first_good_s(history: History, clients: tuple[RecordedClient, ...]) -> Interval | None:
    """Return when the worst client had its first good durable call after its first trouble, or after t = 0 without any.

    Return None if a client never had a good call again.
    """
    spans = [_first_good(history, client) for client in clients]
    return None if None in spans else max(span for span in spans if span)


def never_again(history: History, clients: tuple[RecordedClient, ...]) -> str:
    """Return the last error of a client that never had a good call again, or an empty string without such a client."""
    stuck = (client for client in clients if _first_good(history, client) is None)
    return next((text for client in stuck if (text := _last_trouble(history, client))), "")


def _last_trouble(history: History, client: RecordedClient) -> str:
    """Return the client's last error, and since when its connection was open if it still was at the end.

    A library may keep a connection that is of no use.
    """
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


def _first_good(history: History, client: RecordedClient) -> Interval | None:
    ops = history.ops
    mine = ops.of(client.number)
    after = ops.done_s[mine] > 0
    fine: Bools = (ops.outcome[mine] == Outcome.OK) & ~ops.lost[mine]
    trouble = np.flatnonzero(after & (~fine | (ops.done_s[mine] - ops.sent_s[mine] > SLOW_S)))
    first = int(trouble[0]) if len(trouble) else int(np.argmax(after)) if after.any() else len(fine)
    again = np.flatnonzero(fine[first:])
    if not len(again):
        return None
    at = first + int(again[0])
    return Interval(float(ops.sent_s[mine][at]), float(ops.done_s[mine][at]))
