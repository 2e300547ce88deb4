"""Find the system that runs in a namespace, for `failover init`:

Redis, Sentinel, HAProxy, their Services, the operator.

Objects are read as the API serves them, and nothing is changed. What they do not tell becomes a sentence in `remarks`,
not a guess. `chaos.init` turns the result into a scenario.
"""

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from chaos.cluster.kube.api import Api, ApiError, Object
from chaos.cluster.kube.deploy import is_ready
from chaos.errors import ScenarioError
from chaos.model import MemberKind

REDIS, SENTINEL, PROXY, OPERATOR = MemberKind.REDIS, MemberKind.SENTINEL, MemberKind.PROXY, MemberKind.OPERATOR
SENTINEL_PORT = 26379
VOLATILE = {
    "pod-template-hash",
    "controller-revision-hash",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
}
"""Labels that Kubernetes adds itself and that differ between pods."""
USUAL = ("app.kubernetes.io/component", "component", "app", "app.kubernetes.io/name", "role")
"""The labels that usually distinguish kinds of pods, the best first."""
MASTERS, REPLICAS = ("master", "primary", "leader"), ("slave", "replica", "secondary", "follower")
FAILOVERS = "/apis/databases.spotahome.com/v1/namespaces/{}/redisfailovers"
ASKED = ("maxmemory", "maxmemory-policy", "appendonly", "min-replicas-to-write", "replica-priority")
"""The settings of Redis that are read. Every server since Redis 5 has them."""
OF_SENTINEL = ("down-after-milliseconds", "failover-timeout", "parallel-syncs", "quorum")


@dataclass(frozen=True, kw_only=True, slots=True)
class NamespaceObjects:
    """The objects that the API served.

    `elsewhere` has the pods of the whole cluster, or is None if listing them is forbidden.
    """

    namespace: str
    pods: Sequence[Object]
    services: Sequence[Object]
    elsewhere: Sequence[Object] | None = None
    failovers: Sequence[Object] = ()
    configmaps: Sequence[Object] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PodGroup:
    """The pods of one kind. `selector` has labels that all of them have and no other pod in the namespace has."""

    pods: tuple[Object, ...]
    container: Object
    port: int
    selector: str

    @property
    def namespace(self) -> str:
        return str(self.pods[0]["metadata"]["namespace"])


@dataclass(frozen=True, kw_only=True, slots=True)
class LeadingService:
    """A Service, and its port that leads to the pods of a group."""

    service: str
    port: int

    @property
    def address(self) -> str:
        return f"{self.service}:{self.port}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Password:
    """The Secret of a password. `variable` is the environment variable of Redis's container that holds it."""

    secret: str
    key: str
    variable: str = ""


@dataclass(kw_only=True, slots=True)
class FoundSystem:
    """The system that was found. `operator` is its name in a scenario, and `by` describes the operator for people."""

    redis: PodGroup
    sentinel: PodGroup
    proxy: PodGroup | None = None
    replicas: int = 0
    sentinels: int = 0
    operator: str = "none"
    by: str = "nobody, as far as its labels say"
    operator_pods: PodGroup | None = None
    master: LeadingService | None = None
    master_label: str = ""
    asking: LeadingService | None = None
    front: LeadingService | None = None
    anywhere: list[LeadingService] = field(default_factory=list)
    """Services that lead to any Redis."""
    password: Password | None = None
    tls: str = ""
    """The Secret with the TLS files, or empty if the system uses no TLS."""
    images: list[str] = field(default_factory=list)
    master_name: str = "mymaster"
    settings: dict[str, dict[str, str | int]] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    """Where the settings of each part come from."""
    stats: tuple[int, str] = (0, "")
    """The port of HAProxy's stats socket, or 0 if it has none, and its backend."""
    remarks: list[str] = field(default_factory=list)


async def look(api: Api, namespace: str) -> NamespaceObjects:
    """List the objects of the namespace. Those that may not be listed are left out, except pods and Services."""
    within = f"/api/v1/namespaces/{namespace}"
    pods, services = await asyncio.gather(api.items(f"{within}/pods"), api.items(f"{within}/services"))
    failovers, elsewhere, configmaps = await asyncio.gather(
        _optional(api, FAILOVERS.format(namespace)),
        _optional(api, "/api/v1/pods"),
        _optional(api, f"{within}/configmaps"),
    )
    return NamespaceObjects(
        namespace=namespace,
        pods=pods,
        services=services,
        elsewhere=elsewhere,
        failovers=failovers or (),
        configmaps=configmaps or (),
    )


