"""The second half of a reconcile: Sentinels that watch another master, or know more or less than there is. Pure."""

import re

from chaos.cluster.local.controller.board import Address, Pod, Spec
from chaos.cluster.local.controller.steps import Failed, Note, Steps, call, pods_of
from chaos.observe.watch import pairs


def monitor(spec: Spec, master: Address) -> Steps[None]:
    """checker.go: CheckSentinelMonitor, NewSentinelMonitor.

    Until its own +switch-master a Sentinel is right to name the old master, and is told to forget it all the same.
    MONITOR takes every setting back to its default; they are set at the end of the reconcile.
    """
    for pod in (yield from pods_of("sentinel")):
        try:
            yield from _check_monitor(spec, pod, master)
        except Failed as wrong:
            yield Note("warning", f"Fixing sentinel not monitoring expected master: {wrong}")
            yield from _remove(spec, pod)
            yield from call(pod.address, "SENTINEL", "MONITOR", spec.master, *master, spec.quorum)


def _check_monitor(spec: Spec, pod: Pod, master: Address) -> Steps[None]:
    watched = pairs((yield from call(pod.address, "SENTINEL", "MASTER", spec.master)))
    if (watched["ip"], int(watched["port"])) != master:
        raise Failed(f"sentinel monitoring {watched['ip']}:{watched['port']} instead {master[0]}:{master[1]}")


def _remove(spec: Spec, pod: Pod) -> Steps[None]:
    """client.go: MonitorRedisWithPort goes on even where this fails."""
    try:
        yield from call(pod.address, "SENTINEL", "REMOVE", spec.master)
    except Failed:
        return


def heal_sentinels(spec: Spec) -> Steps[None]:
    """checker.go: checkAndHealSentinels: all are counted one way, then all the other way, then all are set."""
    watching = yield from pods_of("sentinel")
    yield from _count(watching, "sentinels", spec.sentinels, "sentinels")
    yield from _count(watching, "slaves", spec.replicas, "expected slaves")
    for pod in watching:
        for name, value in spec.settings.get("sentinel", {}).items():
            yield from call(pod.address, "SENTINEL", "SET", spec.master, name, value)


def _count(watching: list[Pod], field: str, wanted: int, words: str) -> Steps[None]:
    """Reset each Sentinel that has another number in memory, or is not ready to say: it forgets all but the master."""
    for pod in watching:
        try:
            info = yield from call(pod.address, "INFO", "sentinel")
        except Failed:
            info = ""
        if known(info, field) != wanted:
            yield Note("warning", f"Sentinel {pod.ip} mismatch number of {words} in memory. resetting")
            yield from call(pod.address, "SENTINEL", "RESET", "*")


def known(info: str, field: str) -> int | None:
    """The number in INFO sentinel; None where the Sentinel's first master is not ok (client.go: isSentinelReady)."""
    status, number = re.search(r"status=([a-z]+)", info), re.search(rf"{field}=(\d+)", info)
    return int(number[1]) if number and status and status[1] == "ok" else None
