"""The agent's pod: on no node of a fault where that can be had, bounded, and without a password in any file."""

import json

from chaos.agent.orders import AgentSpec
from chaos.client.spec import Load
from chaos.cluster.kube.agent import agent_configuration, agent_pod, free_node, placed
from chaos.model import MemberKind
from chaos.scenario.places import KubeSystem

KUBE = KubeSystem.model_validate(
    {
        "manifests": [],
        "namespace": "saasodoo",
        "images": [],
        "redis": {"selector": "component=redis"},
        "sentinel": {"selector": "component=sentinel", "service": "rfs"},
        "password": {"secret": "redis-auth", "key": "password"},
    }
)
LOAD = Load(deadline_s=0.1, keys="failover:c:0:", ttl_s=60, database=0, master="mymaster")
RATE_HZ, TRACKED_S = 2 * 4 * 50, 120
"""Connections a second through the operator scenario's Service; how long the kernel tracks one without an answer."""
SPEC = AgentSpec(clients=(), load=LOAD, members=(), names=("rfrm",), limit_s=600.4)


def node(name: str, *labels: str):
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": f"host-{name}", **dict.fromkeys(labels, "")}}
    }


def test_the_password_is_a_reference_and_nothing_else():
    manifests = [agent_configuration("a", SPEC, "saasodoo"), agent_pod("a", SPEC, KUBE, "image:1")]

    agent, keeper = manifests[1]["spec"]["containers"]
    reference = {"secretKeyRef": {"name": "redis-auth", "key": "password"}}
    assert agent["env"] == [{"name": "FAILOVER_REDIS_PASSWORD", "valueFrom": reference}]
    assert "env" not in keeper
    assert json.dumps(manifests).count("redis-auth") == 1


def test_no_port_comes_again_while_connection_tracking_knows_it():
    [ports] = agent_pod("a", SPEC, KUBE, "image:1")["spec"]["securityContext"]["sysctls"]
    first, last = map(int, ports["value"].split())
    assert (last - first + 1) / RATE_HZ > TRACKED_S


def test_the_pod_outlives_the_agent_by_a_little_and_is_then_ended():
    assert agent_pod("a", SPEC, KUBE, "image:1")["spec"]["activeDeadlineSeconds"] == 661


def test_the_spec_comes_back_from_its_configuration():
    assert AgentSpec.loads(agent_configuration("a", SPEC, "saasodoo")["data"]["spec.json"]) == SPEC


def test_a_control_plane_without_redis_is_preferred():
    nodes = [node("one"), node("two"), node("three", "node-role.kubernetes.io/control-plane")]

    assert free_node(nodes, {"one": {MemberKind.REDIS}}) == "host-three"
    assert free_node(nodes, {"three": {MemberKind.REDIS}, "one": {MemberKind.SENTINEL}}) == "host-two"


def test_where_every_node_has_a_redis_the_scheduler_chooses():
    assert free_node([node("one")], {"one": {MemberKind.REDIS}}) is None
    assert "nodeSelector" not in placed(agent_pod("a", SPEC, KUBE, "image:1"), None)["spec"]


def test_a_node_that_was_chosen_is_bound_to_whatever_its_taints():
    spec = placed(agent_pod("a", SPEC, KUBE, "image:1"), "host-three")["spec"]

    assert spec["nodeSelector"] == {"kubernetes.io/hostname": "host-three"}
    assert spec["tolerations"] == [{"operator": "Exists"}]
