"""The agent's pod as manifests: agent and keeper, two containers of one image on one directory.

It needs nothing of the host but its spec, and ends by itself: the agent at its limit, the pod a little later.
"""

import math

from chaos.agent.spec import AgentSpec
from chaos.cluster.kube.api import MANAGED_BY, MANAGER, Object
from chaos.model import MemberKind
from chaos.resp import PASSWORD_VARIABLE
from chaos.scenario.model import KubeSystem, SecretKey

RECORD, SPEC = "/record", "/spec"
AGENT, KEEPER = "agent", "keeper"
AGENT_CPU, KEEPER_CPU = "500m", "50m"
"""What the kernel weighs them by on a busy node; with less than the control plane's own the agent's timer starves."""
PORTS = {"name": "net.ipv4.ip_local_port_range", "value": "1024 65535"}
"""Each is used in its turn (chaos.client.ports), and none may come again while connection tracking knows it: 120 s.
Of the usual ones 200 connections a second, and as many that try again in an outage, would leave none for that long."""
USER = 1000
_NOBODY = {"runAsUser": USER, "runAsGroup": USER, "fsGroup": USER, "runAsNonRoot": True}
BEYOND_S = 60
"""How much longer than the agent its pod may live: so long can the record still be had from it."""
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


def configuration(name: str, spec: AgentSpec, namespace: str) -> Object:
    """The spec as a ConfigMap: it holds no password, and is read once."""
    data = {"spec.json": spec.dumps()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(name, namespace), "data": data}


def pod(name: str, spec: AgentSpec, kube: KubeSystem, image: str) -> Object:
    """The pod without a node: `placed` gives it one."""
    record: Object = {"name": "record", "mountPath": RECORD}
    command = ["python", "-m", "chaos.agent", f"{SPEC}/spec.json", RECORD]
    mounts = [record, {"name": "spec", "mountPath": SPEC, "readOnly": True}]
    agent = _container(AGENT, image, command, mounts, AGENT_CPU)
    keep = _container(KEEPER, image, ["python", "-m", "chaos.agent.keeper", "--idle", RECORD], [record], KEEPER_CPU)
    if kube.password is not None:
        agent["env"] = [_password(kube.password)]
    volumes = [{"name": "record", "emptyDir": {}}, {"name": "spec", "configMap": {"name": name}}]
    body: Object = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": math.ceil(spec.limit_s) + BEYOND_S,
        "terminationGracePeriodSeconds": 5,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {**_NOBODY, "sysctls": [PORTS]},
        "containers": [agent, keep],
        "volumes": volumes,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(name, kube.namespace), "spec": body}


def placed(agent: Object, node: str | None) -> Object:
    """Bind the pod to a node, whatever that node's taints: its load is ours alone."""
    if node is None:
        return agent
    where = {"nodeSelector": {"kubernetes.io/hostname": node}, "tolerations": [{"operator": "Exists"}]}
    return {**agent, "spec": {**agent["spec"], **where}}


def free_node(nodes: list[Object], busy: dict[str, set[MemberKind]]) -> str | None:
    """A node without a Redis, so that the agent is on no side of a fault; the emptiest, a control plane first.

    `busy` says who runs on each node. None where every node has a Redis: the scheduler chooses then.
    """
    free = [one for one in nodes if MemberKind.REDIS not in busy.get(one["metadata"]["name"], set())]
    free.sort(
        key=lambda one: (CONTROL_PLANE not in one["metadata"]["labels"], len(busy.get(one["metadata"]["name"], ())))
    )
    return str(free[0]["metadata"]["labels"]["kubernetes.io/hostname"]) if free else None


def _metadata(name: str, namespace: str) -> Object:
    return {"name": name, "namespace": namespace, "labels": {MANAGED_BY: MANAGER}}


def _container(name: str, image: str, command: list[str], mounts: list[Object], cpu: str) -> Object:
    """No CPU limit: being throttled would show as lateness of the system."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "volumeMounts": mounts,
        "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }


def _password(key: SecretKey) -> Object:
    reference = {"name": key.secret, "key": key.key}
    return {"name": PASSWORD_VARIABLE, "valueFrom": {"secretKeyRef": reference}}
