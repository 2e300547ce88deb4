"""What each source last said of the system, whether it is healthy enough to begin a trial, and what keeps it from that.

All clusters use it, because it reads nothing but events. It is no verdict: after the fault it only serves to choose a
target and to tell which Redis is master.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from chaos.cluster.base import Members
from chaos.model import Member, MemberKind
from chaos.record.events import (
    Endpoints,
    Event,
    LogOpened,
    MembersKnown,
    Pod,
    ProxyLost,
    ProxyServers,
    Role,
    RoleLost,
    SentinelAddress,
    SentinelBack,
    SentinelLost,
    SentinelSaid,
    SentinelState,
    ServerEntry,
    ServiceKnown,
    SettingsRead,
)
from chaos.record.layout import LOGS
from chaos.scenario.scenario import System
from chaos.scenario.settings import names_of

State = dict[str, Any]
DOWN = {"s_down", "o_down", "disconnected"}
IN_SYNC = "up"
"""The `link` of a `role` event of a replica that receives the replication stream."""
DESCRIBED_S = 8.0
"""A member that has not answered for this long is described to the user."""
FINAL = frozenset({"ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError"})
"""Kubernetes's reasons for a waiting container that no waiting resolves: its manifest is wrong."""
TAIL_BYTES, LINES = 1 << 14, 3
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* ")


class Facts:
    """What each source said last. What a source said is dropped once it falls silent."""

    def __init__(self) -> None:
        self.members: Members = {}
        self.pods: dict[str, Pod] = {}
        self.endpoints: dict[str, Endpoints] = {}
        self.services: dict[str, ServiceKnown] = {}
        self.roles: dict[str, Role] = {}
        self.addresses: dict[str, str | None] = {}
        self.proxies: dict[str, list[ServerEntry]] = {}
        self.sentinels: dict[str, SentinelState] = {}
        self.settings: dict[str, SettingsRead] = {}
        self.logs: dict[str, str] = {}
        self.said: Counter[tuple[str, str]] = Counter()
        """How often each Sentinel published each event, by the names of both."""
        self.leader = ""
        """The Sentinel that was elected last. Empty before the first election."""
        self._silent: set[str] = set()

    def apply(self, event: Event) -> None:
        """Update the facts from one event. Events that say nothing of the system's state are ignored."""
        match event:
            case MembersKnown():
                self.members = {one["name"]: Member.from_json(one) for one in event.members}
            case Pod():
                known = self.pods.get(event.name)
                if not event.gone:
                    self.pods[event.name] = event
                elif known and known.uid == event.uid:
                    del self.pods[event.name]
            case Role():
                self.roles[event.member] = event
            case RoleLost():
                self.roles.pop(event.member, None)
            case ProxyServers() | ProxyLost():
                self.proxies[event.proxy] = event.servers if isinstance(event, ProxyServers) else []
            case _:
                self._apply_more(event)

    def _apply_more(self, event: Event) -> None:
        """Update from an event about Services, settings, logs or Sentinels."""
        match event:
            case Endpoints():
                self.endpoints[event.service] = event
            case ServiceKnown():
                self.services[event.service] = event
            case LogOpened():
                self.logs[event.pod] = event.file
            case SettingsRead():
                self.settings[event.member] = event
            case _:
                self._apply_of_sentinel(event)

    def _apply_of_sentinel(self, event: Event) -> None:
        match event:
            case SentinelAddress():
                self.addresses[event.sentinel] = event.address
            case SentinelState():
                self.sentinels[event.sentinel] = event
            case SentinelLost() | SentinelBack():
                change = self._silent.add if isinstance(event, SentinelLost) else self._silent.discard
                change(event.sentinel)
            case SentinelSaid():
                self.said[event.sentinel, event.channel] += 1
                self.leader = event.sentinel if event.channel == "+elected-leader" else self.leader

    def of(self, kind: MemberKind) -> list[Member]:
        return sorted((one for one in self.members.values() if one.kind == kind), key=lambda one: one.name)

    def role(self, member: Member) -> Role | None:
        """Return the member's last answer to ROLE, or None if it has none at its present address."""
        said = self.roles.get(member.name)
        return said if said is not None and said.address == member.ip_port else None

    def sentinel(self, member: Member) -> SentinelState | None:
        """Return a Sentinel's last state, or None while the Sentinel does not answer."""
        return None if member.name in self._silent else self.sentinels.get(member.name)


