"""What a fault writes of itself, and what it asks of the cluster."""

from dataclasses import replace
from typing import Any

import pytest

from chaos.clock import HOST
from chaos.cluster.base import Stop
from chaos.errors import FaultError, RecordingError, SetupError
from chaos.fault.aim import joined
from chaos.fault.inject import heal, inject
from chaos.model import MemberKind
from chaos.record.event_files import EventWriter
from chaos.record.events import Stamped
from tests.fault.remembers import EFFECT, ISOLATED, MEMBERS, Remembers, member, scene, written
from tests.saying import event, said


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

    assert written(writer)[-1].event.evidence == "it runs again"
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
