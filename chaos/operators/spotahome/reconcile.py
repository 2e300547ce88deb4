"""One reconcile of the operator as a list of steps: CheckAndHeal of its checker.go, with its early returns.

The code follows spotahome/redis-operator v1.3.0-rc1, function by function; each docstring names the Go function. It
leaves out what no local system has: metrics, bootstrapping from another system, a single Redis, and the ages of pods.

A step is a generator. It yields an action and is sent the result of that action. The order of the operator's calls and
writes is thus written down once, without input or output. A test sends results for a whole system, and `resync` carries
the actions out on the real one.
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
    """An error of the operator. It ends the reconcile unless a step catches it. Its text is logged."""


@dataclass(frozen=True, slots=True)
class RedisCall:
    """Send one command to a Redis or a Sentinel. The result is its reply, or Failed is raised."""

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
    """Return the pods of a component that run and are not terminating (check.go: GetRedisesIPs, GetSentinelsIPs).

    With `at_work=False`, return all pods of the component.
    """
    pods: tuple[ListedPod, ...] = yield Look()
    return [pod for pod in pods if pod.component == component and (pod.at_work or not at_work)]


def call(address: Address, *words: str | int) -> Steps[Any]:
    """Return the reply to one command. Raises Failed."""
    return (yield RedisCall(address, words))


def is_master(redis: Address) -> Steps[bool]:
    """Return whether a Redis is a master (client.go: IsMaster)."""
    return info_fields((yield from call(redis, "INFO", "replication"))).get("role") == "master"


def followed_by(redis: Address) -> Steps[Address | None]:
    """Return the address that a Redis follows, or None for a master (client.go: GetSlaveOf).

    The Go function returns no port. Here it is needed, because on a local system several Redis may have one IP.
    """
    fields = info_fields((yield from call(redis, "INFO", "replication")))
    return (fields["master_host"], int(fields["master_port"])) if "master_host" in fields else None


def label(pod: ListedPod, role: Role) -> Steps[None]:
    """Give a pod its label unless it has it (check.go: setMasterLabelIfNecessary, setSlaveLabelIfNecessary)."""
    if pod.role != role:
        yield Label(pod.name, role)


def reconcile(task: Task) -> Steps[None]:
    """Play one reconcile (checker.go: CheckAndHeal). Raises Failed if it ends with an error."""
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
    """Return whether at least `wanted` pods run (check.go: IsRedisRunning, AreAllRunning).

    The phase of a pod counts, and not whether the pod is Ready.
    """
    return len(pods) >= wanted and all(pod.at_work for pod in pods)


def _all_running(component: str, wanted: int) -> Steps[bool]:
    """Return whether a component's pods run. The operator logs nothing at its usual level if they do not."""
    return all_running((yield from pods_of(component, at_work=False)), wanted)


def _masters() -> Steps[list[Address]]:
    """Return the masters (check.go: GetNumberMasters). A Redis that does not answer counts as no master."""
    masters = []
    for pod in (yield from pods_of("redis")):
        try:
            if (yield from is_master(pod.address)):
                masters.append(pod.address)
        except Failed:
            yield LogNote("error", f"Get redis info failed, maybe this node is not ready, pod ip: {pod.ip}")
    return masters


def _the_master() -> Steps[Address]:
    """Return the one master (check.go: GetMasterIP).

    Every pod is asked once more, and a pod that does not answer is waited for once more.
    """
    masters = yield from _masters()
    if len(masters) != 1:
        raise Failed("number of redis nodes known as master is different than 1")
    return masters[0]


def _follow(master: Address) -> Steps[None]:
    """Check all pods, and make all of them follow the master once one does not (checker.go).

    No more labels are checked after that pod.
    """
    try:
        yield from _check_all_slaves(master)
    except Failed as wrong:
        yield LogNote("warning", f"Slave not associated to master: {wrong}")
        yield from _set_master_on_all(master)


def _check_all_slaves(master: Address) -> Steps[None]:
    """Go through the pods by name: label a pod, and then ask it which master it follows (CheckAllSlavesFromMaster).

    This is in check.go. If a pod has just come back and still follows itself, no pod after it gets its label, not even
    the master.
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
    """Make every other pod follow the master, and label it (heal.go: SetMasterOnAll). The master is not labelled."""
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
    """Set every Redis (checker.go: applyRedisCustomConfig). If one refuses a setting, the reconcile ends."""
    for pod in (yield from pods_of("redis")):
        for name, value in task.settings.get("redis", {}).items():
            yield from call(pod.address, "CONFIG", "SET", name, value)


def _update_pods() -> Steps[None]:
    """Ask every replica for its state (checker.go: UpdateRedisesPods). If one does not answer, the reconcile ends.

    The operator then replaces pods of an old revision, and here no pod is of an old revision.
    """
    master = (yield from _masters())[:1]
    for pod in (yield from pods_of("redis")):
        if [pod.address] != master:
            yield from call(pod.address, "INFO", "replication")


def no_master(task: Task) -> Steps[bool]:
    """Act without a master, as a rule by waiting for Sentinel (checker.go: the case of 0 masters).

    Return True if a Redis was made the master, so that the reconcile goes on.
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
    """Return how many Sentinels are unhealthy if that is too many, else 0 (check.go: CheckSentinelQuorum).

    The operator compares the quorum with the number of Sentinels that see no quorum, and not with those that do.
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
    """Return whether every Redis follows itself (check.go: CheckIfMasterLocalhost).

    A Redis that has just started from the operator's file follows itself.
    """
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
    """Make the first Redis by name the master, and the others its replicas (heal.go: SetOldestAsMaster).

    The operator takes the oldest pod, but the ages of pods are not known here.
    """
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
    """Make every Sentinel monitor the master (checker.go: CheckSentinelMonitor, NewSentinelMonitor).

    The password is set as in client.go: MonitorRedisWithPort. A Sentinel that has not switched yet rightly names the
    old master, and is made to forget it all the same. MONITOR resets every setting to its default. The settings are set
    again at the end of the reconcile.
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
    """Remove the master from a Sentinel, and go on if that fails (client.go: MonitorRedisWithPort)."""
    try:
        yield from call(pod.address, "SENTINEL", "REMOVE", task.master)
    except Failed:
        return


def heal_sentinels(task: Task) -> Steps[None]:
    """Check how many Sentinels and replicas each Sentinel knows, and set it (checker.go: checkAndHealSentinels)."""
    watching = yield from pods_of("sentinel")
    yield from _count(watching, "sentinels", task.sentinels, "sentinels")
    yield from _count(watching, "slaves", task.replicas, "expected slaves")
    for pod in watching:
        for name, value in task.settings.get("sentinel", {}).items():
            yield from call(pod.address, "SENTINEL", "SET", task.master, name, value)


def _count(watching: list[ListedPod], field: str, wanted: int, words: str) -> Steps[None]:
    """Reset each Sentinel that does not know `wanted` others. After a reset it knows only the master."""
    for pod in watching:
        try:
            info = yield from call(pod.address, "INFO", "sentinel")
        except Failed:
            info = ""
        if known(info, field) != wanted:
            yield LogNote("warning", f"Sentinel {pod.ip} mismatch number of {words} in memory. resetting")
            yield from call(pod.address, "SENTINEL", "RESET", "*")


def known(info: str, field: str) -> int | None:
    """Return a number from INFO sentinel, or None if the first master is not ok (client.go: isSentinelReady)."""
    status, number = re.search(r"status=([a-z]+)", info), re.search(rf"{field}=(\d+)", info)
    return int(number[1]) if number and status and status[1] == "ok" else None
