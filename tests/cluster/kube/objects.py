"""Objects as the API serves them: pods of workloads that are written down, and those that the Spotahome operator makes.

The operator's objects follow spotahome/redis-operator v1.3.0-rc1, operator/redisfailover/service/generator.go.
"""

from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from chaos.cluster.kube.deploy import objects as manifests
from tests.cluster.kube.server import Server

Object = dict[str, Any]
SCENARIOS = Path("scenarios")
_addresses = count(1)


def of_scenario(name: str, *parts: str) -> list[Object]:
    """The manifests of a scenario of ours."""
    return manifests(SCENARIOS / name, parts)


def served(server: Server, namespace: str, applied: Iterable[Object]) -> None:
    """Have the API serve these objects of one namespace, with the pods that their workloads would have."""
    found: dict[str, list[Object]] = {"pods": [], "services": [], "configmaps": []}
    for one in applied:
        meta = {**one["metadata"], "namespace": one["metadata"].get("namespace", namespace)}
        if one["kind"] in ("StatefulSet", "Deployment"):
            found["pods"] += pods_of({**one, "metadata": meta})
        elif one["kind"] in ("Service", "ConfigMap", "Pod"):
            found[f"{one['kind'].lower()}s"].append({**one, "metadata": meta})
    for kind, items in found.items():
        server.items(f"/api/v1/namespaces/{namespace}/{kind}", *items)
    everywhere = server.answers.get(("GET", "/api/v1/pods"), {"items": []})["items"]
    server.items("/api/v1/pods", *everywhere, *found["pods"])


def pods_of(workload: Object) -> Iterator[Object]:
    """Ready pods, with the labels and the owner that Kubernetes adds."""
    spec, name = workload["spec"], workload["metadata"]["name"]
    stateful = workload["kind"] == "StatefulSet"
    for number in range(spec["replicas"]):
        labels = dict(spec["template"]["metadata"]["labels"])
        if stateful:
            pod = f"{name}-{number}"
            labels |= {"controller-revision-hash": f"{name}-5d9c", "statefulset.kubernetes.io/pod-name": pod}
            owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name}
        else:
            pod, labels = f"{name}-7bcd4f8f6b-x{number}y", labels | {"pod-template-hash": "7bcd4f8f6b"}
            owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{name}-7bcd4f8f6b"}
        meta = {
            "name": pod,
            "namespace": workload["metadata"]["namespace"],
            "labels": labels,
            "ownerReferences": [owner],
        }
        ready = [{"type": "Ready", "status": "True"}]
        status = {"phase": "Running", "podIP": f"10.244.1.{next(_addresses) % 250}", "conditions": ready}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec["template"]["spec"], "status": status}


def redisfailover(
    name: str,
    namespace: str,
    *,
    replicas: int = 3,
    secret: str = "",
    master_service: bool = True,
    exporter: bool = False,
) -> list[Object]:
    """What the operator makes of a RedisFailover, and the RedisFailover itself. The second Redis is the master."""
    labels = {"app.kubernetes.io/managed-by": "redis-operator", "app.kubernetes.io/part-of": "redis-failover"}
    labels |= {"app.kubernetes.io/name": name}
    redis, sentinel = (labels | {"app.kubernetes.io/component": one} for one in ("redis", "sentinel"))
    env: list[Object] = [
        {"name": "REDIS_ADDR", "value": "redis://127.0.0.1:6379"},
        {"name": "REDIS_USER", "value": "default"},
    ]
    if secret:
        env.append({"name": "REDIS_PASSWORD", "valueFrom": {"secretKeyRef": {"name": secret, "key": "password"}}})
    server = {
        "name": "redis",
        "image": "redis:7.0.15-alpine",
        "command": ["redis-server", "/redis/redis.conf"],
        "ports": [{"name": "redis", "containerPort": 6379}],
        "env": env,
    }
    exports = {"name": "redis-exporter", "image": "quay.io/oliver006/redis_exporter:v1.43.0", "env": env}
    exports |= {"ports": [{"name": "metrics", "containerPort": 9121}]}
    watcher = {
        "name": "sentinel",
        "image": "redis:7.0.15-alpine",
        "command": ["redis-server", "/redis/sentinel.conf", "--sentinel"],
        "ports": [{"name": "sentinel", "containerPort": 26379}],
    }
    made = [
        _workload("StatefulSet", f"rfr-{name}", namespace, redis, replicas, [server, *([exports] if exporter else [])]),
        _workload("Deployment", f"rfs-{name}", namespace, sentinel, 3, [watcher]),
        _service(f"rfs-{name}", namespace, sentinel, {"name": "sentinel", "port": 26379, "targetPort": 26379}),
    ]
    port = {"name": "redis", "port": 6379, "targetPort": "redis"}
    if master_service:
        for service, role in ((f"rfrm-{name}", "master"), (f"rfrs-{name}", "slave")):
            made.append(_service(service, namespace, redis | {"redisfailovers-role": role}, port))
    if exporter:
        made.append(_service(f"rfr-{name}", namespace, redis, {"name": "http-metrics", "port": 9121}))
    auth = {"auth": {"secretPath": secret}} if secret else {}
    asked = {"replicas": replicas, "customConfig": ["maxmemory 512mb", "maxmemory-policy allkeys-lru"]}
    watching = {"replicas": 3, "customConfig": ["down-after-milliseconds 5000", "failover-timeout 10000"]}
    meta = {"name": name, "namespace": namespace}
    one = {"kind": "RedisFailover", "metadata": meta, "spec": {"redis": asked, "sentinel": watching, **auth}}
    return [*made, one]


def serve_redisfailover(server: Server, namespace: str, *made: list[Object]) -> None:
    everything = [one for each in made for one in each]
    served(server, namespace, everything)
    customs = [one for one in everything if one["kind"] == "RedisFailover"]
    server.items(f"/apis/databases.spotahome.com/v1/namespaces/{namespace}/redisfailovers", *customs)
    for each in made:
        name = next(one["metadata"]["name"] for one in each if one["kind"] == "RedisFailover")
        for pod in server.answers["GET", f"/api/v1/namespaces/{namespace}/pods"]["items"]:
            if pod["metadata"]["name"].startswith(f"rfr-{name}-"):
                role = "master" if pod["metadata"]["name"] == f"rfr-{name}-1" else "slave"
                pod["metadata"]["labels"]["redisfailovers-role"] = role


def serve_operator(server: Server, version: str) -> None:
    container = {"name": "app", "image": f"quay.io/spotahome/redis-operator:{version}", "command": ["/redis-operator"]}
    labels = {"app.kubernetes.io/name": "redis-operator", "app.kubernetes.io/version": version}
    served(server, "operators", [_workload("Deployment", "redis-operator", "operators", labels, 1, [container])])


def _workload(
    kind: str, name: str, namespace: str, labels: dict[str, str], replicas: int, containers: list[Object]
) -> Object:
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    meta = {"name": name, "namespace": namespace}
    return {"kind": kind, "metadata": meta, "spec": {"replicas": replicas, "template": template}}


def _service(name: str, namespace: str, selector: dict[str, str], port: Object) -> Object:
    spec = {"selector": selector, "ports": [port]}
    return {"kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}
