"""Each sentence of the gate is said by a system that differs from a healthy one in that point alone."""

from typing import Any

import pytest

from chaos.clock import node_domain
from chaos.cluster.health import Facts, follows_label, master, replicas, settings, summary, to_audit, unhealthy
from chaos.model import Member, MemberKind
from chaos.scenario.places import ProxyPods
from chaos.scenario.scenario import System
from tests.saying import event

SYSTEM = System.model_validate(
    {
        "kube": {
            "manifests": ["redis/"],
            "namespace": "saasodoo",
            "images": [],
            "redis": {"selector": "component=redis"},
            "sentinel": {"selector": "component=sentinel", "service": "rfs"},
            "operator": {"namespace": "operator", "selector": "component=operator"},
            "master_label": "role=master",
        },
        "period": "30s",
        "settings": {"sentinel": {"down-after-milliseconds": 5000}, "redis": {"maxmemory": 536870912}},
    }
)
SERVICES = ("rfrm", "rfr")
REDIS = ["rfr-0", "rfr-1", "rfr-2"]
SENTINELS = ["rfs-a", "rfs-b", "rfs-c"]
MASTER = "10.0.0.0:6379"


def member(name: str, number: int) -> Member:
    kind, port = (MemberKind.REDIS, 6379) if name in REDIS else (MemberKind.SENTINEL, 26379)
    place = {"address": f"10.0.0.{number}", "port": port, "node": "worker", "domain": node_domain("worker")}
    return Member(name=name, kind=kind, uid=f"uid-{name}", container=f"c-{name}", **place)  # type: ignore[arg-type]


def healthy() -> Facts:
    """One master, two replicas in sync, three Sentinels that agree; Service rfrm follows the label, rfr is missing."""
    facts = Facts()
    members = [member(name, number) for number, name in enumerate(REDIS + SENTINELS)]
    tell(facts, "members", members=[one.as_json() for one in members])
    for one in members:
        said = "master" if one.name == "rfr-0" else "slave" if one.name in REDIS else None
        tell(
            facts, "pod", name=one.name, uid=one.uid, phase="Running", ready=True, role=said, deleting=False, gone=False
        )
    for one in members[:3]:
        role(facts, one.name)
        tell(facts, "settings", member=one.name, component="redis", settings={"maxmemory": "536870912"})
    for one in members[3:]:
        tell(facts, "sentinel.address", sentinel=one.name, address=MASTER)
        state(facts, one.name)
        known = {"down-after-milliseconds": "5000"}
        tell(facts, "settings", member=one.name, component="sentinel", settings=known)
    tell(facts, "service", service="rfrm", cluster_ip="10.96.0.1", selector={"role": "master", "name": "redis"})
    tell(facts, "endpoints", service="rfrm", endpoints=[{"pod": "rfr-0", "ready": True}])
    return facts


def tell(facts: Facts, kind: str, **fields: Any) -> None:
    facts.apply(event(kind, **fields))


def role(facts: Facts, name: str, **other: Any) -> None:
    number = REDIS.index(name)
    said = {"role": "master", "master": None, "link": None} if number == 0 else {"role": "slave", "master": MASTER}
    fields = {"member": name, "address": f"10.0.0.{number}:6379", "link": "up", "syncing": False, "offset": 7, **said}
    tell(facts, "role", **{**fields, **other})


def state(facts: Facts, name: str, **other: Any) -> None:
    seen = [{"address": f"10.0.0.{number}:6379", "flags": "slave", "master": MASTER} for number in (1, 2)]
    fields = {"flags": "master", "num_slaves": 2, "num_other_sentinels": 2, "quorum": 2, "replicas": seen}
    tell(facts, "sentinel.state", sentinel=name, **{**fields, **other})


def wrong(facts: Facts) -> list[str]:
    return unhealthy(facts, SYSTEM, SERVICES)


def test_a_healthy_system_has_nothing_wrong():
    facts = healthy()

    assert wrong(facts) == []
    assert summary(facts) == "master rfr-0 · 2 replicas in sync · 3 sentinels agree · endpoint right"


def test_before_any_event_nothing_is_healthy():
    assert wrong(Facts())[:2] == ["0 of 3 redis pods are there", "0 of 3 sentinel pods are there"]


