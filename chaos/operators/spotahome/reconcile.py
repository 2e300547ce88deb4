"""One reconcile of the operator, as a list of steps: CheckAndHeal of its checker.go, with its early returns. Pure.

It follows spotahome/redis-operator v1.3.0-rc1, function by function; each docstring names the Go function. Left out is
what no local system has: metrics, bootstrapping from another system, a single Redis, and the ages of pods.

A step is a generator. It yields what is to be done and is sent what came of it. So the operator's order of calls and
writes is written down once, without input or output: a test answers for a whole system, `resync` with the real one.
"""

import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from chaos.cluster.local.config import itself
from chaos.cluster.local.controller import Address, Label, ListedPod, Role, Task
from chaos.observe.watch import pairs
from chaos.operators.spotahome import REPAIR_LINE
from chaos.resp import info_fields

T = TypeVar("T")


class Failed(Exception):
    """An error of the operator. It ends the reconcile unless a step goes on after it. Its text is logged."""


@dataclass(frozen=True, slots=True)
class RedisCall:
    """Send one command to a Redis or a Sentinel. The answer is its reply, or Failed."""

    address: Address
    words: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """List the pods as they are now, in the order of their names. Every step of the operator lists them anew."""


@dataclass(frozen=True, slots=True)
class LogNote:
    level: Literal["info", "warning", "error"]
    text: str


Action = RedisCall | Label | Look | LogNote
Steps = Generator[Action, Any, T]


def pods_of(component: str, *, at_work: bool = True) -> Steps[list[ListedPod]]:
    """The pods that run and are not terminating, or else all (check.go: GetRedisesIPs, GetSentinelsIPs)."""
    pods: tuple[ListedPod, ...] = yield Look()
    return [pod for pod in pods if pod.component == component and (pod.at_work or not at_work)]


def call(address: Address, *words: str | int) -> Steps[Any]:
    """The reply to one command. Raises Failed."""
    return (yield RedisCall(address, words))


def is_master(redis: Address) -> Steps[bool]:
    """client.go: IsMaster."""
    return info_fields((yield from call(redis, "INFO", "replication"))).get("role") == "master"


def followed_by(redis: Address) -> Steps[Address | None]:
    """Whom a Redis follows; None for a master (client.go: GetSlaveOf).

    Unlike there the port is part of it, since on a local system several Redis may have one address.
    """
    fields = info_fields((yield from call(redis, "INFO", "replication")))
    return (fields["master_host"], int(fields["master_port"])) if "master_host" in fields else None


def label(pod: ListedPod, role: Role) -> Steps[None]:
    """check.go: setMasterLabelIfNecessary, setSlaveLabelIfNecessary."""
    if pod.role != role:
        yield Label(pod.name, role)


def reconcile(task: Task) -> Steps[None]:
    """checker.go: CheckAndHeal. Raises Failed if it ends with an error. The next resync begins afresh."""
    if not (yield from _all_running("redis", task.replicas + 1)):
        return
    if not (yield from _all_running("sentinel", task.sentinels)):
        return
    masters = yield from _masters()
    if len(masters) > 1:
        raise Failed("more than one master, fix manually")
    if not masters and not (yield from no_master(task)):
        return
    master = yield from _the_master()
    yield from _follow(master)
    yield from _set_redis(task)
    yield from _update_pods()
    yield from monitor(task, master)
    yield from heal_sentinels(task)


def all_running(pods: list[ListedPod], wanted: int) -> bool:
    """check.go: IsRedisRunning, AreAllRunning. The phase counts, and not whether a pod is Ready."""
    return len(pods) >= wanted and all(pod.at_work for pod in pods)


def _all_running(component: str, wanted: int) -> Steps[bool]:
    """The operator returns without a word at its usual level of logging."""
    return all_running((yield from pods_of(component, at_work=False)), wanted)


def _masters() -> Steps[list[Address]]:
    """check.go: GetNumberMasters. A Redis that does not answer counts as no master."""
    masters = []
    for pod in (yield from pods_of("redis")):
        try:
            if (yield from is_master(pod.address)):
                masters.append(pod.address)
        except Failed:
            yield LogNote("error", f"Get redis info failed, maybe this node is not ready, pod ip: {pod.ip}")
    return masters


def _the_master() -> Steps[Address]:
    """check.go: GetMasterIP. It asks every pod once more, and waits once more for those that do not answer."""
    masters = yield from _masters()
    if len(masters) != 1:
        raise Failed("number of redis nodes known as master is different than 1")
    return masters[0]


