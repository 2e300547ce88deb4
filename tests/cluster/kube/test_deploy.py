"""Deploying on a real cluster: idempotent, from nothing when asked to, and honest about a pod that never comes up."""

from pathlib import Path

import pytest

from chaos.cluster.kube.api import Api
from chaos.cluster.kube.deploy import Deployment, Readiness
from chaos.errors import SetupError
from tests.cluster.kube.conftest import System

pytestmark = [pytest.mark.kind, pytest.mark.timeout(400)]


@pytest.fixture
def there(system: System):
    with Api(Path(system.ref["kubeconfig"]), system.ref["context"]) as api:
        yield api


async def redis_uids(api: Api) -> set[str]:
    pods = await api.items("/api/v1/namespaces/saasodoo/pods", labelSelector="app.kubernetes.io/component=redis")
    return {pod["metadata"]["uid"] for pod in pods}


async def test_applying_again_changes_nothing_and_fresh_changes_everything(there, system):
    deployment = Deployment(
        there, system.scenario, system.folder, system.scenario.system.on_kube.namespace, system.ref["agent_image"]
    )
    before = await redis_uids(there)
    await deployment.apply()
    assert await redis_uids(there) == before

    await deployment.remove()
    assert await redis_uids(there) == set()
    volumes = await there.items("/api/v1/persistentvolumes")
    assert not [one for one in volumes if one["status"]["phase"] == "Released"]

    await deployment.apply()
    await Readiness(there, system.scenario.system, lambda _: None).wait()
    assert len(await redis_uids(there)) == 3


async def test_a_pod_that_never_becomes_ready_is_named_with_its_last_event(there, system):
    """The selector of a pod that cannot start stands for a system that does not come up."""
    container = {"name": "redis", "image": "nowhere.invalid/redis:0", "imagePullPolicy": "Never"}
    metadata = {"name": "never", "namespace": "default", "labels": {"app": "never"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
    kube = system.scenario.system.kube
    redis = kube.redis.model_copy(update={"selector": "app=never"})
    changed = kube.model_copy(update={"namespace": "default", "redis": redis, "operator": None})
    await there.apply(pod)
    try:
        with pytest.raises(
            SetupError, match=r"pod never is not Ready: .*nowhere\.invalid/redis:0.*last event: ErrImage"
        ):
            await Readiness(there, system.scenario.system.model_copy(update={"kube": changed}), lambda _: None).wait(5)
    finally:
        await there.delete("/api/v1/namespaces/default/pods/never", grace_s=0)
