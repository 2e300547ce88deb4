"""What each kind of fault needs, and those that take several steps."""

from dataclasses import replace

import pytest

from chaos.cluster.base import Ability, Stop
from chaos.fault.catalogue import FAULTS
from chaos.fault.inject import inject
from chaos.model import MemberKind
from chaos.record.event_files import EventWriter
from tests.fault.remembers import EFFECT, MEMBERS, Remembers, member, scene, written
from tests.saying import event, said


def test_what_each_fault_needs_of_a_cluster_is_said_before_it_is_tried() -> None:
    assert {name: set(fault.needs) for name, fault in FAULTS.items()} == {
        "crash": {Ability.KILL, Ability.DELETE},
        "keep_down": {Ability.KILL},
        "delete": {Ability.DELETE},
        "rollout": {Ability.DELETE},
        "pause": {Ability.PAUSE},
        "slow": {Ability.TELL, Ability.DEBUG},
        "starve": {Ability.STARVE},
        "partition": {Ability.CUT},
        "link": {Ability.CUT},
        "disk": {Ability.DISK},
        "oom": {Ability.MEMORY},
        "cordon": {Ability.NODE},
        "drain": {Ability.NODE},
        "stop_node": {Ability.ENGINE},
        "stop_kubelet": {Ability.ENGINE},
        "scale_away": {Ability.SCALE},
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
    assert FAULTS["delete"].needed({"hook": "sleep"}) == {Ability.DELETE, Ability.HOOK}
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
    requested = [said(one)["target"]["name"] for one in written(writer) if one.event.kind == "fault.requested"]
    assert requested == ["rfr-2", "rfr-1", "rfr-0"]
    assert sum(one.event.kind == "fault.confirmed" for one in written(writer)) == 3


async def test_a_rollout_whose_pod_does_not_come_back_proves_nothing_and_goes_no_further(writer: EventWriter) -> None:
    cluster = Remembers()
    targets = [MEMBERS[f"rfr-{n}"] for n in range(3)]
    effect = await inject(scene(cluster, writer), "rollout", targets, {"ready_s": 0.1})

    assert cluster.asked == [("rfr-2", Stop.DELETE)]
    assert effect.confirmed_ns is None
    assert "rfr-2 was not replaced by a pod that is Ready" in effect.evidence


async def test_a_rollout_ends_at_a_pod_that_does_not_become_ready_and_that_is_the_systems_failing(
    writer: EventWriter,
) -> None:
    cluster = Remembers()
    field = scene(cluster, writer)

    def back() -> None:
        for name in {name for name, _ in cluster.asked}:
            uid = f"{name}-again"
            field.facts.apply(event("pod", name=name, uid=uid, component="redis", ready=name == "rfr-2"))

    field.look = back
    await inject(field, "rollout", [MEMBERS[f"rfr-{n}"] for n in range(3)], {"ready_s": 0.1})

    assert cluster.asked == [("rfr-2", Stop.DELETE), ("rfr-1", Stop.DELETE)]
    assert [one.event.evidence for one in written(writer) if one.event.kind == "fault.confirmed"] == [
        "rfr-2 came back as another pod and was Ready",
        "rfr-1 came back as another pod and was not Ready within 0.1 s: the rollout ended there",
    ]


async def test_the_effect_of_a_rollout_is_that_on_the_master(writer: EventWriter) -> None:
    cluster = Remembers()
    field = scene(cluster, writer)
    for n, role in enumerate(("master", "slave", "slave")):
        member = MEMBERS[f"rfr-{n}"]
        field.facts.apply(event("role", member=member.name, address=member.ip_port, role=role))

    def back() -> None:
        for name in {name for name, _ in cluster.asked}:
            field.facts.apply(event("pod", name=name, uid=f"{name}-again", component="redis", ready=True))

    field.look = back
    effect = await inject(field, "rollout", [MEMBERS[f"rfr-{n}"] for n in range(3)], {"ready_s": 5})
    assert effect.evidence == "rfr-0 came back as another pod and was Ready"


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