def master(facts: Facts) -> Member | None:
    """Return the only Redis that says that it is master, or None if none or several say so."""
    found = masters(facts)
    return found[0] if len(found) == 1 else None


def to_audit(facts: Facts) -> list[Member]:
    """Return the master that a majority of all Sentinels names, or every master if there is no such one. A Redis that
    Sentinels name counts only if it says itself that it is master.
    """
    found, sentinels = masters(facts), facts.of(MemberKind.SENTINEL)
    for one in found:
        answer = [sentinel.name for sentinel in sentinels if facts.sentinel(sentinel)]
        named = sum(facts.addresses.get(name) == one.ip_port for name in answer)
        if 2 * named > len(sentinels):
            return [one]
    return found


def masters(facts: Facts) -> list[Member]:
    return _who_say(facts, "master")


def replicas(facts: Facts) -> list[Member]:
    return _who_say(facts, "slave")


def _who_say(facts: Facts, role: str) -> list[Member]:
    said = ((one, facts.role(one)) for one in facts.of(MemberKind.REDIS))
    return [one for one, its in said if its is not None and its.role == role]


def settings(facts: Facts) -> dict[str, dict[str, State]]:
    """Return the settings that are in effect, in the shape of settings.json."""
    shape: dict[str, dict[str, State]] = {"sentinel": {}, "redis": {}}
    for name, said in sorted(facts.settings.items()):
        shape[said.component][name] = dict(said.settings)
    return shape


def summary(facts: Facts) -> str:
    """Return a line for the user that sums up a healthy system."""
    chosen = master(facts)
    if chosen is None:
        return f"{len(masters(facts))} masters"
    agree = sum(facts.addresses.get(one.name) == chosen.ip_port for one in facts.of(MemberKind.SENTINEL))
    synced = sum(facts.roles[one.name].link == IN_SYNC for one in replicas(facts))
    parts = [f"master {chosen.name}", f"{synced} replicas in sync", f"{agree} sentinels agree"]
    right = any(_pods(facts, service) == [chosen.name] for service in facts.endpoints)
    right |= any(chosen.ip_port in [one["address"] for one in each if one["up"]] for each in facts.proxies.values())
    return " · ".join([*parts, "endpoint right"] if right else parts)


def unhealthy(facts: Facts, system: System, services: Collection[str]) -> list[str]:
    """Return a sentence on each thing that is still wrong. The list is empty if the system is healthy.

    `services` are the Services that clients use. One that exists and selects by the master label must lead to the
    master. One that does not exist is a finding of the trial, and the trial does not wait for it.
    """
    return [
        *_pods_wrong(facts, system),
        *_roles_wrong(facts),
        *_sentinels_wrong(facts, system),
        *_label_wrong(facts, system),
        *endpoints_wrong(facts, system, services),
        *_settings_wrong(facts, system),
    ]


def follows_label(facts: Facts, system: System, service: str) -> bool:
    """Return whether a Service of this name exists and selects by the master label."""
    label = (system.master_label or "=").split("=", 1)
    known = facts.services.get(service)
    selector = known.selector if known else {}
    return label[0] in selector and selector[label[0]] == label[1]


def _pods_wrong(facts: Facts, system: System) -> Iterator[str]:
    for kind, wanted in ((MemberKind.REDIS, system.replicas + 1), (MemberKind.SENTINEL, system.sentinels)):
        there = len(facts.of(kind))
        if there != wanted:
            yield f"{there} of {wanted} {kind} pods are there"
    for name, pod in sorted(facts.pods.items()):
        if pod.deleting:
            yield f"pod {name} is being deleted"
        elif not pod.ready:
            yield f"pod {name} is not Ready (phase {pod.phase})"


