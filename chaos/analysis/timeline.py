"""When each step of a failover came to hold, by whom it was seen, and what could not have been seen.

A milestone is `seen`, `not-applicable` (a requested failover has no detection), `not-yet` (it was watched for and did
not come) or `unobserved` (its source was not there): the first three are results, the last is undecided.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from chaos.analysis.declared import backend_of, master_value
from chaos.analysis.dialect import PROMOTED_LINE
from chaos.analysis.history import Fact, History
from chaos.analysis.result import Failover, Milestone, Node, Span, State
from chaos.analysis.roster import host, is_at
from chaos.analysis.sentinel import Attempt, Said

NOT_APPLICABLE = Milestone(state=State.NOT_APPLICABLE)
LABEL_LINE = "Update pod label"
"""How the operator's log begins the line that says that a label was written."""
_LATE_LOG_S = 1.0
ENDING_S = 1.0
"""A gap that reaches into the last second of a trial was not over."""


def failover(history: History, attempt: Attempt) -> Failover:
    """One attempt with its milestones."""
    who = successor(history, attempt)
    replicas = following(history, who, attempt)
    sentinels = switching(history, attempt)
    return Failover(
        epoch=attempt.epoch,
        kind="requested" if attempt.requested else "detected",
        leader=attempt.leader,
        successor=who,
        aborted=attempt.aborted,
        milestones=milestones(history, attempt, who, (sentinels, replicas)),
        per_sentinel=sentinels,
        per_replica=replicas,
    )


def successor(history: History, attempt: Attempt | None) -> Node | None:
    """Who was promoted: by Sentinel's word, else the first replica whose role turned."""
    if attempt and attempt.successor:
        return history.roster.node(attempt.successor)
    turned = _turned(history, attempt)
    return history.roster.node(turned.fields["address"]) if turned else None


def milestones(
    history: History,
    attempt: Attempt | None,
    who: Node | None,
    each: tuple[dict[str, Milestone], dict[str, Milestone]],
) -> dict[str, Milestone]:
    """The milestones from detection to the label; `attempt` None: no failover is known of."""
    sentinels, replicas = each
    return {
        "sdown": _detected(history, attempt, attempt.sdown if attempt else None),
        "odown": _detected(history, attempt, attempt.odown if attempt else None),
        "try_failover": _said(history, attempt.started if attempt else None),
        "elected": _said(history, attempt.elected if attempt else None),
        "promoted": promoted(history, who, attempt),
        "switched": _all(sentinels.values(), history, "sentinel"),
        "reconfigured": _all(_others(history, replicas), history, "role"),
        "labelled": labelled(history, who, attempt),
    }


def promoted(history: History, who: Node | None, attempt: Attempt | None) -> Milestone:
    """The replica's own log, else its role as polled; a good operation that it answered proves either earlier."""
    since_s, proved_s = _since(attempt), _first_answer(history, who)
    for line in history.lines("redis", PROMOTED_LINE):
        if who and line.pod == who.name and line.span[1] >= since_s and line.span[0] < _until(attempt):
            return seen(line.span, "redis-log", line.text)
    turned = _turned(history, attempt, who)
    if turned:
        span = (min(turned.earliest_s, proved_s), min(turned.latest_s, proved_s))
        return seen(span, "role", f"{turned.get('member')}: ROLE says master")
    return missing(history, "role", who)


def following(history: History, who: Node | None, attempt: Attempt | None) -> dict[str, Milestone]:
    """When each other Redis followed the new master, by name."""
    if who is None:
        return {}
    names = [name for name in history.names("redis") if name != who.name]
    return {name: _follows(history, name, who, attempt) for name in names}


def switching(history: History, attempt: Attempt | None) -> dict[str, Milestone]:
    """When each Sentinel switched, by name."""
    switches = attempt.switches() if attempt else {}
    names = history.names("sentinel") or list(switches)
    return {name: _switched(history, name, switches.get(name), attempt) for name in names}


def labelled(history: History, who: Node | None, attempt: Attempt | None) -> Milestone:
    """The master label on the successor's pod. The operator's log, where it is there, says it more narrowly."""
    value = master_value(history)
    if not value:
        return NOT_APPLICABLE
    pods = [fact for fact in history.facts("pod") if who and fact.get("name") == who.name]
    written = _turns(pods, lambda pod: pod.get("role") == value, _since(attempt))
    if written is None:
        return missing(history, "pod", who)
    lines = [line.span for line in history.lines("operator", LABEL_LINE) if who and who.name in line.text]
    span = narrowed(written.span, [line for line in lines if line[1] > _since(attempt)])
    return seen(span, "pod", f"{written.get('name')}: the master label is {value}")