def test_master_and_replicas_are_those_who_say_so():
    facts = healthy()
    chosen = master(facts)

    assert chosen is not None
    assert chosen.name == "rfr-0"
    assert [one.name for one in replicas(facts)] == ["rfr-1", "rfr-2"]


def test_settings_have_the_shape_of_their_file():
    shape = settings(healthy())

    assert shape["sentinel"]["rfs-a"] == {"down-after-milliseconds": "5000"}
    assert shape["redis"]["rfr-2"] == {"maxmemory": "536870912"}


def test_a_pod_that_is_missing():
    facts = healthy()
    left = [one.as_json() for one in facts.members.values() if one.name != "rfs-c"]
    tell(facts, "members", members=left)

    assert wrong(facts) == ["2 of 3 sentinel pods are there"]


@pytest.mark.parametrize(
    ("pod", "sentence"),
    [
        ({"ready": False}, "pod rfr-1 is not Ready (phase Running)"),
        ({"ready": True, "deleting": True}, "pod rfr-1 is being deleted"),
    ],
)
def test_a_pod_that_does_not_serve(pod, sentence):
    facts = healthy()
    tell(facts, "pod", name="rfr-1", uid="uid-rfr-1", phase="Running", role="slave", **pod)

    assert wrong(facts) == [sentence]


def test_the_end_of_an_old_pod_does_not_take_its_successor_away():
    facts = healthy()
    tell(facts, "pod", name="rfr-1", uid="old", gone=True)
    assert "rfr-1" in facts.pods

    tell(facts, "pod", name="rfr-1", uid="uid-rfr-1", gone=True)
    assert "rfr-1" not in facts.pods


def test_a_redis_that_does_not_answer():
    facts = healthy()
    tell(facts, "role.lost", member="rfr-2", error="refused")

    assert wrong(facts) == ["rfr-2 does not answer ROLE"]


def test_a_role_said_at_an_old_address_is_no_role():
    facts = healthy()
    role(facts, "rfr-2", address="10.9.9.9:6379")

    assert wrong(facts) == ["rfr-2 does not answer ROLE"]


def test_two_masters():
    facts = healthy()
    role(facts, "rfr-1", role="master", master=None)

    assert wrong(facts) == ["2 Redis say they are master (rfr-0, rfr-1)"]
    assert master(facts) is None
    assert summary(facts) == "2 masters"


def audited(facts: Facts) -> list[str]:
    return [one.name for one in to_audit(facts)]


def test_of_two_masters_the_one_is_audited_that_a_majority_of_sentinels_names():
    facts = healthy()
    role(facts, "rfr-1", role="master", master=None)
    assert audited(facts) == ["rfr-0"]

    for name in SENTINELS[:2]:
        tell(facts, "sentinel.address", sentinel=name, address="10.0.0.1:6379")
    assert audited(facts) == ["rfr-1"]


def test_both_masters_are_audited_where_no_majority_names_one():
    facts = healthy()
    role(facts, "rfr-1", role="master", master=None)
    tell(facts, "sentinel.address", sentinel="rfs-a", address="10.0.0.1:6379")
    tell(facts, "sentinel.lost", sentinel="rfs-b", error="timeout")

    assert audited(facts) == ["rfr-0", "rfr-1"], "what a silent Sentinel said last does not count"


def test_the_only_master_is_audited_whatever_sentinels_say():
    facts = healthy()
    for name in SENTINELS:
        tell(facts, "sentinel.address", sentinel=name, address="10.0.0.9:6379")
    assert audited(facts) == ["rfr-0"]

    role(facts, "rfr-0", role="slave", master="127.0.0.1:6379")
    assert audited(facts) == []


def test_no_master():
    facts = healthy()
    role(facts, "rfr-0", role="slave", master="127.0.0.1:6379")

    assert wrong(facts) == ["0 Redis say they are master (none)"]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"master": "127.0.0.1:6379"}, "rfr-1 follows 127.0.0.1:6379, not the master 10.0.0.0:6379"),
        ({"link": "connecting"}, "rfr-1 is not in sync (link connecting)"),
        ({"syncing": True}, "rfr-1 is not in sync (link up)"),
    ],
)
def test_a_replica_that_does_not_follow(said, sentence):
    facts = healthy()
    role(facts, "rfr-1", **said)

    assert wrong(facts) == [sentence]