async def _optional(api: Api, path: str) -> list[Object] | None:
    try:
        return await api.items(path)
    except ApiError as error:
        if error.status in (403, 404):
            return None
        raise


# The kinds of pods.


def kind_of(container: Object) -> MemberKind | None:
    """Return which kind of member a container runs, by its image, name, command and ports, or None."""
    image = container["image"].partition("@")[0].rpartition("/")[2].partition(":")[0]
    told = " ".join([image, container["name"], *container.get("command", []), *container.get("args", [])]).lower()
    if "haproxy" in image:
        return PROXY
    if "redis-operator" in image:
        return OPERATOR
    if not re.search("redis|valkey|keydb", image) or re.search("exporter|operator|insight|commander|proxy", told):
        return None
    ports = {port.get("containerPort") for port in container.get("ports", [])}
    return SENTINEL if "sentinel" in told or SENTINEL_PORT in ports else REDIS


def kinds_of(pod: Object) -> dict[MemberKind, Object]:
    """Map each kind of member that the pod contains to its container."""
    found = ((kind_of(container), container) for container in pod["spec"]["containers"])
    return {kind: container for kind, container in found if kind is not None}


def labels_of(one: Object) -> dict[str, str]:
    return dict(one["metadata"].get("labels") or {})


def owner_of(pod: Object) -> str:
    """Return the name of the StatefulSet or Deployment that made the pod."""
    owners = pod["metadata"].get("ownerReferences") or [{"kind": "", "name": pod["metadata"]["name"]}]
    name = str(owners[0]["name"])
    return name.rpartition("-")[0] if owners[0]["kind"] == "ReplicaSet" else name


def runs(pod: Object) -> bool:
    return "deletionTimestamp" not in pod["metadata"] and pod.get("status", {}).get("phase") in ("Running", "Pending")


def belongs(pod: Object, name: str) -> bool:
    """Return whether a pod belongs to the system of this name, by a label or by its owner's name."""
    owner = owner_of(pod)
    return name in {*labels_of(pod).values(), owner} or owner.startswith(f"{name}-") or owner.endswith(f"-{name}")


def selector_of(pods: Sequence[Object], there: Iterable[Object]) -> str:
    """Return the fewest labels that all of `pods` have and no other pod has, or an empty string."""
    carried = [labels_of(pod).items() for pod in pods]
    common = set(carried[0]).intersection(*carried)
    usable = [(k, v) for k, v in sorted(common) if k not in VOLATILE and v not in (*MASTERS, *REPLICAS)]
    usable.sort(key=lambda item: USUAL.index(item[0]) if item[0] in USUAL else len(USUAL))
    names = {pod["metadata"]["name"] for pod in pods}
    others = [labels_of(pod).items() for pod in there if pod["metadata"]["name"] not in names]
    for size in range(1, len(usable) + 1):
        for chosen in combinations(usable, size):
            if not any(set(chosen) <= set(other) for other in others):
                return ",".join(f"{key}={value}" for key, value in chosen)
    return ""


def _group(kind: MemberKind, pods: Sequence[Object], there: Sequence[Object]) -> PodGroup | None:
    own = sorted((pod for pod in pods if kind in kinds_of(pod)), key=lambda pod: str(pod["metadata"]["name"]))
    if not own:
        return None
    container = kinds_of(own[0])[kind]
    usual = {REDIS: 6379, SENTINEL: SENTINEL_PORT}.get(kind, 0)
    ports = [port["containerPort"] for port in container.get("ports", [])]
    port = usual if usual in ports or not ports else ports[0]
    return PodGroup(pods=tuple(own), container=container, port=port, selector=selector_of(own, there))


