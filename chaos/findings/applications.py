"""Applications that did not come back although their address did, and addresses whose names did not resolve."""

from collections.abc import Iterator

from chaos.analysis.history import History, host
from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding, PathResult
from chaos.model import ErrorCode, Outcome
from chaos.record.events import Resolved

LEAST_S = 1.0
"""If a name does not resolve for a shorter time than this, its record is just being changed."""
HUNG_S = 10.0
"""A call that has been under way for longer than this at the end has no time-out, since nobody sets a longer one."""


def application_stays_out(measured: Measured) -> Iterator[Finding]:
    """Find an application that never wrote again, although meters did write to its address again."""
    back = {path.address for path in measured.working if path.head and path.head.end_s}
    for path in measured.paths.values():
        if not path.application or path.address not in back:
            continue
        hung_s = _under_way_s(measured.history, path)
        if hung_s is not None and hung_s >= HUNG_S:
            yield _hung(measured, path, hung_s)
        elif path.never_again:
            yield _never_again(path)


def _never_again(path: PathResult) -> Finding:
    stays = "connection" in path.never_again and path.never_again.startswith(ErrorCode.READONLY.words)
    name, close = "an application stayed out", "Have the application connect again after an error."
    if stays:
        name = "an application stayed on a replica"
        close = "Have applications close a connection that says READONLY; redis-py does with "
        close += "retry_on_error=[ReadOnlyError]."
    return Finding(
        name=name,
        sentence=f"{path.name} never wrote again though {path.address} was back: {path.never_again}.",
        severity="out",
        since_s=0.0,
        explains=("reconnection", "after recovery"),
        rows=(f"{path.name}: its last call met {path.never_again}",),
        advice=close,
    )


def _hung(measured: Measured, path: PathResult, hung_s: float) -> Finding:
    return Finding(
        name="a call without a time-out",
        sentence=f"A call of {path.name} had not ended after {hung_s:.0f} s, when the trial did, though {path.address} "
        f"was back: its client has no time-out ({path.about}).",
        severity="out",
        since_s=measured.history.end_s - hung_s,
        explains=("reconnection", "after recovery"),
        rows=(f"{path.name}: its last call was sent at {measured.history.end_s - hung_s:.3f} s and has no end",),
        advice="Give the client time-outs for connecting and for replies (redis-py: socket_connect_timeout, "
        "socket_timeout).",
        price="A command that takes longer than its time-out fails, and may have been applied.",
    )


def _under_way_s(history: History, path: PathResult) -> float | None:
    """Return how long a call had been under way when the trial ended, or None if none was."""
    ops, longest_s = history.ops, None
    for client in history.clients_by_path[path.name]:
        mine = ops.of(client.number)
        if mine.stop <= mine.start:
            continue
        last = mine.stop - 1
        if ops.outcome[last] == Outcome.UNKNOWN and ops.error[last] == ErrorCode.NONE:
            under_way_s = history.end_s - float(ops.sent_s[last])
            longest_s = under_way_s if longest_s is None else max(longest_s, under_way_s)
    return longest_s


def name_not_found(measured: Measured) -> Iterator[Finding]:
    """Find a name that clients were given and that did not resolve. One that never did explains no outage."""
    history, end_s = measured.history, measured.history.end_s
    given = {host(path.address) for path in measured.paths.values()}
    for name in dict.fromkeys(fact.event.name for fact in history.facts(Resolved) if fact.event.name in given):
        told = [fact for fact in history.facts(Resolved) if fact.event.name == name]
        for number, fact in enumerate(told):
            following = told[number + 1].latest_s if number + 1 < len(told) else None
            lasted_s = (end_s if following is None else following) - fact.latest_s
            if fact.event.addresses or lasted_s < LEAST_S or (following is not None and following <= 0):
                continue
            until = "" if following is None else f" until {following:.1f} s"
            sentence = f"The name {name} never resolved{until}: {fact.event.error}."
            if number:
                since = f"did not resolve from {fact.latest_s:.1f} s on{until}"
                sentence = f"The name {name} {since}: {fact.event.error}. It had resolved before."
            yield Finding(
                name="name not found",
                sentence=sentence,
                severity="slow" if following is not None else "out" if number else "note",
                since_s=fact.latest_s,
                until_s=following,
                explains=("endpoint", "routing", "reconnection", "unattributed") if number else (),
                rows=(f"{name}: {fact.event.error}",),
            )