def test_a_sentinel_that_does_not_answer_until_it_is_back():
    facts = healthy()
    tell(facts, "sentinel.lost", sentinel="rfs-b", error="timeout")
    assert wrong(facts) == ["sentinel rfs-b does not answer"]

    tell(facts, "sentinel.back", sentinel="rfs-b")
    assert wrong(facts) == []


def test_a_sentinel_that_names_another_master():
    facts = healthy()
    tell(facts, "sentinel.address", sentinel="rfs-a", address="10.0.0.2:6379")

    assert wrong(facts) == ["sentinel rfs-a says that the master is 10.0.0.2:6379, not 10.0.0.0:6379"]
    assert "2 sentinels agree" in summary(facts)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"num_slaves": 3}, "sentinel rfs-a knows 3 replicas, not 2"),
        ({"num_other_sentinels": 1}, "sentinel rfs-a knows 1 other sentinels, not 2"),
        ({"flags": "master,s_down,o_down"}, "sentinel rfs-a holds the master for o_down,s_down"),
        (
            {"replicas": [{"address": "10.0.0.1:6379", "flags": "s_down,slave", "master": MASTER}]},
            "sentinel rfs-a holds replica 10.0.0.1:6379 for s_down",
        ),
    ],
)
def test_a_sentinel_whose_view_is_incomplete(said, sentence):
    facts = healthy()
    state(facts, "rfs-a", **said)

    assert wrong(facts) == [sentence]


def test_a_master_label_on_another_pod():
    facts = healthy()
    tell(facts, "pod", name="rfr-1", uid="uid-rfr-1", phase="Running", ready=True, role="master")

    assert wrong(facts) == ["the label role=master is on rfr-0, rfr-1, not on rfr-0 alone"]


def test_a_service_that_names_another_pod():
    facts = healthy()
    tell(facts, "endpoints", service="rfrm", endpoints=[{"pod": "rfr-2", "ready": True}])

    assert wrong(facts) == ["Service rfrm names rfr-2, not rfr-0 alone"]
    assert "endpoint right" not in summary(facts)


def test_a_service_whose_only_endpoint_is_not_ready():
    facts = healthy()
    tell(facts, "endpoints", service="rfrm", endpoints=[{"pod": "rfr-0", "ready": False}])

    assert wrong(facts) == ["Service rfrm names no pod, not rfr-0 alone"]


def test_a_service_that_does_not_select_by_the_label_holds_nothing_up():
    """A name that clients were given may select every Redis, or not exist: that is for the trial to find out."""
    facts = healthy()
    tell(facts, "service", service="rfr", cluster_ip="None", selector={"name": "redis"})
    tell(facts, "endpoints", service="rfr", endpoints=[{"pod": name, "ready": True} for name in REDIS])

    assert wrong(facts) == []
    tell(facts, "service", service="rfrs", cluster_ip="10.96.0.2", selector={"role": "slave", "name": "redis"})
    assert not any(follows_label(facts, SYSTEM, name) for name in ("rfr", "rfrs", "never-heard-of"))


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"down-after-milliseconds": "1000"}, "rfs-a: down-after-milliseconds is 1000, not 5000"),
        ({}, "rfs-a has no setting down-after-milliseconds; a server of another version may have it"),
    ],
)
def test_a_setting_that_is_not_yet_as_the_scenario_says(value, sentence):
    facts = healthy()
    tell(facts, "settings", member="rfs-a", component="sentinel", settings=value)

    assert wrong(facts) == [sentence]


def test_a_setting_that_nobody_has_read_yet():
    facts = healthy()
    del facts.settings["rfs-a"]

    assert wrong(facts) == ["rfs-a: down-after-milliseconds is not known yet, not 5000"]


def test_settings_that_a_member_refuses_to_tell():
    facts = healthy()
    tell(facts, "settings", member="rfr-1", component="redis", settings={}, error="NOPERM no permission")

    assert wrong(facts) == ["rfr-1: its settings cannot be read (NOPERM no permission)"]


@pytest.mark.parametrize("name", ["replica-priority", "slave-priority"])
def test_a_setting_is_found_under_whichever_of_its_names_the_server_reports(name):
    declared = SYSTEM.settings.model_copy(update={"redis": {"replica-priority": 7}})
    system = SYSTEM.model_copy(update={"settings": declared})
    facts = healthy()
    for member, priority in zip(REDIS, ("7", "7", "8"), strict=True):
        tell(facts, "settings", member=member, component="redis", settings={name: priority})

    assert unhealthy(facts, system, SERVICES) == ["rfr-2: replica-priority is 8, not 7"]


