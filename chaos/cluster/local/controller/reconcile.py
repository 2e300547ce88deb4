"""One reconcile of the Redis operator, in its order and with its early returns: CheckAndHeal of its checker.go. Pure.

Followed is spotahome/redis-operator v1.3.0-rc1, function by function; each says which it stands for. Left out is what
nothing here has: passwords, metrics, bootstrapping from another system, a single Redis, and the ages of pods.
"""

from chaos.cluster.local.controller.board import Address, Pod, Spec
from chaos.cluster.local.controller.masterless import no_master
from chaos.cluster.local.controller.steps import Failed, Note, Steps, call, followed_by, is_master, label, pods_of
from chaos.cluster.local.controller.watchers import heal_sentinels, monitor


def reconcile(spec: Spec) -> Steps[None]:
    """checker.go: CheckAndHeal. Raises Failed where it ends with an error; the next resync begins afresh."""
    if not (yield from _all_running("redis", spec.replicas + 1)):
        return
    if not (yield from _all_running("sentinel", spec.sentinels)):
        return
    masters = yield from _masters()
    if len(masters) > 1:
        raise Failed("more than one master, fix manually")
    if not masters and not (yield from no_master(spec)):
        return
    master = yield from _the_master()
    yield from _follow(master)
    yield from _set_redis(spec)
    yield from _update_pods()
    yield from monitor(spec, master)
    yield from heal_sentinels(spec)


def all_running(pods: list[Pod], wanted: int) -> bool:
    """check.go: IsRedisRunning, AreAllRunning: by their phase, whether they are Ready or not."""
    return len(pods) >= wanted and all(pod.at_work for pod in pods)


def _all_running(component: str, wanted: int) -> Steps[bool]:
    """The operator returns without a word at its usual level of logging."""
    return all_running((yield from pods_of(component, at_work=False)), wanted)


def _masters() -> Steps[list[Address]]:
    """check.go: GetNumberMasters. Who does not answer is no master."""
    masters = []
    for pod in (yield from pods_of("redis")):
        try:
            if (yield from is_master(pod.address)):
                masters.append(pod.address)
        except Failed:
            yield Note("error", f"Get redis info failed, maybe this node is not ready, pod ip: {pod.ip}")
    return masters


def _the_master() -> Steps[Address]:
    """check.go: GetMasterIP. It asks every pod again, and waits again for those that do not answer."""
    masters = yield from _masters()
    if len(masters) != 1:
        raise Failed("number of redis nodes known as master is different than 1")
    return masters[0]


def _follow(master: Address) -> Steps[None]:
    """checker.go: after the first pod that does not follow, all are made to, and no more labels are looked at."""
    try:
        yield from _check_all_slaves(master)
    except Failed as wrong:
        yield Note("warning", f"Slave not associated to master: {wrong}")
        yield from _set_master_on_all(master)


def _check_all_slaves(master: Address) -> Steps[None]:
    """check.go: CheckAllSlavesFromMaster. In the order of names each pod gets its label, and *then* is asked.

    So a pod that has just come back and still follows itself keeps every pod after it from its label, the master too.
    """
    for pod in (yield from pods_of("redis", at_work=False)):
        yield from label(pod, "master" if pod.address == master else "slave")
        try:
            followed = yield from followed_by(pod.address)
        except Failed:
            yield Note("error", f"Get slave of master failed, maybe this node is not ready, pod ip: {pod.ip}")
            raise
        if followed and followed != master:
            raise Failed(f"slave {pod.ip} don't have the master {master[0]}, has {followed[0]}")


def _set_master_on_all(master: Address) -> Steps[None]:
    """heal.go: SetMasterOnAll. It passes over the master, and so does not label it."""
    for pod in (yield from pods_of("redis", at_work=False)):
        if not (yield from _still_master(master)):
            return
        if pod.address == master:
            continue
        yield Note("info", f"Making pod {pod.name} slave of {master[0]}")
        try:
            yield from call(pod.address, "SLAVEOF", *master)
        except Failed as error:
            text = f"Make slave failed, slave ip: {pod.ip}, master ip: {master[0]}, error: {error}"
            yield Note("error", text)
            raise
        yield from label(pod, "slave")


def _still_master(master: Address) -> Steps[bool]:
    text = f"check master failed maybe this node is not ready(ip changed), or sentinel made a switch: {master[0]}"
    try:
        still = yield from is_master(master)
    except Failed:
        yield Note("error", text)
        raise
    if not still:
        yield Note("error", text)
    return still


def _set_redis(spec: Spec) -> Steps[None]:
    """checker.go: applyRedisCustomConfig. A setting that one of them refuses ends the reconcile."""
    for pod in (yield from pods_of("redis")):
        for name, value in spec.settings.get("redis", {}).items():
            yield from call(pod.address, "CONFIG", "SET", name, value)


def _update_pods() -> Steps[None]:
    """checker.go: UpdateRedisesPods, of which no more is left than that every replica has to answer.

    It replaces pods of an old revision once all replicas are in sync; here no pod is ever of an old one.
    """
    master = (yield from _masters())[:1]
    for pod in (yield from pods_of("redis")):
        if [pod.address] != master:
            yield from call(pod.address, "INFO", "replication")