def pointer(history: History, service: str, who: Node | None, attempt: Attempt | None) -> Milestone:
    """When the Service's EndpointSlice named the successor; not before its label was written.

    Behind a Service of proxies it is they who lead to the successor.
    """
    backend = backend_of(history, service)
    if backend:
        return proxied(history, backend, who, attempt)
    facts = [fact for fact in history.facts("endpoints") if fact.get("service") == service]
    if not facts:
        return Milestone(state=State.UNOBSERVED)
    named = _turns(facts, lambda fact: who is not None and host(who.address) in ready(fact), _since(attempt))
    if named is None:
        return missing(history, "endpoints", who)
    label = labelled(history, who, attempt)
    earliest = max(named.earliest_s, label.earliest_s if label.earliest_s is not None else named.earliest_s)
    span = (min(earliest, named.latest_s), named.latest_s)
    return seen(span, "endpoints", f"EndpointSlice of {service}: {', '.join(ready(named))}")


def proxied(history: History, backend: str, who: Node | None, attempt: Attempt | None) -> Milestone:
    """When the last proxy called the successor's server up, as each was asked 20 times a second."""
    found = []
    for name in sorted({str(fact.get("proxy")) for fact in history.facts("proxy.servers")}):
        facts = [fact for fact in history.facts("proxy.servers") if fact.get("proxy") == name]
        turned = _turns(facts, lambda fact: who is not None and bool(_up(fact, backend, who)), _since(attempt))
        evidence = f"{name}: {_up(turned, backend, who)} is up" if turned and who else ""
        found.append(seen(turned.span, "proxy", evidence) if turned else missing(history, "proxy", who))
    return _all(found, history, "proxy")


def ready(endpoints: Fact) -> list[str]:
    """The addresses that a Service sends to."""
    return [endpoint["ip"] for endpoint in endpoints.get("endpoints") if endpoint.get("ready")]


def seen(span: Span, source: str, evidence: str) -> Milestone:
    return Milestone(state=State.SEEN, earliest_s=span[0], latest_s=span[1], source=source, evidence=evidence)


def missing(history: History, source: str, known: object = True) -> Milestone:
    """It did not come while it was watched for; or nobody watched. `known` falsy: not even what to watch for."""
    if not history.facts(_WATCHED[source]) or blind(history, source):
        return Milestone(state=State.UNOBSERVED)
    return Milestone(state=State.NOT_YET, limit_s=history.end_s, source=source if known else "")


def blind(history: History, source: str) -> bool:
    """Whether a source was silent when the trial ended: a gap is told when it is over, or when nothing more comes."""
    gaps = [gap for gap in history.facts("gap") if source in str(gap.get("source"))]
    return any(gap.latest_s >= history.end_s - ENDING_S for gap in gaps)


def deaf(history: History, sentinel: str, since_s: float) -> bool:
    """Whether nobody listened to that Sentinel for a while after `since_s`: what it said then is not known."""
    source = f"sentinel.event/{sentinel}"
    return any(gap.get("source") == source and gap.latest_s > since_s for gap in history.facts("gap"))


def narrowed(span: Span, others: list[Span]) -> Span:
    """`span` with the last of the others within it as its earliest edge."""
    within = [other for other in others if span[0] < other[1] <= span[1] + _LATE_LOG_S]
    return (min(within[-1][0], span[1]), span[1]) if within else span


def _switched(history: History, name: str, said: Said | None, attempt: Attempt | None) -> Milestone:
    """By its own word; where nobody listened to it, by the address that it then told."""
    if said or attempt is None or not deaf(history, name, attempt.started.span[0]):
        return _said(history, said)
    told = _named(history, name, attempt)
    return told if told.state is State.SEEN else Milestone(state=State.UNOBSERVED)


def named(history: History, attempt: Attempt | None) -> Milestone:
    """When the last Sentinel named the successor, as each was asked 20 times a second."""
    if attempt is None:
        return missing(history, "sentinel", known=None)
    names = sorted({str(fact.get("sentinel")) for fact in history.facts("sentinel.address")})
    return _all((_named(history, name, attempt) for name in names), history, "sentinel")


