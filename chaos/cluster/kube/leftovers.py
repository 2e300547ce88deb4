"""Find and remove what a run left on Kubernetes: its faults, its agents with their recordings, and other objects.

All of it is found by the label with the run's id. A ConfigMap says how to undo the run's faults, so that a run of
another machine learns which run holds a fault on this cluster, and does not start.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from chaos.agent.keeper import Mirror
from chaos.cluster.kube.agent import KEEPER, KEEPER_COMMAND
from chaos.cluster.kube.api import OURS, RUN_LABEL, Api, ApiError, Object, carried
from chaos.cluster.kube.deploy import NAMESPACE
from chaos.cluster.kube.helper import COMPONENT, CONTAINER, GRACE_S, NODE_HELPER, TALK
from chaos.cluster.kube.kind import Kind
from chaos.cluster.kube.nodes import undone
from chaos.cluster.kube.stream import LineStream, PodProgram, StreamBroken, asked_once
from chaos.errors import FaultError, SetupError
from chaos.model import Member
from chaos.undo import FoundRun, RunAbout, Undo, found_runs
from chaos.until import until

CONFIGMAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
HELPERS = f"/api/v1/namespaces/{NAMESPACE}/pods"
UNDO = "undo"
TRIAL = "failover-harness/trial"
"""The annotation of an agent's pod with the directory for its recording."""
ASK_S, PULL_S, GONE_S = 5.0, 30.0, 60.0
Says = Callable[[str], object]


def undo_of(what: str, target: Member | None, run: str, reach: dict[str, str]) -> Undo:
    """Return how to undo a helper's fault: the run's helpers heal, on the target's node only if there is a target."""
    kubectl = f"kubectl --kubeconfig {reach['kubeconfig']} --context {reach['context']} --namespace {NAMESPACE}"
    return Undo(
        what=f"{what} of {target.name}" if target else what,
        executor="helper",
        where={**reach, "run": run, "node": target.node if target else ""},
        request={"do": "heal"},
        by_hand=f"{kubectl} delete pod --selector {RUN_LABEL}={run}",
    )


async def keep(api: Api, name: str, about: RunAbout, undos: Sequence[Undo]) -> None:
    """Store the undos in a ConfigMap, or remove the ConfigMap if there are none."""
    full = f"{UNDO}-{about.id}-{name}"
    if not undos:
        await api.delete(f"{CONFIGMAPS}/{full}")
        return
    data = {"run.json": json.dumps(asdict(about)), "undo.json": json.dumps([asdict(undo) for undo in undos])}
    labels = {COMPONENT: UNDO}
    metadata = {"name": full, "namespace": NAMESPACE, "labels": labels}
    await api.apply(carried({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}, about.id))


async def refuse_held(api: Api) -> None:
    """Raise SetupError, with the run's name, if another run holds a fault on this cluster.

    Call it before this run makes any fault. A run of this machine is alive if its lock is held. A run of another
    machine is alive as long as its helpers hold a fault, because they undo it when their host falls silent.
    """
    here = {run.about.id: run.lives for run in found_runs()}
    for kept in await api.items(CONFIGMAPS, labelSelector=f"{OURS},{COMPONENT}={UNDO}"):
        about = RunAbout(**json.loads(kept["data"]["run.json"]))
        undos = [Undo(**one) for one in json.loads(kept["data"]["undo.json"])]
        lives = here[about.id] if about.id in here else await _is_held(api, about.id)
        if lives:
            held = ", ".join(undo.what for undo in undos)
            raise SetupError(f"{about.named} holds {held} on this cluster: wait until it has ended")


async def heal(api: Api, undo: Undo) -> str:
    """Carry out an undo and return its proof in words. It may be repeated. The helpers of the run do it, or
    `chaos.cluster.kube.nodes` for a disturbed node.
    """
    if undo.executor == "nodes":
        return await undone(api, undo)
    node = undo.where["node"]
    helpers = [pod for pod in await _helpers(api, undo.where["run"]) if node in ("", pod["spec"]["nodeName"])]
    for pod in helpers:
        await _asked(api, pod, undo.request)
    names = ", ".join(pod["metadata"]["name"] for pod in helpers)
    return f"{names} undid it" if names else "its helper has ended, which undoes what it holds before it ends"