def found(objects: NamespaceObjects, name: str = "") -> FoundSystem:
    """Return the system. Raises ScenarioError if there is no Redis with Sentinel, or more than one system."""
    there = [pod for pod in objects.pods if runs(pod)]
    pods = [pod for pod in there if not name or belongs(pod, name)]
    where = f"namespace {objects.namespace}" + (f", of the name {name}" if name else "")
    owners = sorted({owner_of(pod) for pod in pods if REDIS in kinds_of(pod)})
    if not owners:
        raise ScenarioError(f"no pod in {where} runs Redis or Valkey, by its image")
    if len(owners) > 1:
        raise ScenarioError(f"{where} has several systems: {', '.join(owners)}; say which one by --name")
    if any({REDIS, SENTINEL} <= kinds_of(pod).keys() for pod in pods):
        raise ScenarioError(f"in {where} Sentinel runs in the pods of Redis; failover needs pods of its own for each")
    redis, sentinel = _group(REDIS, pods, there), _group(SENTINEL, pods, there)
    if redis is None or sentinel is None:
        raise ScenarioError(f"no pod in {where} runs Sentinel; failover tests what Sentinel does")
    system = FoundSystem(redis=redis, sentinel=sentinel, proxy=_group(PROXY, pods, there))
    system.replicas, system.sentinels = len(redis.pods) - 1, len(sentinel.pods)
    for group, what in ((redis, "Redis"), (sentinel, "Sentinel"), (system.proxy, "HAProxy")):
        if group is not None and not group.selector:
            system.remarks.append(f"No labels tell the pods of {what} from others: give them one of their own.")
    _operator(system, objects, there)
    _services(system, objects.services, there)
    _secrets(system)
    groups = (system.redis, system.sentinel, system.proxy, system.operator_pods)
    system.images = sorted({str(group.container["image"]) for group in groups if group})
    _missing(system)
    return system


# The operator.


def _operator(system: FoundSystem, objects: NamespaceObjects, there: Sequence[Object]) -> None:
    pod = system.redis.pods[0]
    labels = labels_of(pod)
    owners = [one.get("apiVersion", "") for one in pod["metadata"].get("ownerReferences") or []]
    if labels.get("app.kubernetes.io/part-of") == "redis-failover":
        name = labels.get("app.kubernetes.io/name", "")
        system.operator, system.by = "spotahome", f"the Spotahome redis-operator, as RedisFailover {name}"
        _spotahome(system, objects, name)
        _operator_pods(system, objects, there)
    elif "redis_setup_type" in labels or any("opstreelabs" in kind for kind in owners):
        system.by = "the redis-operator of OpsTree"
        _operator_pods(system, objects, there)
        system.remarks.append(
            f"It is looked after by {system.by}, of which failover knows nothing: what this operator does is measured "
            "and not explained."
        )
    elif labels.get("helm.sh/chart", ""):
        system.by = f"the Helm chart {labels['helm.sh/chart']}, without an operator"
    else:
        system.by = f"no operator: a StatefulSet {owner_of(system.redis.pods[0])} that was written by hand"


def _spotahome(system: FoundSystem, objects: NamespaceObjects, name: str) -> None:
    """Take what the RedisFailover asks for. It counts if pods are still missing."""
    for one in objects.failovers:
        if one["metadata"]["name"] != name:
            continue
        spec = one["spec"]
        system.replicas = spec.get("redis", {}).get("replicas", system.replicas + 1) - 1
        system.sentinels = spec.get("sentinel", {}).get("replicas", system.sentinels)
        if secret := spec.get("auth", {}).get("secretPath"):
            system.password = Password(secret=secret, key="password")
        for part in ("redis", "sentinel"):
            lines = (line.partition(" ") for line in spec.get(part, {}).get("customConfig") or [])
            said = {key: value.strip() for key, _, value in lines}
            wanted = ASKED if part == "redis" else OF_SENTINEL
            system.settings[part] = {key: number(value) for key, value in said.items() if key in wanted}
            system.said[part] = "as the RedisFailover asks for; the servers did not say"
        return


def _operator_pods(system: FoundSystem, objects: NamespaceObjects, there: Sequence[Object]) -> None:
    if objects.elsewhere is None:
        system.remarks.append(
            "The operator's own pods could not be looked for, since this user may not list the pods of all namespaces."
        )
        return
    pods = [pod for pod in objects.elsewhere if runs(pod) and OPERATOR in kinds_of(pod)]
    spaces = sorted({str(pod["metadata"]["namespace"]) for pod in pods})
    if len(spaces) != 1:
        none = "no pod of this cluster runs an image redis-operator"
        seen = f"there are some in {', '.join(spaces)}" if spaces else none
        system.remarks.append(f"Which pods are the operator's is not known: {seen}.")
        return
    own = [pod for pod in objects.elsewhere if runs(pod) and pod["metadata"]["namespace"] == spaces[0]]
    system.operator_pods = _group(OPERATOR, pods, own)
    if system.operator_pods:
        system.by += f" ({system.operator_pods.container['image'].rpartition(':')[2]})"