def _follow(master: Address) -> Steps[None]:
    """checker.go: once one pod does not follow the master all are made to, and no more labels are checked."""
    try:
        yield from _check_all_slaves(master)
    except Failed as wrong:
        yield LogNote("warning", f"Slave not associated to master: {wrong}")
        yield from _set_master_on_all(master)


def _check_all_slaves(master: Address) -> Steps[None]:
    """check.go: CheckAllSlavesFromMaster. In the order of names each pod gets its label and is asked *after* that.

    So if a pod has just come back and still follows itself, no pod after it gets its label, not even the master.
    """
    for pod in (yield from pods_of("redis", at_work=False)):
        yield from label(pod, "master" if pod.address == master else "slave")
        try:
            followed = yield from followed_by(pod.address)
        except Failed:
            yield LogNote("error", f"Get slave of master failed, maybe this node is not ready, pod ip: {pod.ip}")
            raise
        if followed and followed != master:
            raise Failed(f"slave {pod.ip} don't have the master {master[0]}, has {followed[0]}")


def _set_master_on_all(master: Address) -> Steps[None]:
    """heal.go: SetMasterOnAll. It skips the master, and so does not label it."""
    for pod in (yield from pods_of("redis", at_work=False)):
        if not (yield from _still_master(master)):
            return
        if pod.address == master:
            continue
        yield LogNote("info", f"{REPAIR_LINE} {pod.name} slave of {master[0]}")
        try:
            yield from call(pod.address, "SLAVEOF", *master)
        except Failed as error:
            text = f"Make slave failed, slave ip: {pod.ip}, master ip: {master[0]}, error: {error}"
            yield LogNote("error", text)
            raise
        yield from label(pod, "slave")


def _still_master(master: Address) -> Steps[bool]:
    text = f"check master failed maybe this node is not ready(ip changed), or sentinel made a switch: {master[0]}"
    try:
        still = yield from is_master(master)
    except Failed:
        yield LogNote("error", text)
        raise
    if not still:
        yield LogNote("error", text)
    return still


def _set_redis(task: Task) -> Steps[None]:
    """checker.go: applyRedisCustomConfig. A setting that one of them refuses ends the reconcile."""
    for pod in (yield from pods_of("redis")):
        for name, value in task.settings.get("redis", {}).items():
            yield from call(pod.address, "CONFIG", "SET", name, value)


def _update_pods() -> Steps[None]:
    """checker.go: UpdateRedisesPods. All that is left of it here is that every replica has to answer.

    It replaces pods of an old revision once all replicas are in sync, and here no pod is of an old revision.
    """
    master = (yield from _masters())[:1]
    for pod in (yield from pods_of("redis")):
        if [pod.address] != master:
            yield from call(pod.address, "INFO", "replication")


def no_master(task: Task) -> Steps[bool]:
    """checker.go: the case of 0 masters. As a rule it waits for Sentinel.

    True if it has made a Redis the master, so that the reconcile goes on.
    """
    yield LogNote("warning", "Number of Masters running is 0")
    unhealthy = yield from _without_quorum(task)
    if unhealthy:
        text = "Quorum not available for sentinel to choose master,estimated unhealthy sentinels"
        yield LogNote("warning", f"{text} :{unhealthy} , Operator to step-in")
    elif not (yield from _all_follow_themselves()):
        yield LogNote("info", "no master found, wait until failover or fix manually")
        return False
    else:
        text = "all available redis is having local loop back as master , operator initiates master selection"
        yield LogNote("error", text)
    yield from _set_oldest_as_master()
    return True


def _without_quorum(task: Task) -> Steps[int]:
    """check.go: CheckSentinelQuorum. How many Sentinels are unhealthy if that is too many, else 0.

    The quorum is compared with those that see no quorum, and not with those that do.
    """
    sentinels = yield from pods_of("sentinel")
    if len(sentinels) < task.quorum:
        return task.quorum - len(sentinels)
    unhealthy = 0
    for pod in sentinels:
        try:
            yield from call(pod.address, "SENTINEL", "CKQUORUM", task.master)
        except Failed:
            yield LogNote("warning", "Unable to get result for CKQUORUM comand")
            unhealthy += 1
    return unhealthy if unhealthy >= task.quorum else 0


