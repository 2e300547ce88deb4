"""What the watcher tells of a platform that works, breaks, and comes back."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos.clock import mono_ns
from chaos.cluster.kube.api import Api, ApiError
from chaos.cluster.kube.watcher import Watcher
from chaos.record.events import Stamped
from chaos.scenario import load
from tests.cluster.kube.fake_api import FakeApi, serving
from tests.saying import said

NS = "saasodoo"
PODS = f"/api/v1/namespaces/{NS}/pods"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NS}/endpointslices"
SERVICES = f"/api/v1/namespaces/{NS}/services"


def pod(name: str, **changes: Any) -> dict[str, Any]:
    """A Redis pod that runs; `role` is its master label, `uid` and `container` its identities."""
    labels = {"app.kubernetes.io/component": "redis"}
    if "role" in changes:
        labels["redisfailovers-role"] = changes["role"]
    state = {"running": {"startedAt": "2026-11-23T14:00:00Z"}}
    own = {"name": "redis", "containerID": f"containerd://{changes.get('container', 'c0')}", "state": state}
    conditions = [{"type": "Ready", "status": "True"}]
    status = {"podIP": "10.244.2.3", "phase": "Running", "conditions": conditions}
    status["containerStatuses"] = [{**own, "restartCount": changes.get("restarts", 0)}]
    owner = [{"kind": "StatefulSet", "name": "rfr-redis-cluster"}]
    metadata = {"name": name, "uid": changes.get("uid", f"uid-of-{name}"), "labels": labels, "ownerReferences": owner}
    return {"metadata": metadata, "spec": {"nodeName": "worker-1"}, "status": status}


def endpoint_slice(name: str, service: str, *pods: str) -> dict[str, Any]:
    found = [{"addresses": ["10.244.2.3"], "conditions": {"ready": True}, "targetRef": {"name": one}} for one in pods]
    labels = {"kubernetes.io/service-name": service}
    return {"metadata": {"name": name, "uid": f"uid-{name}", "labels": labels}, "endpoints": found}


class Watching:
    """A watcher of the fake, and what it told."""

    def __init__(self, fake: FakeApi, api: Api, directory: Path) -> None:
        self.fake = fake
        self.told = threading.Condition()
        self.events: list[Stamped[Any]] = []
        self.directory = directory
        self.watcher = Watcher(api, load("redis-operator").scenario, directory, self._put)

    def _put(self, event: Stamped[Any]) -> None:
        with self.told:
            self.events.append(event)
            self.told.notify_all()

    def of(self, kind: str) -> list[Stamped[Any]]:
        return [event for event in self.events if event.event.kind == kind]

    def wait(self, kind: str, fits: Callable[[Stamped[Any]], bool] = lambda _: True) -> Stamped[Any]:
        with self.told:
            there = self.told.wait_for(lambda: any(fits(event) for event in self.of(kind)), 10)
            assert there, [(event.event.kind, said(event)) for event in self.events]
            return [event for event in self.of(kind) if fits(event)][-1]


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    with serving(tmp_path) as (fake, api):
        fake.put(PODS, pod("rfr-redis-cluster-0", role="master"))
        fake.put(SLICES, endpoint_slice("one", "rfrm-redis-cluster", "rfr-redis-cluster-0"))
        fake.logs["rfr-redis-cluster-0"] = []
        seen = Watching(fake, api, tmp_path)
        seen.watcher.start()
        yield seen
        seen.watcher.stop()


def test_what_was_there_is_told_once(watching: Watching) -> None:
    watching.fake.wait_asked(PODS, 3)
    watching.fake.wait_asked(SLICES, 3)

    assert [event.event.role for event in watching.of("pod")] == ["master"]
    assert [event.since_ns for event in watching.of("pod")] == [None]
    assert len(watching.of("endpoints")) == 1


def test_members_are_the_pods_with_an_address_and_a_container(watching: Watching) -> None:
    watching.fake.put(PODS, {**pod("rfr-redis-cluster-1"), "status": {"phase": "Pending"}})
    watching.wait("pod", lambda event: event.event.name == "rfr-redis-cluster-1")
    (member,) = watching.watcher.members().values()

    assert (member.name, member.ordinal, member.address, member.port) == ("rfr-redis-cluster-0", 0, "10.244.2.3", 6379)
    assert (member.node, member.domain, member.container) == ("worker-1", "node/worker-1", "c0")


def test_a_moved_endpoint_is_known_to_a_list_and_an_arrival(watching: Watching) -> None:
    watching.fake.wait_asked(SLICES, 2)
    before_ns = mono_ns()
    watching.fake.put(SLICES, endpoint_slice("one", "rfrm-redis-cluster", "rfr-redis-cluster-1"))
    moved = watching.wait("endpoints", lambda event: event.event.endpoints[0]["pod"] == "rfr-redis-cluster-1")

    assert moved.since_ns is not None
    assert moved.since_ns < before_ns < moved.at_ns


def test_a_service_is_all_its_slices(watching: Watching) -> None:
    watching.fake.put(SLICES, endpoint_slice("two", "rfrm-redis-cluster", "rfr-redis-cluster-1"))
    both = watching.wait("endpoints", lambda event: len(event.event.endpoints) == 2)
    watching.fake.delete(SLICES, "one")
    rest = watching.wait("endpoints", lambda event: len(event.event.endpoints) == 1 and event.at_ns > both.at_ns)

    assert rest.event.endpoints[0]["pod"] == "rfr-redis-cluster-1"


def test_a_service_tells_its_address_and_selector(watching: Watching) -> None:
    spec = {"clusterIP": "10.96.0.9", "selector": {"redisfailovers-role": "master"}}
    watching.fake.put(SERVICES, {"metadata": {"name": "rfrm-redis-cluster", "uid": "s"}, "spec": spec})
    told = watching.wait("service")

    assert said(told) == {"service": "rfrm-redis-cluster", "cluster_ip": "10.96.0.9", "selector": spec["selector"]}


def test_a_replaced_pod_is_gone_and_another(watching: Watching) -> None:
    watching.fake.delete(PODS, "rfr-redis-cluster-0")
    gone = watching.wait("pod", lambda event: event.event.gone)
    assert watching.watcher.members() == {}
    watching.fake.put(PODS, pod("rfr-redis-cluster-0", uid="another", container="c1"))
    watching.wait("pod", lambda event: event.event.uid == "another")

    assert gone.event.uid == "uid-of-rfr-redis-cluster-0"
    assert watching.watcher.members()["rfr-redis-cluster-0"].container == "c1"


def test_a_change_of_nothing_that_we_tell_is_not_told(watching: Watching) -> None:
    watching.fake.put(PODS, pod("rfr-redis-cluster-0", role="master") | {"kind": "Pod"})
    watching.fake.put(PODS, pod("rfr-redis-cluster-0", role="slave"))
    watching.wait("pod", lambda event: event.event.role == "slave")

    assert len(watching.of("pod")) == 2


def test_an_older_view_of_a_list_is_ignored(watching: Watching) -> None:
    """Of several API servers one may lag: what it does not know yet is not gone."""
    watching.fake.set(stale=True)
    watching.fake.wait_asked(PODS, 3)

    assert not [event for event in watching.of("pod") if event.event.gone]


@pytest.mark.parametrize("trouble", ["broken", "expired"])
def test_a_break_is_a_gap_and_the_state_is_caught_up(watching: Watching, trouble: str) -> None:
    """Also when the server no longer knows where we were (410)."""
    watching.fake.set(expired=trouble == "expired")
    watching.fake.cut_streams()
    gap = watching.wait("gap")
    watching.fake.put(PODS, pod("rfr-redis-cluster-0", role="slave"))
    watching.wait("pod", lambda event: event.event.role == "slave")

    assert gap.event.source.startswith("watch")
    assert gap.since_ns is not None
    assert gap.since_ns < gap.at_ns
    watching.fake.set(expired=False)


def test_an_api_server_that_is_away_is_one_gap_a_source(watching: Watching) -> None:
    """And what happened meanwhile is known to have happened within it."""
    watching.fake.wait_asked(SLICES, 2)
    watching.fake.set(away=True)
    watching.fake.wait_asked(SLICES, 2)
    watching.fake.cut_streams()
    away_ns = mono_ns()
    watching.fake.put(SLICES, endpoint_slice("one", "rfrm-redis-cluster", "rfr-redis-cluster-2"))
    watching.fake.wait_asked(SLICES, 2)
    assert not watching.of("gap")
    back_ns = mono_ns()
    watching.fake.set(away=False)
    moved = watching.wait("endpoints", lambda event: event.event.endpoints[0]["pod"] == "rfr-redis-cluster-2")
    gap = watching.wait("gap", lambda event: event.event.source == "watch endpointslices")

    assert moved.since_ns is not None
    assert gap.since_ns is not None
    assert moved.since_ns < away_ns < moved.at_ns
    assert gap.since_ns < away_ns
    assert back_ns < gap.at_ns


def test_a_server_that_does_not_answer_at_first_is_an_error(tmp_path: Path) -> None:
    with serving(tmp_path) as (fake, api):
        fake.set(away=True)
        with pytest.raises(ApiError, match="/pods"):
            Watching(fake, api, tmp_path).watcher.start()