# The Services.


def _services(system: FoundSystem, services: Sequence[Object], there: Sequence[Object]) -> None:
    groups = ((system.redis, REDIS), (system.sentinel, SENTINEL), (system.proxy, PROXY))
    for service in sorted(services, key=lambda one: str(one["metadata"]["name"])):
        selector = dict(service["spec"].get("selector") or {})
        role = next(((k, v) for k, v in selector.items() if _is_role(k, v, system.redis)), None)
        without = {k: v for k, v in selector.items() if role is None or k != role[0]}
        selected = {pod["metadata"]["name"] for pod in there if without.items() <= labels_of(pod).items()}
        for group, kind in groups:
            names = {pod["metadata"]["name"] for pod in group.pods} if group else set()
            if group and selector and selected & names and selected <= names and (way := _way(service, group)):
                _leads(system, kind, way, role)
    if not system.master_label:
        system.master_label = _written_label(system.redis)


def _is_role(key: str, value: str, redis: PodGroup) -> bool:
    """Return whether a label tells the present role of a Redis: not all of them have it with this value."""
    return value in (*MASTERS, *REPLICAS) and not all(labels_of(pod).get(key) == value for pod in redis.pods)


def _leads(system: FoundSystem, kind: MemberKind, way: LeadingService, role: tuple[str, str] | None) -> None:
    if kind is SENTINEL:
        system.asking = system.asking or way
    elif kind is PROXY:
        system.front = system.front or way
    elif role is None:
        system.anywhere.append(way)
    elif role[1] in MASTERS:
        system.master, system.master_label = system.master or way, "=".join(role)


def _way(service: Object, group: PodGroup) -> LeadingService | None:
    """Return the Service with its port that leads to the group's port, or None if no port does."""
    named = {port.get("name"): port["containerPort"] for port in group.container.get("ports", [])}
    for port in service["spec"].get("ports", []):
        target = port.get("targetPort", port["port"])
        leads_to = named.get(target, target)
        if leads_to == group.port or port["port"] == group.port:
            return LeadingService(service=service["metadata"]["name"], port=port["port"])
    return None


def _written_label(redis: PodGroup) -> str:
    """Return the label that one pod alone has as master, or an empty string if there is none."""
    roles = [(k, v) for pod in redis.pods for k, v in labels_of(pod).items() if v in MASTERS]
    return "=".join(roles[0]) if len(roles) == 1 and len(redis.pods) > 1 else ""


# Passwords and TLS.


def _secrets(system: FoundSystem) -> None:
    container = system.redis.container
    for one in container.get("env", []):
        key = one.get("valueFrom", {}).get("secretKeyRef")
        if key and re.search("PASS|AUTH", one["name"], re.IGNORECASE):
            system.password = Password(secret=key["name"], key=key["key"], variable=one["name"])
            break
    told = " ".join([*container.get("command", []), *container.get("args", [])])
    enabled = any(
        "TLS_ENABLED" in one["name"] and one.get("value") in ("yes", "true") for one in container.get("env", [])
    )
    if "tls-port" in told or enabled:
        volumes = system.redis.pods[0]["spec"].get("volumes", [])
        secrets = [one["secret"]["secretName"] for one in volumes if "secret" in one]
        named = [one for one in secrets if re.search("tls|cert|crt", one)]
        system.tls = (named or secrets or ["?"])[0]


def _missing(system: FoundSystem) -> None:
    if system.asking is None:
        system.remarks.append("No Service leads to the Sentinels: clients could ask none of them by a name that stays.")
    if system.master is None and system.front is None:
        who = "This operator" if system.operator != "none" else "Whoever set this up"
        system.remarks.append(f"{who} makes no master Service; clients can only ask Sentinel.")
    for way in system.anywhere:
        system.remarks.append(f"Service {way.service} leads to any Redis, and not to the master alone.")
    for group, what in ((system.redis, "Redis"), (system.sentinel, "Sentinel")):
        wanted = system.replicas + 1 if group is system.redis else system.sentinels
        ready = sum(is_ready(pod) for pod in group.pods)
        if ready < wanted:
            system.remarks.append(f"{ready} of {wanted} pods of {what} are Ready; the others are counted as wanted.")


def number(value: str) -> str | int:
    return int(value) if value.isdigit() else value