def test_a_system_without_a_master_label_is_not_asked_for_one():
    kube = SYSTEM.on_kube.model_copy(update={"master_label": None})
    facts = healthy()
    tell(facts, "pod", name="rfr-0", uid="uid-rfr-0", phase="Running", ready=True, role=None)

    assert unhealthy(facts, SYSTEM.model_copy(update={"kube": kube}), SERVICES) == []


def without_operator() -> System:
    kube = SYSTEM.on_kube.model_copy(update={"operator": None, "master_label": None})
    return SYSTEM.model_copy(update={"kube": kube})


def test_without_an_operator_a_replica_that_is_gone_for_good_holds_nothing_up():
    """Nobody makes Sentinel forget it; with an operator it is about to be forgotten, in the middle of a trial."""
    facts = healthy()
    seen = [{"address": f"10.0.0.{number}:6379", "flags": "slave", "master": MASTER} for number in (1, 2)]
    gone = {"address": "10.0.0.77:6379", "flags": "s_down,slave,disconnected", "master": MASTER}
    state(facts, "rfs-a", num_slaves=3, replicas=[*seen, gone])

    assert unhealthy(facts, without_operator(), ()) == []
    assert "sentinel rfs-a knows 3 replicas, not 2" in wrong(facts)


def test_without_an_operator_a_replica_that_a_sentinel_does_not_know_yet_is_waited_for():
    facts = healthy()
    gone = {"address": "10.0.0.77:6379", "flags": "s_down,slave", "master": MASTER}
    known = {"address": "10.0.0.1:6379", "flags": "slave", "master": MASTER}
    state(facts, "rfs-a", replicas=[known, gone])

    assert unhealthy(facts, without_operator(), ()) == ["sentinel rfs-a knows 1 replicas, not 2"]


def proxied() -> tuple[Facts, System]:
    """HAProxy in front: redis-0's server is up in the backend that clients get, another in one for readers."""
    facts = healthy()
    place = {"address": "10.0.0.9", "port": 9999, "node": "worker", "domain": node_domain("worker")}
    proxy = Member(name="haproxy", kind=MemberKind.PROXY, uid="u", container="c", **place)  # type: ignore[arg-type]
    tell(facts, "members", members=[one.as_json() for one in (*facts.members.values(), proxy)])
    kube = SYSTEM.on_kube.model_copy(update={"proxy": ProxyPods(selector="app=haproxy", service="redis")})
    return facts, SYSTEM.model_copy(update={"kube": kube})


def servers(facts: Facts, *up: str) -> None:
    found = [{"backend": "redis", "server": f"redis-{n}", "address": f"10.0.0.{n}:6379", "up": True} for n in up]
    readers = {"backend": "readers", "server": "redis-2", "address": "10.0.0.2:6379", "up": True}
    tell(facts, "proxy.servers", proxy="haproxy", servers=[*found, readers])


@pytest.mark.parametrize(
    ("up", "sentence"),
    [
        (("0",), None),
        ((), "haproxy leads to nobody, not to the master 10.0.0.0:6379 alone"),
        (("1",), "haproxy leads to 10.0.0.1:6379, not to the master 10.0.0.0:6379 alone"),
        (("0", "1"), "haproxy leads to 10.0.0.0:6379, 10.0.0.1:6379, not to the master 10.0.0.0:6379 alone"),
    ],
)
def test_a_proxy_has_to_lead_to_the_master_alone(up, sentence):
    facts, system = proxied()
    servers(facts, *up)

    assert unhealthy(facts, system, SERVICES) == ([sentence] if sentence else [])
    assert ("endpoint right" in summary(facts)) or up == ()


def test_a_proxy_that_does_not_answer_leads_to_nobody_that_we_know_of():
    facts, system = proxied()
    servers(facts, "0")
    tell(facts, "proxy.lost", proxy="haproxy", error="closed by the other side")

    assert unhealthy(facts, system, ()) == ["haproxy leads to nobody, not to the master 10.0.0.0:6379 alone"]
