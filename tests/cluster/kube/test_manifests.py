"""The scenario's own manifests say what the platform team's description says; others are refused with a sentence."""

from pathlib import Path

import pytest

from chaos.cluster.kube.deploy import described, is_custom, moved, objects
from chaos.errors import ScenarioError
from chaos.scenario import load

OURS = Path(__file__).parents[3] / "scenarios" / "redis-operator"


def ours():
    return {(one["kind"], one["metadata"]["name"]): one for one in objects(OURS, ["operator/", "redis/"])}


def test_what_others_need_comes_first():
    kinds = [one["kind"] for one in objects(OURS, ["operator/", "redis/"])]

    assert kinds[:3] == ["Namespace", "Namespace", "CustomResourceDefinition"]
    assert kinds[-1] == "RedisFailover"


def test_every_setting_of_the_description_is_there():
    spec = ours()["RedisFailover", "redis-cluster"]["spec"]
    redis, sentinel = spec["redis"], spec["sentinel"]

    assert (redis["replicas"], sentinel["replicas"]) == (3, 3)
    assert redis["customConfig"] == [
        "maxmemory 512mb",
        "maxmemory-policy allkeys-lru",
        "appendonly yes",
        "save 900 1 300 10 60 10000",
    ]
    assert sentinel["customConfig"] == ["down-after-milliseconds 5000", "failover-timeout 10000"]
    assert redis["resources"]["limits"] == {"cpu": "1000m", "memory": "1Gi"}
    assert sentinel["resources"]["limits"] == {"cpu": "200m", "memory": "128Mi"}
    assert redis["storage"]["persistentVolumeClaim"]["spec"]["resources"]["requests"] == {"storage": "5Gi"}


def test_no_image_is_pulled_while_a_failover_is_measured():
    spec = ours()["RedisFailover", "redis-cluster"]["spec"]
    operator = ours()["Deployment", "redis-operator"]["spec"]["template"]["spec"]["containers"][0]

    policies = {spec["redis"]["imagePullPolicy"], spec["sentinel"]["imagePullPolicy"], operator["imagePullPolicy"]}
    assert policies == {"IfNotPresent"}


def test_the_schema_of_the_crd_stays_open():
    version = ours()["CustomResourceDefinition", "redisfailovers.databases.spotahome.com"]["spec"]["versions"][0]

    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert spec["x-kubernetes-preserve-unknown-fields"] is True


def test_a_user_is_told_what_is_deployed_in_their_words():
    text = described(objects(OURS, ["operator/", "redis/"]))

    assert text == "redis-operator v1.3.0-rc1, RedisFailover saasodoo/redis-cluster"


def test_kinds_of_kubernetes_itself_are_not_custom():
    versions = ["v1", "apps/v1", "rbac.authorization.k8s.io/v1", "databases.spotahome.com/v1"]

    assert [is_custom({"apiVersion": version}) for version in versions] == [False, False, False, True]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", r"bad\.yaml:1: this is no YAML: expected"),
        ("a: 1\nreplicas: {{ .Values.replicas }}", r"bad\.yaml:2: this is a template and not YAML; render it first"),
        ("{{- if .Values.on }}\na: 1", r"bad\.yaml:1: this is a template and not YAML; render it first"),
        ("just: text", r"bad\.yaml: a document needs apiVersion, kind and metadata"),
    ],
)
def test_a_file_that_is_no_manifest_is_named(tmp_path, text, sentence):
    (tmp_path / "bad.yaml").write_text(text)

    with pytest.raises(ScenarioError, match=sentence):
        objects(tmp_path, ["bad.yaml"])


def test_a_folder_that_is_not_there_is_named_with_who_wants_it(tmp_path):
    with pytest.raises(ScenarioError, match=r"nowhere: no such file .*system\.kube\.manifests"):
        objects(tmp_path, ["nowhere"])


def test_empty_documents_are_nothing(tmp_path):
    (tmp_path / "good.yaml").write_text("---\n---\n{apiVersion: v1, kind: Secret, metadata: {name: one}}\n---\n")

    assert [one["metadata"]["name"] for one in objects(tmp_path, ["good.yaml"])] == ["one"]


def test_a_system_beside_others_is_in_a_namespace_of_its_own_and_shares_the_operator():
    scenario = load("redis-operator").scenario
    second = scenario.beside(1)
    assert scenario.beside(0) is scenario
    assert (second.system.on_kube.namespace, second.system.on_kube.operator) == (
        "saasodoo-2",
        scenario.system.on_kube.operator,
    )
    folder = load("redis-operator").folder
    written = objects(folder, scenario.system.on_kube.manifests)
    there = moved(written, "saasodoo", "saasodoo-2")
    changed = [(one["kind"], new) for one, new in zip(written, there, strict=True) if one != new]
    assert {kind for kind, _ in changed} >= {"RedisFailover"}
    assert "saasodoo" not in {new["metadata"].get("namespace") for _, new in changed}
    assert [one for one in written if one["metadata"].get("namespace") == "redis-operator"] == [
        one for one in there if one["metadata"].get("namespace") == "redis-operator"
    ]


def test_whatever_names_the_namespace_moves_and_nothing_else_does():
    binding = {"kind": "RoleBinding", "metadata": {"name": "x"}, "subjects": [{"namespace": "a", "name": "a"}]}
    itself = {"kind": "Namespace", "metadata": {"name": "a", "labels": {"team": "a"}}}
    binding, itself = moved([binding, itself], "a", "a-2")
    assert binding["subjects"] == [{"namespace": "a-2", "name": "a"}]
    assert itself["metadata"] == {"name": "a-2", "labels": {"team": "a"}}


@pytest.mark.parametrize(
    ("text", "there"),
    [
        (
            "server a redis-0.nodes.ours.svc.cluster.local:6379\n",
            "server a redis-0.nodes.ours-2.svc.cluster.local:6379\n",
        ),
        ("redis-0.nodes.ours:6379 nodes.ours", "redis-0.nodes.ours-2:6379 nodes.ours-2"),
        ("redis.theirs.svc, ours.svc.example, a file nodes.ours.cfg", None),
        ("nodes.ours-own, more-nodes.ours, mynodes.ours, nodes.yours", None),
    ],
)
def test_a_name_in_a_proxys_configuration_leads_to_the_system_of_its_own_namespace(text: str, there: str | None):
    service = {"kind": "Service", "metadata": {"name": "nodes"}}
    config = {"kind": "ConfigMap", "metadata": {"name": "proxy"}, "data": {"proxy.cfg": text}}
    assert moved([service, config], "ours", "ours-2")[1]["data"]["proxy.cfg"] == (there or text)


def test_the_haproxy_of_a_second_system_names_nobody_of_the_first():
    at = load("haproxy")
    there = moved(objects(at.folder, at.scenario.system.on_kube.manifests), "haproxy", "haproxy-2")
    [config] = [
        one["data"]["haproxy.cfg"] for one in there if one["kind"] == "ConfigMap" and "haproxy.cfg" in one["data"]
    ]
    assert config.count(".nodes.haproxy-2.svc.") == 3
    assert ".haproxy." not in config
