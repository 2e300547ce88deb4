"""Finds when each milestone of a failover happened, and which source saw it.

A milestone is `seen`, `not-applicable` (a requested failover has no detection), `not-yet` (a source watched for it and
it did not come) or `unobserved` (no source that could have seen it was there). A claim about an unobserved milestone is
undecided.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from chaos.analysis.history import E, Fact, History, host
from chaos.analysis.interval import Interval
from chaos.analysis.result import NOT_APPLICABLE, UNOBSERVED, FailoverResult, Milestone, Node, State
from chaos.analysis.sentinels import Attempt, Said, called_down
from chaos.model import MemberKind
from chaos.operators.operator import Operator
from chaos.record.events import Endpoints, Event, Gap, NodeSeen, Pod, ProxyServers, Role, RoleLost, SentinelAddress

PROMOTED_LINE = r"(?:MASTER|PRIMARY) MODE enabled"
"""Matches the log line of a replica that becomes a master. Redis writes MASTER, and Valkey writes PRIMARY."""
ENDING_S = 1.0
"""A gap that reaches to within this many seconds of the end of a trial was not over."""
LATE_LOG_S = 1.0
"""A log line about a change may be stamped this many seconds later than the watch that reported the change."""
SILENT_S = 2.0
"""A Redis that stops answering within this many seconds of the first recorded event was gone before."""

FAILOVER = ("sdown", "odown", "try_failover", "elected", "promoted", "switched", "reconfigured", "labelled")
"""The milestones of a failover, in their usual order."""


def failover(history: History, attempt: Attempt, operator: Operator) -> FailoverResult:
    """Return the result of one attempt, with its milestones."""
    return FailoverResult(
        epoch=attempt.epoch,
        kind="requested" if attempt.requested else "detected",
        leader=attempt.leader,
        successor=successor(history, attempt),
        aborted=attempt.aborted,
        milestones=of_attempt(history, attempt, operator),
        per_sentinel=switching(history, attempt),
        per_replica=following(history, successor(history, attempt), attempt),
    )


def of_attempt(history: History, attempt: Attempt | None, operator: Operator) -> dict[str, Milestone]:
    """Return the milestones of an attempt, from detection to the label.

    Without an attempt, they are the milestones of a failover that was due.
    """
    who = successor(history, attempt)
    replicas = following(history, who, attempt)
    hit = {name for fault in history.faults for name in fault.hit}
    if attempt is not None and not hit and len(attempt.started.words) > 3:
        replaced = history.node(":".join(attempt.started.words[2:4])).name  # no fault of ours hit a member
        hit = {replaced, *_silent_before(history, attempt.started.at_s.least)}
    others = [one for name, one in replicas.items() if name not in hit]  # the hit member is not waited for
    return {
        **detection(history, attempt),
        "try_failover": _said(history, attempt.started if attempt else None),
        "elected": _said(history, attempt.elected if attempt else None),
        "promoted": promoted(history, who, attempt),
        "switched": _last_of(switching(history, attempt).values(), history, "sentinel"),
        "reconfigured": _last_of(others, history, "role"),
        "labelled": labelled(history, who, attempt, operator),
    }


def _silent_before(history: History, at_s: float) -> list[str]:
    """Return the Redis that had not answered since the recording began, and still did not at `at_s`.

    Sentinel may still list such a Redis.
    """
    said: list[Fact[Role] | Fact[RoleLost]] = [*history.facts(Role), *history.facts(RoleLost)]
    last = {fact.event.member: fact for fact in sorted(said, key=lambda fact: fact.latest_s) if fact.latest_s < at_s}
    began_s = history.begin_s + SILENT_S
    return [name for name, fact in last.items() if isinstance(fact.event, RoleLost) and fact.latest_s < began_s]


def detection(history: History, attempt: Attempt | None, said: Iterable[Said] = ()) -> dict[str, Milestone]:
    """Return the milestones sdown and odown. Without an attempt, they are the first such events in `said`."""
    if attempt is not None and attempt.requested:
        return {"sdown": NOT_APPLICABLE, "odown": NOT_APPLICABLE}
    if attempt is not None:
        return {"sdown": _said(history, attempt.sdown), "odown": _said(history, attempt.odown)}
    told = list(said)
    found = {state: called_down(told, state).values() for state in ("sdown", "odown")}
    return {state: _said(history, min(each, key=lambda one: one.at_s, default=None)) for state, each in found.items()}


def successor(history: History, attempt: Attempt | None) -> Node | None:
    """Return the promoted replica as Sentinel names it, or else the first replica whose role became master."""
    if attempt and attempt.successor:
        return history.node(attempt.successor)
    turned = _turned_master(history, attempt)
    return history.node(turned.event.address) if turned else None


def promoted(history: History, who: Node | None, attempt: Attempt | None) -> Milestone:
    """Return when the replica `who` became a master: by its log, or else by its polled role.

    A good operation that the replica answered before that poll proves that it was a master by then.
    """
    since_s, until_s = _since(attempt), attempt.ends_s if attempt else float("inf")
    for line in history.lines("redis", PROMOTED_LINE):
        if who and line.pod == who.name and line.at_s.most >= since_s and line.at_s.least < until_s:
            return Milestone.seen(line.at_s, "redis-log", line.text)
    turned = _turned_master(history, attempt, who)
    if turned is None:
        return missing(history, "role", who)
    ops = history.ops
    answered = np.isin(ops.node, answering(history, who)) & ops.good & (ops.done_s > 0)
    proved_s = float(ops.done_s[answered].min()) if answered.any() else float("inf")
    at_s = Interval(min(turned.earliest_s, proved_s), min(turned.latest_s, proved_s))
    return Milestone.seen(at_s, "role", f"{turned.event.member}: ROLE says master")


def following(history: History, who: Node | None, attempt: Attempt | None) -> dict[str, Milestone]:
    """Return when each other Redis followed the new master, by the name of the Redis."""
    if who is None:
        return {}

    def follows(role: Role) -> bool:
        return history.is_at(who, role.master) and role.link == "up" and not role.syncing

    found: dict[str, Milestone] = {}
    for name in (name for name in history.names(MemberKind.REDIS) if name != who.name):
        turned = turns(history.roles_of(name), follows, _since(attempt))
        found[name] = (
            Milestone.seen(turned.at_s, "role", f"{name}: replica of {turned.event.master}")
            if turned
            else missing(history, "role")
        )
    return found


def switching(history: History, attempt: Attempt | None) -> dict[str, Milestone]:
    """Return when each Sentinel switched to the new master, by the name of the Sentinel.

    This is the time of the Sentinel's own +switch-master. If nobody listened then, it is when the Sentinel named the
    new address.
    """
    switches = attempt.switches() if attempt else {}
    found: dict[str, Milestone] = {}
    for name in history.names(MemberKind.SENTINEL) or list(switches):
        said, gaps = switches.get(name), history.facts(Gap)
        unheard_s = [gap.latest_s for gap in gaps if gap.event.source == f"sentinel.event/{name}"]
        if said or attempt is None or not any(at_s > attempt.started.at_s.least for at_s in unheard_s):
            found[name] = _said(history, said)
        else:
            told = _named_by(history, name, attempt)
            found[name] = told if told.state is State.SEEN else UNOBSERVED
    return found


def labelled(history: History, who: Node | None, attempt: Attempt | None, operator: Operator) -> Milestone:
    """Return when the successor's pod got the master label. Lines of the operator's log make the interval narrower."""
    value = (history.scenario.system.master_label or "").partition("=")[2]
    if not value:
        return NOT_APPLICABLE
    pods = [fact for fact in history.facts(Pod) if who and fact.event.name == who.name]
    written = turns(pods, lambda pod: pod.role == value, _since(attempt))
    if written is None or who is None:
        return missing(history, "pod", who)
    at_s = written.at_s
    since_s, until_s = max(_since(attempt), at_s.least), at_s.most + LATE_LOG_S
    logged = [one.at_s for one in operator.label_lines(history, who) if since_s < one.at_s.most <= until_s]
    if logged:
        at_s = Interval(min(logged[-1].least, at_s.most), at_s.most)
    return Milestone.seen(at_s, "pod", f"{written.event.name}: the master label is {value}")


def service_pointer(
    history: History, service: str, who: Node | None, attempt: Attempt | None, operator: Operator
) -> Milestone:
    """Return when the Service's EndpointSlice named the successor, which cannot be before the label was written.

    If the Service leads to proxies, return when the proxies led to the successor.
    """
    backend = history.scenario.system.backend_of(service)
    if backend:
        return proxied(history, backend, who, attempt)
    facts = [fact for fact in history.facts(Endpoints) if fact.event.service == service]
    if not facts:
        return UNOBSERVED
    named = turns(facts, lambda event: who is not None and host(who.address) in ready(event), _since(attempt))
    if named is None:
        return missing(history, "endpoints", who)
    label = labelled(history, who, attempt, operator)
    earliest_s = max(named.earliest_s, label.at_s.least if label.at_s else named.earliest_s)
    at_s = Interval(min(earliest_s, named.latest_s), named.latest_s)
    return Milestone.seen(at_s, "endpoints", f"EndpointSlice of {service}: {', '.join(ready(named.event))}")


def proxied(history: History, backend: str, who: Node | None, attempt: Attempt | None) -> Milestone:
    """Return when the last proxy reported the successor's server as up. Each proxy is asked 20 times a second."""
    found = []
    for name in sorted({fact.event.proxy for fact in history.facts(ProxyServers)}):
        facts = [fact for fact in history.facts(ProxyServers) if fact.event.proxy == name]
        turned = turns(
            facts, lambda event: who is not None and bool(_up(history, event, backend, who)), _since(attempt)
        )
        if turned and who:
            evidence = f"{name}: {_up(history, turned.event, backend, who)} is up"
            found.append(Milestone.seen(turned.at_s, "proxy", evidence))
        else:
            found.append(missing(history, "proxy", who))
    return _last_of(found, history, "proxy")


