"""The API client asks once, of the server it was given, and says in a sentence what went wrong."""

import asyncio
import threading
import time

import pytest

from chaos.cluster.kube.api import Api, ApiError
from chaos.errors import SetupError
from chaos.until import until

CORE = {"resources": [{"name": "pods", "kind": "Pod", "namespaced": True}, {"name": "pods/log", "kind": "Pod"}]}


async def test_what_is_not_there_is_none(api):
    assert await api.get("/api/v1/namespaces/nope") is None
    assert await api.delete("/api/v1/namespaces/nope") is False


async def test_a_refusal_is_the_servers_own_sentence(api):
    with pytest.raises(ApiError, match=r"404: /api/v1/nopes not found") as caught:
        await api.request("GET", "/api/v1/nopes")

    assert caught.value.status == 404


async def test_a_server_that_is_away_is_asked_once_and_named(tmp_path, server):
    server.url = "http://127.0.0.1:1"
    with Api(server.kubeconfig(tmp_path), "fake") as api:
        began = time.monotonic()
        with pytest.raises(ApiError, match=r"http://127.0.0.1:1 did not answer") as caught:
            await api.request("GET", "/api/v1/nodes")

    assert caught.value.status == 0
    assert time.monotonic() - began < 5


async def test_a_server_that_never_answers_is_given_up(server, tmp_path):
    server.answers["GET", "/api/v1/nodes"] = lambda: time.sleep(0.6)

    hurried = Api(server.kubeconfig(tmp_path), "fake", request_s=0.2)
    with hurried, pytest.raises(ApiError, match=r"did not answer"):
        await hurried.request("GET", "/api/v1/nodes")

    assert len(server.asked) == 1


async def test_a_change_under_way_is_over_before_a_cancelled_caller_goes_on(api, server):
    """Else what it then deletes would not be there yet, and stay."""
    over = threading.Event()

    def slowly():
        time.sleep(0.3)
        over.set()
        return {"made": True}

    server.answers["POST", "/pods"] = slowly
    making = asyncio.create_task(api.request("POST", "/pods", {}))

    async def asked() -> bool:
        return bool(server.asked)

    await until(asked, within_s=60, because="the request did not arrive", every_s=0.01)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making

    assert over.is_set()


async def test_apply_is_server_side_and_ours(api, server):
    server.answers["GET", "/api/v1"] = CORE
    path = "/api/v1/namespaces/here/pods/one"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}}
    server.answers["PATCH", path] = pod

    assert await api.apply(pod, namespace="here") == pod
    assert server.asked[-1] == ("PATCH", path, {"fieldManager": ["failover-harness"], "force": ["true"]}, pod)


async def test_a_kind_that_appears_later_is_looked_for_again(api, server):
    server.answers["GET", "/api/v1"] = {"resources": []}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one", "namespace": "here"}}
    with pytest.raises(ApiError, match="serves no Pod"):
        await api.path_of(pod)

    server.answers["GET", "/api/v1"] = CORE
    assert await api.path_of(pod) == "/api/v1/namespaces/here/pods/one"


def test_a_kubeconfig_that_lacks_the_context_is_named(tmp_path, server):
    with pytest.raises(SetupError, match=r"context other of kubeconfig .*kubeconfig"):
        Api(server.kubeconfig(tmp_path), "other")


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SetupError, match=r"kubeconfig .*nowhere"):
        Api(tmp_path / "nowhere", "other")
