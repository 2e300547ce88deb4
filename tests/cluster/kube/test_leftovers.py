"""`failover cleanup` on Kubernetes: what a dead run did to nodes and left there is named, undone and removed."""

from pathlib import Path
from typing import Any

import pytest

from chaos.cleanup import cleanup
from chaos.cluster.base import Disturbance
from chaos.cluster.kube import nodes
from chaos.cluster.kube.api import RUN_LABEL
from chaos.errors import FaultError
from chaos.undo import STATE, found_runs
from tests.cluster.kube.server import Server
from tests.cluster.kube.test_nodes import NODE, TARGET, Worker
from tests.test_undo import own

Object = dict[str, Any]
HELPER = "/api/v1/namespaces/failover-harness/pods/helper-x"


@pytest.fixture
def worker(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """A node that a run had drained when it was killed, with a helper of it and what undoes it."""
    monkeypatch.setenv(STATE, str(tmp_path / "state"))
    run = own(tmp_path, "prod", place="kube")
    reach = {"kubeconfig": str(server.kubeconfig(tmp_path)), "context": "fake"}
    with run:
        run.write(nodes.undo_of(Disturbance.DRAIN, TARGET, "", run.about.id, reach))
        run.reached_by(reach)
    made = Worker(server)
    made.node["metadata"]["annotations"] = {RUN_LABEL: run.about.id}
    made.node["spec"] = {"unschedulable": True, "taints": [{"key": nodes.UNSCHEDULABLE, "effect": "NoSchedule"}]}
    there: list[Object] = [{"metadata": {"name": "helper-x", "namespace": "failover-harness", "labels": {}}}]
    server.answers["GET", "/version"] = {"major": "1"}
    server.answers["GET", "/api/v1/pods"] = lambda: {"items": there}
    server.items("/api/v1/configmaps")

    def deleted() -> Object:
        there.clear()
        return {"status": "Success"}

    server.answers["DELETE", HELPER] = deleted
    return made


async def test_a_dry_run_names_what_is_there_and_changes_nothing(worker: Worker) -> None:
    said: list[str] = []
    await cleanup(said.append, dry_run=True)

    assert said[1:] == [
        "  would undo or remove: drain of worker",
        "  would undo or remove: pod failover-harness/helper-x",
    ]
    assert {method for method, *_ in worker.server.asked} == {"GET"}
    assert worker.node["spec"]["unschedulable"]


async def test_the_node_takes_pods_again_and_nothing_of_the_run_is_left(worker: Worker) -> None:
    said: list[str] = []
    await cleanup(said.append, dry_run=False)

    assert f"  undone: drain of worker: worker is no longer tainted {nodes.UNSCHEDULABLE}" in said
    assert "  removed: pod failover-harness/helper-x" in said
    assert (worker.node["spec"], found_runs()) == ({}, [])


async def test_a_node_that_does_not_come_back_stays_written_down_and_the_rest_is_removed(worker: Worker) -> None:
    del worker.server.answers["PATCH", NODE]
    said: list[str] = []
    with pytest.raises(FaultError, match=r"drain of worker: .*; by hand: kubectl .* uncordon worker"):
        await cleanup(said.append, dry_run=False)

    assert "  removed: pod failover-harness/helper-x" in said
    [run] = found_runs()
    assert [undo.what for undo in run.undos().values()] == ["drain of worker"]
