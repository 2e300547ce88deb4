"""What a fault writes of itself, whom it aims at, and what it asks of the cluster."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos.clock import HOST
from chaos.cluster.base import Ability, Effect, Partition, Stop
from chaos.cluster.health import Facts
from chaos.errors import FaultError, RecordingError, SetupError
from chaos.fault.aim import all_of, select
from chaos.fault.catalogue import FAULTS, Scene, joined
from chaos.fault.inject import heal, inject
from chaos.model import Member, MemberKind
from chaos.record.event_files import EventWriter, read_events
from chaos.record.events import Stamped
from chaos.undo import Undo, UndoJournal
from tests.saying import event, said

ISOLATED: dict[str, Any] = {
    "shape": "isolate",
    "peers": ["redis", "sentinels", "operator"],
    "clients": "both",
    "way": "both",
    "reject": False,
    "longest_s": 120,
}


def member(name: str, kind: MemberKind = MemberKind.REDIS, last: int = 0) -> Member:
    return Member(
        name=name,
        kind=kind,
        address=f"10.0.{5 + list(MemberKind).index(kind)}.{last}",
        port=6379,
        node="n",
        domain="node/n",
        uid=name,
        container=name,
        ordinal=last if kind is MemberKind.REDIS else None,
    )


MEMBERS = {
    one.name: one
    for one in [
        *(member(f"rfr-{n}", last=n) for n in range(3)),
        member("rfs-a", MemberKind.SENTINEL),
        member("operator", MemberKind.OPERATOR),
        member("haproxy", MemberKind.PROXY),
    ]
}
EFFECT = Effect(
    domain="node/n", earliest_ns=10, latest_ns=20, accepted_ns=21, confirmed_ns=30, evidence="process 7 is gone"
)


class Remembers:
    """A cluster that does nothing and remembers what it was asked for."""

    name, kind, can = "remembers", "fake", frozenset(Ability)

    def __init__(self, effect: Effect = EFFECT, error: Exception | None = None) -> None:
        self.effect = effect
        self.error = error
        self.asked: list[Any] = []
        self.api: tuple[str, ...] = ()
        self.kept: list[list[str]] = []

    async def members(self) -> dict[str, Member]:
        return MEMBERS

    async def stop(self, target: Member, how: Stop) -> Effect:
        return self._did(target.name, how)

    async def api_server(self) -> tuple[str, ...]:
        return self.api

    async def probe(self, cut: Partition) -> None:
        """Nothing is asked for."""

    async def cut(self, cut: Partition) -> Effect:
        return self._did(cut)

    async def afflict(self, target: Member, do: str, **how: Any) -> Effect:
        return self._did(target.name, do, how)

    async def tell(self, target: Member, *command: str) -> Effect:
        return self._did(target.name, *command)

    async def heal(self) -> None:
        self._did("heal")

    def undoing(self, fault: str, target: Member | None) -> Undo:
        what = f"{fault} of {target.name if target else 'nobody'}"
        return Undo(what=what, executor="none", where={}, request={}, by_hand=f"mend {target.name if target else ''}")

    async def keep(self, undos: Sequence[Undo]) -> None:
        self.kept.append([undo.what for undo in undos])

    def _did(self, *what: Any) -> Effect:
        self.asked.append(what[0] if len(what) == 1 else what)
        if self.error is not None:
            raise self.error
        return self.effect


def facts(masters: tuple[str, ...] = ("rfr-1",)) -> Facts:
    known = Facts()
    known.apply(event("members", members=[one.as_json() for one in MEMBERS.values()]))
    for name in ("rfr-0", "rfr-1", "rfr-2"):
        role = "master" if name in masters else "slave"
        known.apply(event("role", member=name, address=f"{MEMBERS[name].address}:6379", role=role, run_id=f"id-{name}"))
    return known


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[EventWriter]:
    events = EventWriter(tmp_path / "faults.jsonl", HOST)
    yield events
    events.close()


def scene(cluster: Remembers, writer: EventWriter) -> Scene:
    journal = UndoJournal(writer.path.parent, "trial-000", cluster.keep)
    return Scene(cluster, facts(), writer, journal)  # type: ignore[arg-type]  # the part of a cluster that faults use


def written(writer: EventWriter) -> list[Stamped[Any]]:
    return [one for one in read_events(writer.path) if one.event.kind.startswith("fault.")]


async def test_a_fault_is_requested_accepted_in_effect_and_confirmed_each_on_its_own_clock(writer: EventWriter) -> None:
    await inject(scene(Remembers(), writer), "crash", [MEMBERS["rfr-1"]], {"replace": True})

    requested, accepted, effect, confirmed = written(writer)
    assert said(requested) == {
        "fault": "crash",
        "target": {"name": "rfr-1", "ordinal": 1, "address": "10.0.5.1:6379", "run_id": "id-rfr-1"},
        "arguments": {"replace": True},
        "origin": None,
        "others": [],
    }
    assert (accepted.event.kind, accepted.domain, accepted.at_ns) == ("fault.accepted", HOST, 21)
    assert (effect.event.kind, effect.domain, effect.since_ns, effect.at_ns) == ("fault.effect", "node/n", 10, 20)
    assert (confirmed.event.kind, confirmed.domain, confirmed.at_ns) == ("fault.confirmed", HOST, 30)
    assert confirmed.event.evidence == "process 7 is gone"


async def test_without_a_proof_it_is_written_as_unproved_and_nothing_is_raised(writer: EventWriter) -> None:
    unproved = replace(EFFECT, confirmed_ns=None, evidence="it was started again")
    await inject(scene(Remembers(unproved), writer), "delete", [MEMBERS["rfr-1"]], {})

    assert [one.event.kind for one in written(writer)][-1] == "fault.unproved"
    assert written(writer)[-1].event.evidence == "it was started again"


async def test_an_error_of_ours_is_raised_and_the_fault_counts_as_unproved(writer: EventWriter) -> None:
    broken = scene(Remembers(error=SetupError("the helper is gone")), writer)
    with pytest.raises(SetupError):
        await inject(broken, "delete", [MEMBERS["rfr-1"]], {})

    assert [one.event.kind for one in written(writer)] == ["fault.requested", "fault.unproved"]


@pytest.mark.parametrize(
    ("name", "arguments", "asked"),
    [
        ("crash", {"replace": True}, ("rfr-1", Stop.CRASH)),
        ("crash", {"replace": False}, ("rfr-1", Stop.KILL)),
        ("delete", {}, ("rfr-1", Stop.DELETE)),
        ("pause", {}, ("rfr-1", Stop.PAUSE)),
    ],
)
async def test_each_fault_asks_for_what_it_is(
    writer: EventWriter, name: str, arguments: dict[str, Any], asked: tuple[str, Stop]
) -> None:
    cluster = Remembers()
    await inject(scene(cluster, writer), name, [MEMBERS["rfr-1"]], arguments)

    assert cluster.asked == [asked]


async def test_a_slow_redis_is_asked_to_sleep_for_so_long(writer: EventWriter) -> None:
    cluster = Remembers()
    await inject(scene(cluster, writer), "slow", [MEMBERS["rfr-1"]], {"seconds": 5.0})

    assert cluster.asked == [("rfr-1", "sleep", {"seconds": 5.0})]


async def test_a_partition_cuts_off_from_every_redis_sentinel_and_the_operator_but_itself(writer: EventWriter) -> None:
    cluster = Remembers()
    await inject(scene(cluster, writer), "partition", [MEMBERS["rfr-1"]], ISOLATED)

    [cut] = cluster.asked
    assert cut.member == MEMBERS["rfr-1"]
    assert set(cut.peers) == {MEMBERS[name].address for name in ("rfr-0", "rfr-2", "rfs-a", "operator")}
    assert {one.name for one in cut.probes} == {"rfr-0", "rfr-2", "rfs-a"}
    assert cut.longest_s == 120


@pytest.mark.parametrize(
    ("how", "cuts"),
    [
        ({"way": "in"}, {"rfr-1": ("in", "operator rfr-0 rfr-2 rfs-a rfs-b rfs-c")}),
        ({"peers": ["sentinels"], "way": "out"}, {"rfr-1": ("out", "rfs-a rfs-b rfs-c")}),
        ({"peers": ["rfr-0"], "clients": "with-peers"}, {"rfr-1": ("both", "clients haproxy rfr-0")}),
        (
            {"peers": ["rfr-0"], "clients": "with-target", "way": "in"},
            {"rfr-1": ("in", "rfr-0"), "rfr-0": ("out", "clients haproxy")},
        ),
        (
            {"shape": "halves"},
            {
                "rfr-1": ("both", "operator rfr-0 rfr-2 rfs-b rfs-c"),
                "rfs-a": ("both", "operator rfr-0 rfr-2 rfs-b rfs-c"),
            },
        ),
        (
            {"shape": "bridge"},
            {"rfr-1": ("both", "operator rfr-0 rfr-2 rfs-b"), "rfs-a": ("both", "operator rfr-0 rfr-2 rfs-b")},
        ),
    ],
)
async def test_a_partition_has_two_sides_and_each_way_and_the_clients_where_they_are_put(
    writer: EventWriter, how: dict[str, Any], cuts: dict[str, tuple[str, str]]
) -> None:
    cluster = Remembers()
    field = scene(cluster, writer)
    field.clients = "10.0.9.9"
    known = {**MEMBERS, **{f"rfs-{n}": member(f"rfs-{n}", MemberKind.SENTINEL, last=ord(n)) for n in "bc"}}
    field.facts.apply(event("members", members=[one.as_json() for one in known.values()]))
    names = {"10.0.9.9": "clients", **{one.address: one.name for one in known.values()}}
    await inject(field, "partition", [MEMBERS["rfr-1"]], ISOLATED | how)

    made = {one.member.name: (one.way, " ".join(sorted(names[peer] for peer in one.peers))) for one in cluster.asked}
    assert made == cuts


async def test_an_operator_is_cut_off_from_the_api_server_by_its_addresses_or_its_pipes(writer: EventWriter) -> None:
    cluster = Remembers()
    how = ISOLATED | {"peers": ["api-server"]}
    await inject(scene(cluster, writer), "partition", [MEMBERS["operator"]], how)
    cluster.api = ("10.96.0.1", "172.18.0.2")
    await inject(scene(cluster, writer), "partition", [MEMBERS["operator"]], how)

    pipes, cut = cluster.asked
    assert pipes == ("operator", "cut_api", {"longest_s": 120})
    assert (cut.member.name, cut.peers, cut.probes) == ("operator", cluster.api, ())


async def test_where_there_is_no_operator_nobody_is_cut_off_from_one(writer: EventWriter) -> None:
    cluster = Remembers()
    field = scene(cluster, writer)
    known = [one for one in MEMBERS.values() if one.kind is not MemberKind.OPERATOR]
    field.facts.apply(event("members", members=[one.as_json() for one in known]))
    await inject(field, "partition", [MEMBERS["rfr-1"]], ISOLATED)

    [cut] = cluster.asked
    assert set(cut.peers) == {MEMBERS[name].address for name in ("rfr-0", "rfr-2", "rfs-a")}


async def test_several_are_hit_at_once_and_proved_only_if_all_are(writer: EventWriter) -> None:
    cluster = Remembers()
    await inject(scene(cluster, writer), "crash", [MEMBERS["rfr-1"], MEMBERS["rfs-a"]], {"replace": False})

    assert cluster.asked == [("rfr-1", Stop.KILL), ("rfs-a", Stop.KILL)]
    assert [one["name"] for one in written(writer)[0].event.others] == ["rfs-a"]
    unproved = replace(EFFECT, earliest_ns=5, latest_ns=40, confirmed_ns=None, evidence="it runs on")
    one = joined(scene(cluster, writer), [EFFECT, unproved])
    assert (one.earliest_ns, one.latest_ns, one.confirmed_ns, one.evidence) == (5, 40, None, "it runs on")


def test_stamps_of_two_clocks_are_joined_on_the_hosts(writer: EventWriter) -> None:
    field = scene(Remembers(), writer)
    field.at_host = lambda domain, at_ns: at_ns + (100 if domain == "node/m" else 0)
    one = joined(field, [EFFECT, replace(EFFECT, domain="node/m")])

    assert (one.domain, one.earliest_ns, one.latest_ns) == (HOST, 10, 120)


async def test_what_a_sentinel_is_told_is_proved_by_what_it_publishes(writer: EventWriter) -> None:
    cluster = Remembers(replace(EFFECT, confirmed_ns=None, evidence="OK"))
    field = scene(cluster, writer)

    def publish() -> None:
        if cluster.asked:
            field.facts.apply(event("sentinel.event", sentinel="rfs-a", channel="+try-failover", payload=""))

    field.look = publish
    effect = await inject(field, "handover", [MEMBERS["rfs-a"]], {"master": "mine", "coordinated": False})

    assert cluster.asked == [("rfs-a", "SENTINEL", "FAILOVER", "mine")]
    assert effect.confirmed_ns is not None
    assert effect.evidence == "rfs-a answered OK to SENTINEL FAILOVER mine and published +try-failover"


async def test_a_heal_is_an_event_only_where_something_was_held_and_asks_the_cluster_always(
    writer: EventWriter,
) -> None:
    cluster = Remembers()
    field = scene(cluster, writer)
    await heal(field)
    await inject(field, "partition", [MEMBERS["rfr-1"]], ISOLATED)
    await heal(field)
    await heal(field)

    heals = [one.event.kind for one in written(writer) if "heal" in one.event.kind]
    assert heals == ["fault.heal_requested", "fault.heal_confirmed"]
    assert cluster.asked.count("heal") == 3


async def test_a_heal_that_failed_leaves_the_fault_held(writer: EventWriter) -> None:
    cluster = Remembers()
    field = scene(cluster, writer)
    await inject(field, "partition", [MEMBERS["rfr-1"]], ISOLATED)
    cluster.error = FaultError("no answer")
    with pytest.raises(FaultError):
        await heal(field)

    assert field.held == ["partition"]
    assert "fault.heal_confirmed" not in [one.event.kind for one in written(writer)]


async def test_a_heal_that_cannot_be_recorded_is_done_all_the_same(writer: EventWriter) -> None:
    def full(_: Stamped[Any]) -> None:
        raise RecordingError("no space left")

    cluster = Remembers()
    field = scene(cluster, writer)
    await inject(field, "partition", [MEMBERS["rfr-1"]], ISOLATED)
    writer.subscribe(full)
    with pytest.raises(RecordingError):
        await heal(field)

    assert cluster.asked[-1] == "heal"
    assert field.held == []


async def test_nothing_is_done_at_an_instant_and_to_nobody(writer: EventWriter) -> None:
    cluster = Remembers()
    effect = await inject(scene(cluster, writer), "nothing", [], {})

    assert effect.earliest_ns == effect.latest_ns == effect.confirmed_ns
    assert cluster.asked == []
    assert written(writer)[0].event.target is None


def test_targets_are_decided_from_what_is_known_now() -> None:
    known = facts()

    assert select("master", known).name == "rfr-1"
    assert select("replica", known).name == "rfr-0"
    assert select("rfs-a", known).name == "rfs-a"
    assert select("Primary", known).name == "rfr-1"
    assert select("slave", known).name == "rfr-0"
    assert select("operator", known).name == "operator"


def test_words_for_several_mean_each_member_once() -> None:
    known = facts()
    for name in ("rfr-0", "rfr-2"):
        said_of_it = {"address": MEMBERS[name].ip_port, "role": "slave", "run_id": name, "link": "up", "offset": 7}
        known.apply(event("role", member=name, **said_of_it))

    assert [one.name for one in all_of(["redis", "master"], known)] == ["rfr-0", "rfr-1", "rfr-2"]
    assert [one.name for one in all_of(["other-replicas"], known)] == ["rfr-2"]
    assert {one.name for one in all_of(["node-of:primary"], known)} == set(MEMBERS)
    with pytest.raises(FaultError, match="there are no two-sentinels"):
        all_of(["two-sentinels"], Facts())


@pytest.mark.parametrize(
    ("of_0", "of_2", "best"),
    [
        ({"offset": 7}, {"offset": 8}, "rfr-2"),
        ({"offset": 7, "run_id": "a"}, {"offset": 7, "run_id": "b"}, "rfr-0"),
        ({"offset": 7, "run_id": "b"}, {"offset": 7, "run_id": "a"}, "rfr-2"),
        ({"offset": 7}, {"offset": 8, "link": "connecting"}, "rfr-0"),
        ({"offset": 7, "priority": "10"}, {"offset": 8}, "rfr-0"),
        ({"offset": 7}, {"offset": 8, "priority": "0"}, "rfr-0"),
    ],
)
def test_the_best_replica_is_the_one_that_sentinel_would_promote(
    of_0: dict[str, Any], of_2: dict[str, Any], best: str
) -> None:
    known = facts()
    for name, said_of_it in (("rfr-0", dict(of_0)), ("rfr-2", dict(of_2))):
        read = {"replica-priority": said_of_it.pop("priority", "100")}
        given = {"role": "slave", "run_id": name, "link": "up", **said_of_it}
        known.apply(event("role", member=name, address=MEMBERS[name].ip_port, **given))
        known.apply(event("settings", member=name, component="redis", settings=read))

    assert select("best-replica", known).name == best


def test_a_sentinel_is_aimed_at_where_it_answers_and_the_leader_once_there_was_one() -> None:
    known = facts()
    with pytest.raises(FaultError, match="there is no any-sentinel"):
        select("any-sentinel", known)
    with pytest.raises(FaultError, match="there is no sentinel-leader"):
        select("sentinel-leader", known)
    known.apply(event("sentinel.state", sentinel="rfs-a"))
    known.apply(event("sentinel.event", sentinel="rfs-a", channel="+elected-leader", payload=""))

    assert select("any-sentinel", known).name == select("sentinel-leader", known).name == "rfs-a"


@pytest.mark.parametrize(("which", "masters"), [("master", ()), ("master", ("rfr-0", "rfr-1")), ("nobody", ("rfr-0",))])
def test_without_a_target_there_is_no_fault(which: str, masters: tuple[str, ...]) -> None:
    with pytest.raises(FaultError, match=f"there is no {which} to aim at; here are haproxy, operator"):
        select(which, facts(masters))


def test_what_each_fault_needs_of_a_cluster_is_said_before_it_is_tried() -> None:
    assert {name: set(fault.needs) for name, fault in FAULTS.items()} == {
        "crash": {Ability.KILL, Ability.DELETE},
        "keep_down": {Ability.KILL},
        "delete": {Ability.DELETE},
        "rollout": {Ability.DELETE},
        "pause": {Ability.PAUSE},
        "slow": {Ability.TELL},
        "starve": {Ability.STARVE},
        "partition": {Ability.CUT},
        "link": {Ability.CUT},
        "disk": {Ability.DISK},
        "oom": {Ability.MEMORY},
        "setting": {Ability.TELL},
        "simulate": {Ability.TELL},
        "reset": {Ability.TELL},
        "handover": {Ability.TELL},
        "failover": {Ability.TELL},
        "nothing": set(),
    }


def test_an_argument_may_need_more_of_a_cluster() -> None:
    assert FAULTS["link"].needed({"lossy_percent": 30}) == {Ability.CUT}
    assert FAULTS["link"].needed({"delay_ms": 300, "kbit": 0}) == {Ability.CUT, Ability.DELAY}
    assert FAULTS["handover"].needed({"coordinated": True}) == {Ability.TELL, Ability.COORDINATED}


def test_every_fault_says_what_proves_it() -> None:
    assert [name for name, fault in FAULTS.items() if not fault.proof] == []


async def test_a_rollout_deletes_the_next_once_the_one_before_is_back(writer: EventWriter) -> None:
    cluster = Remembers()
    field = scene(cluster, writer)

    def back() -> None:
        asked = {name for name, _ in cluster.asked}
        for name in asked:
            field.facts.apply(event("pod", name=name, uid=f"{name}-again", component="redis", ready=True))

    field.look = back
    effect = await inject(field, "rollout", [MEMBERS[f"rfr-{n}"] for n in range(3)], {"ready_s": 5})

    assert cluster.asked == [(f"rfr-{n}", Stop.DELETE) for n in (2, 1, 0)]
    assert effect.confirmed_ns is not None


async def test_a_rollout_whose_pod_does_not_come_back_proves_nothing_and_goes_no_further(writer: EventWriter) -> None:
    cluster = Remembers()
    targets = [MEMBERS[f"rfr-{n}"] for n in range(3)]
    effect = await inject(scene(cluster, writer), "rollout", targets, {"ready_s": 0.1})

    assert cluster.asked == [("rfr-2", Stop.DELETE)]
    assert effect.confirmed_ns is None
    assert "rfr-2 was not replaced by a pod that is Ready" in effect.evidence


@pytest.mark.parametrize("follows", [True, False])
async def test_a_master_that_is_told_to_fail_over_has_to_become_a_replica(
    writer: EventWriter, monkeypatch: pytest.MonkeyPatch, follows: bool
) -> None:
    cluster = Remembers(replace(EFFECT, confirmed_ns=None, evidence="OK"))
    field = scene(cluster, writer)
    monkeypatch.setattr("chaos.fault.catalogue.PUBLISHED_S", 0.1)

    def role() -> None:
        if cluster.asked and follows:
            said_of_it = {"address": MEMBERS["rfr-1"].ip_port, "role": "slave", "run_id": "id-rfr-1"}
            field.facts.apply(event("role", member="rfr-1", **said_of_it))

    field.look = role
    how = {"to": "rfr-0", "pause_ms": 50, "timeout_ms": 100}
    effect = await inject(field, "failover", [MEMBERS["rfr-1"]], how)

    assert cluster.asked == [
        ("rfr-1", "CLIENT", "PAUSE", "50", "WRITE"),
        ("rfr-1", "FAILOVER", "TO", "10.0.5.0", "6379", "TIMEOUT", "100"),
    ]
    assert (effect.confirmed_ns is not None) is follows


@pytest.mark.parametrize("ends", [True, False])
async def test_a_sentinel_that_is_told_to_end_has_to_end(
    writer: EventWriter, monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    """The others are told to forget it."""
    cluster = Remembers()
    field = scene(cluster, writer)
    monkeypatch.setattr("chaos.fault.catalogue.SIMULATED_S", 0.2)

    def pods() -> None:
        if cluster.asked and ends:
            field.facts.apply(event("pod", name="rfs-a", uid="rfs-a", component="sentinel", container="another"))

    field.look = pods
    targets = [MEMBERS["rfs-a"], member("rfs-b", MemberKind.SENTINEL, last=1)]
    effect = await inject(field, "simulate", targets, {"failure": "crash-after-election"})

    forgets = [name for name, *words in cluster.asked if words == ["SENTINEL", "SIMULATE-FAILURE", "help"]]
    assert forgets == (["rfs-b"] if ends else ["rfs-a", "rfs-b"])
    assert (effect.confirmed_ns is not None) is ends