def _up(history: History, event: ProxyServers, backend: str, who: Node) -> str:
    """Return the server of `backend` that is up and leads to `who`, or an empty string if there is none."""
    servers = [one for one in event.servers if one["backend"] == backend and one["up"]]
    return next((f"{one['server']} ({one['address']})" for one in servers if history.is_at(who, one["address"])), "")


def named_by_all(history: History, attempt: Attempt | None) -> Milestone:
    """Return when the last Sentinel named the successor. Each Sentinel is asked 20 times a second."""
    if attempt is None:
        return missing(history, "sentinel", known=None)
    names = sorted({fact.event.sentinel for fact in history.facts(SentinelAddress)})
    return _last_of((_named_by(history, name, attempt) for name in names), history, "sentinel")


def missing(history: History, source: str, known: object = True) -> Milestone:
    """Return the milestone of something that was not seen: not-yet if `source` watched for it, else unobserved.

    Pass `known=None` when we do not even know which member to watch: the milestone is then not-yet, without a source.
    """
    gaps = [gap for gap in history.facts(Gap) if source in gap.event.source]
    was_blind = any(gap.latest_s >= history.end_s - ENDING_S for gap in gaps)
    if not history.facts(WATCHED[source]) or was_blind:
        return UNOBSERVED
    return Milestone(state=State.NOT_YET, limit_s=history.end_s, source=source if known else "")