async def clean(api: Api, run: FoundRun, says: Says) -> None:
    """Fetch the recordings of a run's agents, and remove every object with the run's label. The system stays."""
    selector = f"{OURS},{RUN_LABEL}={run.about.id}"
    there, trials = await labelled(api, run), _trials(run)
    for pod in (one for kind, one in there if kind == "pods"):
        trial = pod["metadata"].get("annotations", {}).get(TRIAL)
        if trial in trials:
            says(await _fetched(api, pod, Path(trial)))
        elif trial:
            says(f"not fetched: the recording of {pod['metadata']['name']}, since {trial} is not there")
    for kind, one in there:
        meta = one["metadata"]
        helps = meta["labels"].get(COMPONENT) == NODE_HELPER
        await api.delete(f"/api/v1/namespaces/{meta['namespace']}/{kind}/{meta['name']}", GRACE_S if helps else 0)
        says(f"removed: {named(one)}")

    async def gone() -> bool:
        return not await api.items("/api/v1/pods", labelSelector=selector)

    await until(gone, within_s=GONE_S, because=f"pods of {run.about.named} do not go", every_s=0.5, error=FaultError)


async def labelled(api: Api, run: FoundRun) -> list[tuple[str, Object]]:
    """Return every object with the run's label, each with the word for its kind in an API path."""
    selector = f"{OURS},{RUN_LABEL}={run.about.id}"
    found = [(kind, await api.items(f"/api/v1/{kind}", labelSelector=selector)) for kind in ("pods", "configmaps")]
    return [(kind, {"kind": kind.removesuffix("s"), **one}) for kind, items in found for one in items]


def named(one: Object) -> str:
    return f"{one['kind']} {one['metadata']['namespace']}/{one['metadata']['name']}"


def _trials(run: FoundRun) -> set[str]:
    """Return the directories of the run's trials that exist."""
    return {str(path) for path in Path(run.about.campaign).glob("*/")}


async def reached(run: FoundRun) -> Api | None:
    """Connect to the cluster of a run. Return None if it no longer exists. Raises SetupError if it is silent."""
    reach = run.about.reach
    if run.about.place == "kind" and not await Kind(run.about.cluster).exists():
        return None
    api = Api(Path(reach["kubeconfig"]), reach["context"])
    try:
        await api.request("GET", "/version")
    except ApiError:
        api.close()
        raise
    return api


async def _helpers(api: Api, run: str) -> list[Object]:
    selector = f"{OURS},{RUN_LABEL}={run},{COMPONENT}={NODE_HELPER}"
    found = await api.items(HELPERS, labelSelector=selector)
    return [pod for pod in found if pod.get("status", {}).get("phase") == "Running"]


async def _is_held(api: Api, run: str) -> bool:
    """Return whether a helper of a run holds a fault. A helper that does not answer counts as holding one."""
    for pod in await _helpers(api, run):
        try:
            if (await _asked(api, pod, {"do": "status"}))["held"]:
                return True
        except StreamBroken:
            return True
    return False


async def _asked(api: Api, helper: Object, request: Object) -> Object:
    program = PodProgram(NAMESPACE, helper["metadata"]["name"], CONTAINER, TALK)
    answer = await asked_once(api, program, request, ASK_S)
    if "error" in answer:
        raise FaultError(f"{helper['metadata']['name']}: {answer['error']}")
    return answer


async def _fetched(api: Api, agent: Object, trial: Path) -> str:
    """Fetch everything that an agent has recorded into the directory of its trial."""
    name, namespace = agent["metadata"]["name"], agent["metadata"]["namespace"]
    stream, mirror, count = LineStream(api, PodProgram(namespace, name, KEEPER, KEEPER_COMMAND)), Mirror(trial), 0
    try:
        await stream.open()
        while not mirror.complete:
            count += mirror.accept(await stream.ask(mirror.request(), PULL_S))
    except StreamBroken as error:
        return f"the rest of the recording of {name} could not be fetched: {error}; {trial} has what came before"
    finally:
        await stream.close()
    return f"fetched: {count} bytes from {name} into {trial}"
