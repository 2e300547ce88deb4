"""Pods of our own beside the system: brought up, and everything of ours taken away, also what a killed run left.

Whatever we create carries one label, so that a later run finds it without any memory of the one before.
"""

from collections.abc import Iterable
from functools import partial

from chaos.cluster.kube.api import MANAGED_BY, MANAGER, OURS, Api, Object
from chaos.cluster.kube.ready import is_ready, last_event, state_of
from chaos.errors import SetupError
from chaos.until import until

NAMESPACE = "failover-harness"
"""Where the node helpers live: they are privileged, and a namespace has to allow that."""
KINDS = ("pods", "configmaps")
RUNNING_S, GONE_S = 60.0, 40.0


def namespace_object() -> Object:
    labels = {MANAGED_BY: MANAGER, "pod-security.kubernetes.io/enforce": "privileged"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


async def remove_ours(api: Api, namespaces: Iterable[str]) -> int:
    """Delete every pod and configuration of ours and wait until it is gone; returns how many there were.

    Helpers get their grace: told to end, they first undo what they hold.
    """
    paths = [f"/api/v1/namespaces/{namespace}/{kind}" for namespace in namespaces for kind in KINDS]
    count = 0
    for path in paths:
        for one in await api.items(path, labelSelector=OURS):
            count += await api.delete(f"{path}/{one['metadata']['name']}")
    for path in paths:
        await until(partial(_none_left, api, path), within_s=GONE_S, because=f"leftovers of ours in {path} do not go")
    return count


async def wait_running(api: Api, namespace: str, name: str) -> Object:
    """The pod once all its containers are Ready; a SetupError says why one is not."""
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    seen: Object = {}

    async def ready() -> bool:
        seen.update(await api.get(path) or {})
        return "metadata" in seen and is_ready(seen)

    try:
        await until(ready, within_s=RUNNING_S, because=lambda: f"pod {name} is not Ready: {state_of(seen)}")
    except SetupError as error:
        raise SetupError(f"{error}; {await last_event(api, namespace, name)}") from error
    return seen


async def _none_left(api: Api, path: str) -> bool:
    return not await api.items(path, labelSelector=OURS)
