"""A system that is deployed afresh begins with empty volumes, also where no provisioner empties them."""

from typing import Any

import pytest

from chaos.cluster.kube.api import Api
from chaos.cluster.kube.deploy import NAMESPACE, Deployment
from chaos.errors import SetupError
from chaos.scenario import load
from tests.cluster.kube.server import Server

VOLUMES = "/api/v1/persistentvolumes"
POD = f"/api/v1/namespaces/{NAMESPACE}/pods/empty-worker-1"
AT_WORKER = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["worker"]}]}]


@pytest.fixture
def removing(api: Api, server: Server) -> Deployment:
    """The scenario redis-operator, of which a volume is left that was a folder of a node."""
    loaded = load("redis-operator")
    kinds = (("namespaces", "Namespace", False), ("pods", "Pod", True))
    server.answers["GET", "/api/v1"] = {
        "resources": [{"name": name, "kind": kind, "namespaced": within} for name, kind, within in kinds]
    }
    for kind in ("pods", "persistentvolumeclaims"):
        server.items(f"/api/v1/namespaces/saasodoo/{kind}")
    spec: dict[str, Any] = {
        "hostPath": {"path": "/var/volumes/1"},
        "claimRef": {"namespace": "saasodoo"},
        "persistentVolumeReclaimPolicy": "Retain",
        "nodeAffinity": {"required": {"nodeSelectorTerms": AT_WORKER}},
    }
    server.items(VOLUMES, {"metadata": {"name": "worker-1"}, "spec": spec, "status": {"phase": "Released"}})
    server.answers["PATCH", f"{VOLUMES}/worker-1"] = {"metadata": {"name": "worker-1"}}
    for path in (f"/api/v1/namespaces/{NAMESPACE}", POD):
        server.answers["PATCH", path] = {"metadata": {}}
    server.answers["DELETE", POD] = {"status": "Success"}
    return Deployment(api, loaded.scenario, loaded.folder, "saasodoo", "agent:1")


async def test_a_released_volume_is_emptied_on_its_node_before_it_is_available_again(
    removing: Deployment, server: Server
) -> None:
    server.answers["GET", POD] = {"status": {"phase": "Succeeded"}}
    await removing.remove()

    [pod] = [body for method, path, _, body in server.asked if (method, path) == ("PATCH", POD)]
    assert pod["spec"]["volumes"] == [{"name": "volume", "hostPath": {"path": "/var/volumes/1"}}]
    [required] = pod["spec"]["affinity"]["nodeAffinity"].values()
    assert required == {"nodeSelectorTerms": AT_WORKER}
    done = [(method, path) for method, path, *_ in server.asked if method != "GET"]
    assert done[-2:] == [("DELETE", POD), ("PATCH", f"{VOLUMES}/worker-1")]


async def test_a_volume_that_a_provisioner_took_away_meanwhile_is_no_trouble(
    removing: Deployment, server: Server
) -> None:
    server.answers["GET", POD] = {"status": {"phase": "Succeeded"}}
    del server.answers["PATCH", f"{VOLUMES}/worker-1"]
    await removing.remove()


async def test_a_volume_that_is_not_retained_is_left_to_its_provisioner(removing: Deployment, server: Server) -> None:
    [volume] = server.answers["GET", VOLUMES]["items"]
    volume["spec"]["persistentVolumeReclaimPolicy"] = "Delete"
    await removing.remove()

    assert not [path for method, path, *_ in server.asked if method == "PATCH"]


async def test_a_volume_that_is_not_emptied_is_given_to_nobody(removing: Deployment, server: Server) -> None:
    server.answers["GET", POD] = {"status": {"phase": "Failed"}}
    with pytest.raises(SetupError, match="volume worker-1 could not be emptied"):
        await removing.remove()

    asked = [(method, path) for method, path, *_ in server.asked]
    assert ("DELETE", POD) in asked
    assert ("PATCH", f"{VOLUMES}/worker-1") not in asked