def ready(endpoints: Endpoints) -> list[str]:
    """Return the addresses to which a Service sends."""
    return [endpoint["ip"] for endpoint in endpoints.endpoints if endpoint["ready"]]


def answering(history: History, who: Node | None) -> list[int]:
    """Return the numbers by which rows name this process of the node. Its next process has other numbers."""
    return [fact.event.index for fact in history.facts(NodeSeen) if who and fact.event.run_id == who.run_id]


def turns(facts: list[Fact[E]], holds: Callable[[E], bool], since_s: float) -> Fact[E] | None:
    """Return the first fact from `since_s` on for which `holds` is true, or None.

    Its earliest edge is not before the last fact for which `holds` was false.
    """
    earlier_s = since_s
    for fact in facts:
        if fact.latest_s < since_s:
            continue
        if holds(fact.event):
            earliest_s = max(earlier_s, fact.earliest_s) if fact.earliest_s < fact.latest_s else fact.earliest_s
            return replace(fact, earliest_s=min(earliest_s, fact.latest_s))
        earlier_s = fact.latest_s
    return None


def _named_by(history: History, name: str, attempt: Attempt) -> Milestone:
    told = [fact for fact in history.facts(SentinelAddress) if fact.event.sentinel == name]
    new = turns(told, lambda event: history.same(event.address, attempt.successor), _since(attempt))
    if new is None:
        return missing(history, "sentinel")
    return Milestone.seen(new.at_s, "address", f"{name}: GET-MASTER-ADDR-BY-NAME says {attempt.successor}")


def _said(history: History, said: Said | None) -> Milestone:
    return Milestone.seen(said.at_s, said.source, said.evidence) if said else missing(history, "sentinel")


def _last_of(each: Iterable[Milestone], history: History, source: str) -> Milestone:
    """Return the latest of several milestones. If any of them is missing, return that one."""
    found = list(each)
    if not found:
        return missing(history, source, known=None)
    absent = [milestone for milestone in found if milestone.at_s is None]
    return absent[0] if absent else max(found, key=lambda milestone: milestone.at_s.most if milestone.at_s else 0.0)


def _turned_master(history: History, attempt: Attempt | None, who: Node | None = None) -> Fact[Role] | None:
    """Return the first Role event in which `who` became master, or None.

    Without `who`, every Redis that was a replica before counts.
    """
    since_s = _since(attempt)
    before = {fact.event.member: fact.event.role for fact in history.facts(Role) if fact.latest_s <= since_s}
    names = [who.name] if who else [name for name, role in before.items() if role == "slave"]
    turned = [turns(history.roles_of(name), lambda role: role.role == "master", since_s) for name in names]
    return min((fact for fact in turned if fact), key=lambda fact: fact.latest_s, default=None)


def _since(attempt: Attempt | None) -> float:
    """Return the earliest time at which to look for a failover's steps: when it was tried, and not before t = 0."""
    return max(0.0, attempt.started.at_s.least) if attempt else 0.0


WATCHED: dict[str, type[Event]] = {
    "sentinel": SentinelAddress,
    "role": Role,
    "pod": Pod,
    "endpoints": Endpoints,
    "proxy": ProxyServers,
}
"""Maps each source to the class of its events. If there are none in a recording, the source was not there."""