def _all_follow_themselves() -> Steps[bool]:
    """check.go: CheckIfMasterLocalhost. Every Redis that has just started from the operator's file follows itself."""
    themselves = []
    for pod in (yield from pods_of("redis")):
        try:
            followed = yield from followed_by(pod.address)
        except Failed:
            yield LogNote("warning", "CheckIfMasterLocalhost -- GetSlaveOf Failed")
            yield LogNote("error", "CheckIfMasterLocalhost failed retry later")
            raise
        if followed is None:
            raise Failed("unexpected master state, fix manually")
        themselves.append(followed == (itself(pod.ip), pod.port))
    return all(themselves)


def _set_oldest_as_master() -> Steps[None]:
    """heal.go: SetOldestAsMaster. The ages of pods are not known here, so it takes the first by name."""
    master = None
    for pod in (yield from pods_of("redis", at_work=False)):
        if master is None:
            yield LogNote("info", f"New master is {pod.name} with ip {pod.ip}")
            try:
                yield from call(pod.address, "SLAVEOF", "NO", "ONE")
            except Failed as error:
                yield LogNote("error", f"Make new master failed, master ip: {pod.ip}, error: {error}")
                continue
            master = pod.address
            yield from label(pod, "master")
            continue
        yield LogNote("info", f"{REPAIR_LINE} {pod.name} slave of {master[0]}")
        try:
            yield from call(pod.address, "SLAVEOF", *master)
        except Failed as error:
            text = f"Make slave failed, slave pod ip: {pod.ip}, master ip: {master[0]}, error: {error}"
            yield LogNote("error", text)
        yield from label(pod, "slave")
    if master is None:
        raise Failed("SetOldestAsMaster- unable to set master")


def monitor(task: Task, master: Address) -> Steps[None]:
    """checker.go: CheckSentinelMonitor, NewSentinelMonitor; client.go: MonitorRedisWithPort, which sets the password.

    A Sentinel that has not switched yet is right to name the old master, and is told to forget it all the same. MONITOR
    resets every setting to its default; they are set again at the end of the reconcile.
    """
    for pod in (yield from pods_of("sentinel")):
        try:
            yield from _check_monitor(task, pod, master)
        except Failed as wrong:
            yield LogNote("warning", f"Fixing sentinel not monitoring expected master: {wrong}")
            yield from _remove(task, pod)
            yield from call(pod.address, "SENTINEL", "MONITOR", task.master, *master, task.quorum)
            for name, value in task.login.items():
                yield from call(pod.address, "SENTINEL", "SET", task.master, name, value)


def _check_monitor(task: Task, pod: ListedPod, master: Address) -> Steps[None]:
    watched = pairs((yield from call(pod.address, "SENTINEL", "MASTER", task.master)))
    if (watched["ip"], int(watched["port"])) != master:
        raise Failed(f"sentinel monitoring {watched['ip']}:{watched['port']} instead {master[0]}:{master[1]}")


def _remove(task: Task, pod: ListedPod) -> Steps[None]:
    """client.go: MonitorRedisWithPort, which goes on even if this fails."""
    try:
        yield from call(pod.address, "SENTINEL", "REMOVE", task.master)
    except Failed:
        return


def heal_sentinels(task: Task) -> Steps[None]:
    """checker.go: checkAndHealSentinels. It checks what all know of Sentinels, then of replicas, and then sets all."""
    watching = yield from pods_of("sentinel")
    yield from _count(watching, "sentinels", task.sentinels, "sentinels")
    yield from _count(watching, "slaves", task.replicas, "expected slaves")
    for pod in watching:
        for name, value in task.settings.get("sentinel", {}).items():
            yield from call(pod.address, "SENTINEL", "SET", task.master, name, value)


def _count(watching: list[ListedPod], field: str, wanted: int, words: str) -> Steps[None]:
    """Reset each Sentinel that knows another number, or cannot say. A reset one forgets all but the master."""
    for pod in watching:
        try:
            info = yield from call(pod.address, "INFO", "sentinel")
        except Failed:
            info = ""
        if known(info, field) != wanted:
            yield LogNote("warning", f"Sentinel {pod.ip} mismatch number of {words} in memory. resetting")
            yield from call(pod.address, "SENTINEL", "RESET", "*")


def known(info: str, field: str) -> int | None:
    """The number in INFO sentinel; None if the Sentinel's first master is not ok (client.go: isSentinelReady)."""
    status, number = re.search(r"status=([a-z]+)", info), re.search(rf"{field}=(\d+)", info)
    return int(number[1]) if number and status and status[1] == "ok" else None
