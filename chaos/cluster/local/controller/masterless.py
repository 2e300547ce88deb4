"""What a reconcile does where no Redis is master: as a rule it waits for Sentinel. Pure."""

from chaos.cluster.local.controller.board import Spec
from chaos.cluster.local.controller.steps import Failed, Note, Steps, call, followed_by, label, pods_of
from chaos.cluster.local.itself import itself


def no_master(spec: Spec) -> Steps[bool]:
    """checker.go: the case of 0 masters. True where it has made one, and the reconcile goes on."""
    yield Note("warning", "Number of Masters running is 0")
    unhealthy = yield from _without_quorum(spec)
    if unhealthy:
        text = "Quorum not available for sentinel to choose master,estimated unhealthy sentinels"
        yield Note("warning", f"{text} :{unhealthy} , Operator to step-in")
    elif not (yield from _all_follow_themselves()):
        yield Note("info", "no master found, wait until failover or fix manually")
        return False
    else:
        text = "all available redis is having local loop back as master , operator initiates master selection"
        yield Note("error", text)
    yield from _set_oldest_as_master()
    return True


def _without_quorum(spec: Spec) -> Steps[int]:
    """check.go: CheckSentinelQuorum. How many Sentinels are amiss where that is too many, else 0.

    The quorum is compared with those that see none, not with those that do.
    """
    sentinels = yield from pods_of("sentinel")
    if len(sentinels) < spec.quorum:
        return spec.quorum - len(sentinels)
    unhealthy = 0
    for pod in sentinels:
        try:
            yield from call(pod.address, "SENTINEL", "CKQUORUM", spec.master)
        except Failed:
            yield Note("warning", "Unable to get result for CKQUORUM comand")
            unhealthy += 1
    return unhealthy if unhealthy >= spec.quorum else 0


def _all_follow_themselves() -> Steps[bool]:
    """check.go: CheckIfMasterLocalhost: as every Redis does that has just started from the operator's file."""
    themselves = []
    for pod in (yield from pods_of("redis")):
        try:
            followed = yield from followed_by(pod.address)
        except Failed:
            yield Note("warning", "CheckIfMasterLocalhost -- GetSlaveOf Failed")
            yield Note("error", "CheckIfMasterLocalhost failed retry later")
            raise
        if followed is None:
            raise Failed("unexpected master state, fix manually")
        themselves.append(followed == (itself(pod.ip), pod.port))
    return all(themselves)


def _set_oldest_as_master() -> Steps[None]:
    """heal.go: SetOldestAsMaster, as far as it is known here which is the oldest: the first by name."""
    master = None
    for pod in (yield from pods_of("redis", at_work=False)):
        if master is None:
            yield Note("info", f"New master is {pod.name} with ip {pod.ip}")
            try:
                yield from call(pod.address, "SLAVEOF", "NO", "ONE")
            except Failed as error:
                yield Note("error", f"Make new master failed, master ip: {pod.ip}, error: {error}")
                continue
            master = pod.address
            yield from label(pod, "master")
            continue
        yield Note("info", f"Making pod {pod.name} slave of {master[0]}")
        try:
            yield from call(pod.address, "SLAVEOF", *master)
        except Failed as error:
            text = f"Make slave failed, slave pod ip: {pod.ip}, master ip: {master[0]}, error: {error}"
            yield Note("error", text)
        yield from label(pod, "slave")
    if master is None:
        raise Failed("SetOldestAsMaster- unable to set master")