def _roles_wrong(facts: Facts) -> Iterator[str]:
    for member in facts.of(MemberKind.REDIS):
        if facts.role(member) is None:
            yield f"{member.name} does not answer ROLE"
    yield from masters_wrong(facts)
    chosen = master(facts)
    if chosen is None:
        return
    for member in replicas(facts):
        said = facts.roles[member.name]
        if said.master != chosen.ip_port:
            yield f"{member.name} follows {said.master}, not the master {chosen.ip_port}"
        elif said.syncing or said.link != IN_SYNC:
            yield f"{member.name} is not in sync (link {said.link})"


def masters_wrong(facts: Facts) -> Iterator[str]:
    found = masters(facts)
    if len(found) != 1:
        names = ", ".join(one.name for one in found) or "none"
        yield f"{len(found)} Redis say they are master ({names})"


def _sentinels_wrong(facts: Facts, system: System) -> Iterator[str]:
    chosen = master(facts)
    for member in facts.of(MemberKind.SENTINEL):
        name, state = member.name, facts.sentinel(member)
        if state is None:
            yield f"sentinel {name} does not answer"
            continue
        address = facts.addresses.get(name)
        if chosen is not None and address != chosen.ip_port:
            yield f"sentinel {name} says that the master is {address}, not {chosen.ip_port}"
        yield from _known_wrong(name, state, system, {one.ip_port for one in facts.of(MemberKind.REDIS)})


def _known_wrong(name: str, state: SentinelState, system: System, addresses: set[str]) -> Iterator[str]:
    """Yield a sentence on each thing that a Sentinel has wrong about the system.

    Sentinel never forgets a replica by itself. A pod that comes back at another address leaves its old address behind,
    marked as down, until SENTINEL RESET is sent. In a system where nothing sends it, such an entry is ignored.
    """
    replicas = [one for one in state.replicas if system.forgets_the_gone or one["address"] in addresses]
    known = state.num_slaves if system.forgets_the_gone else len(replicas)
    if known != system.replicas:
        yield f"sentinel {name} knows {known} replicas, not {system.replicas}"
    if state.num_other_sentinels != system.sentinels - 1:
        yield f"sentinel {name} knows {state.num_other_sentinels} other sentinels, not {system.sentinels - 1}"
    if down := _down(state.flags):
        yield f"sentinel {name} holds the master for {down}"
    for replica in replicas:
        if down := _down(replica["flags"]):
            yield f"sentinel {name} holds replica {replica['address']} for {down}"


def _label_wrong(facts: Facts, system: System) -> Iterator[str]:
    label = system.master_label
    if label is None:
        return
    value = label.partition("=")[2]
    labelled = sorted(name for name, pod in facts.pods.items() if pod.role == value)
    chosen = master(facts)
    if chosen is not None and labelled != [chosen.name]:
        yield f"the label {label} is on {', '.join(labelled) or 'no pod'}, not on {chosen.name} alone"


def endpoints_wrong(facts: Facts, system: System, services: Collection[str]) -> Iterator[str]:
    """Yield a sentence on each proxy and each Service with the master label that does not lead to the master alone."""
    chosen = master(facts)
    if chosen is None:
        return
    backend = system.proxy.backend if system.proxy else ""
    for proxy in facts.of(MemberKind.PROXY):
        leads_to = up(facts.proxies.get(proxy.name, []), backend)
        if leads_to != [chosen.ip_port]:
            yield f"{proxy.name} leads to {', '.join(leads_to) or 'nobody'}, not to the master {chosen.ip_port} alone"
    for service in sorted(services):
        if not follows_label(facts, system, service):
            continue
        named = _pods(facts, service)
        if named != [chosen.name]:
            yield f"Service {service} names {', '.join(named) or 'no pod'}, not {chosen.name} alone"