def _named(history: History, name: str, attempt: Attempt) -> Milestone:
    told = [fact for fact in history.facts("sentinel.address") if fact.get("sentinel") == name]
    new = _turns(told, lambda fact: fact.get("address") == attempt.successor, _since(attempt))
    if new is None:
        return missing(history, "sentinel")
    return seen(new.span, "address", f"{name}: GET-MASTER-ADDR-BY-NAME says {attempt.successor}")


def _detected(history: History, attempt: Attempt | None, said: Said | None) -> Milestone:
    return NOT_APPLICABLE if attempt and attempt.requested else _said(history, said)


def _said(history: History, said: Said | None) -> Milestone:
    if said:
        return seen(said.span, said.source, said.evidence)
    return missing(history, "sentinel")


def _all(each: Iterable[Milestone], history: History, source: str) -> Milestone:
    """When the last of several came; what is missing of one is missing of all."""
    found = list(each)
    if not found:
        return missing(history, source, known=None)
    absent = [milestone for milestone in found if milestone.state is not State.SEEN]
    return absent[0] if absent else max(found, key=lambda milestone: milestone.latest_s or 0.0)


def _others(history: History, replicas: dict[str, Milestone]) -> list[Milestone]:
    """Those of the replicas that were not hit: what a fault's target does when it is back is its own affair."""
    targets = {fact.get("target")["name"] for fact in history.facts("fault.requested") if fact.get("target")}
    return [milestone for name, milestone in replicas.items() if name not in targets]


def _follows(history: History, name: str, who: Node, attempt: Attempt | None) -> Milestone:
    roles = [fact for fact in history.facts("role") if fact.get("member") == name]

    def follows(role: Fact) -> bool:
        return is_at(who, role.get("master")) and role.get("link") == "up" and not role.get("syncing")

    turned = _turns(roles, follows, _since(attempt))
    return (
        seen(turned.span, "role", f"{name}: replica of {turned.get('master')}") if turned else missing(history, "role")
    )


def _turned(history: History, attempt: Attempt | None, who: Node | None = None) -> Fact | None:
    """The first role that turned to master, of `who` or of anybody who was a replica before."""
    before = {
        fact.get("member"): fact.get("role") for fact in history.facts("role") if fact.latest_s <= _since(attempt)
    }
    names = [who.name] if who else [name for name, role in before.items() if role == "slave"]
    turned = [
        _turns([fact for fact in history.facts("role") if fact.get("member") == name], _is_master, _since(attempt))
        for name in names
    ]
    return min((fact for fact in turned if fact), key=lambda fact: fact.latest_s, default=None)


def _first_answer(history: History, who: Node | None) -> float:
    """When the successor first acknowledged a write; infinite where it never did."""
    ops = history.ops
    mine = np.isin(ops.node, answering(history, who)) & ops.good & (ops.done_s > 0)
    return float(ops.done_s[mine].min()) if mine.any() else float("inf")


def answering(history: History, who: Node | None) -> list[int]:
    """The indices that a node's answers carry: by run id, which tells a process from its successors."""
    return [fact.get("index") for fact in history.facts("node") if who and fact.get("run_id") == who.run_id]


def _up(fact: Fact, backend: str, who: Node) -> str:
    """The server of that backend that leads to `who`, by name and address; empty where none is up."""
    servers = [one for one in fact.get("servers") if one["backend"] == backend and one["up"]]
    return next((f"{one['server']} ({one['address']})" for one in servers if is_at(who, one["address"])), "")


def _is_master(role: Fact) -> bool:
    return bool(role.get("role") == "master")


def _turns(facts: list[Fact], holds: Callable[[Fact], bool], since_s: float) -> Fact | None:
    """The first fact from `since_s` on that holds; its earliest edge is not before the last one that did not."""
    earlier = since_s
    for fact in facts:
        if fact.latest_s < since_s:
            continue
        if holds(fact):
            earliest = max(earlier, fact.earliest_s) if fact.earliest_s < fact.latest_s else fact.earliest_s
            return replace(fact, earliest_s=min(earliest, fact.latest_s))
        earlier = fact.latest_s
    return None


def _since(attempt: Attempt | None) -> float:
    """Nothing of a failover holds before it was tried, or before the effect."""
    return max(0.0, attempt.started.span[0]) if attempt else 0.0


def _until(attempt: Attempt | None) -> float:
    return attempt.ends_s if attempt else float("inf")


_WATCHED = {
    "sentinel": "sentinel.address",
    "role": "role",
    "pod": "pod",
    "endpoints": "endpoints",
    "proxy": "proxy.servers",
}
"""The events that show that a source was there at all."""