def _settings_wrong(facts: Facts, system: System) -> Iterator[str]:
    wanted = ((MemberKind.SENTINEL, system.settings.sentinel), (MemberKind.REDIS, system.settings.redis))
    for kind, expected in wanted:
        for member in facts.of(kind):
            known = facts.settings.get(member.name)
            if known is not None and known.error:
                yield f"{member.name}: its settings cannot be read ({known.error})"
                continue
            for key, value in expected.items():
                if known is None:
                    yield f"{member.name}: {key} is not known yet, not {value}"
                    continue
                said = next((known.settings[name] for name in names_of(key) if name in known.settings), None)
                if said is None:
                    yield f"{member.name} has no setting {key}; a server of another version may have it"
                elif str(said) != str(value):
                    yield f"{member.name}: {key} is {said}, not {value}"


def up(servers: list[ServerEntry], backend: str) -> list[str]:
    """Return the addresses to which a proxy sends the clients of a backend."""
    return sorted(one["address"] for one in servers if one["up"] and one["backend"] == backend)


def _pods(facts: Facts, service: str) -> list[str]:
    known = facts.endpoints.get(service)
    return sorted(one["pod"] or one["ip"] for one in (known.endpoints if known else []) if one["ready"])


def _down(flags: str) -> str:
    return ",".join(sorted(DOWN & set(flags.split(","))))


# What is said of members that do not answer while the system starts.


def last_words(lines: Iterable[str]) -> str:
    """Return the last lines of a log in one sentence, without time stamps. A line that repeats is given once, with a
    count. For example: `its log ends: "getent: not found" (23 times)`.
    """
    said = [(text, len(list(same))) for text, same in groupby(_STAMP.sub("", line).strip() for line in lines) if text]
    if not said:
        return "its log is empty"
    shown = (f'"{text}"{f" ({times} times)" if times > 1 else ""}' for text, times in said[-LINES:])
    return f"its log ends: {', '.join(shown)}"


def tail(path: Path | None) -> list[str]:
    """Return the last lines of a log file, or none if there is no such file."""
    if path is None or not path.is_file():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return file.read().decode("utf-8", "replace").splitlines()


def state(pod: Pod | None) -> str:
    """Return the state of a member's container in words, from the platform's last event about its pod."""
    if pod is None:
        return "there is no such pod"
    parts = [
        f"its container waits ({pod.waiting})" if pod.waiting else "",
        f"no node takes it ({pod.unschedulable})" if pod.unschedulable else "",
        f"its process runs since {pod.started_at}" if pod.started_at and not pod.waiting else "",
        f"it was started again {pod.restarts} times" if pod.restarts else "",
        f"the container before ended with {pod.ended}" if pod.ended else "",
    ]
    return ", ".join(part for part in parts if part) or f"its phase is {pod.phase}"


def silent(facts: Facts, directory: Path) -> Iterator[str]:
    """Yield a sentence for each member that does not answer, or whose pod is not Ready. `directory` is the trial's."""
    asked = ((one, facts.role(one)) for one in facts.of(MemberKind.REDIS))
    mute = {one.name for one, said in asked if said is None}
    mute |= {one.name for one in facts.of(MemberKind.SENTINEL) if facts.sentinel(one) is None}
    mute |= {name for name, pod in facts.pods.items() if not pod.ready}
    for name in sorted(mute):
        pod, log = facts.pods.get(name), facts.logs.get(name)
        yield f"{name}: {state(pod)}; {last_words(tail(directory / LOGS / log if log else None))}"


def final(facts: Facts, system: System) -> Iterator[str]:
    """Yield what is wrong with the system and will not change by waiting."""
    for name, pod in sorted(facts.pods.items()):
        if pod.waiting in FINAL:
            yield f"{name} cannot start: {state(pod)}"
    for kind, expected in ((MemberKind.SENTINEL, system.settings.sentinel), (MemberKind.REDIS, system.settings.redis)):
        for member in facts.of(kind):
            known = facts.settings.get(member.name)
            if known is None or known.error:
                continue
            for setting in expected:
                if not any(name in known.settings for name in names_of(setting)):
                    yield f"{member.name} has no setting {setting}; a server of another version may have it"
