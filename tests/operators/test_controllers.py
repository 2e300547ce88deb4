"""Each mode as a process, on a real system whose master ends."""

import time

import pytest

from tests.operators.watched import Watched, watched
from tests.rig import LOOPBACK, MASTER_NAME, REDIS, SENTINELS, Rig, fields, wait_for

pytestmark = pytest.mark.redis

OLD = REDIS[0]


def labels(controller: Watched, name: str) -> None:
    wait_for(lambda: controller.labelled() == [name], f"{name} has the master label")


def new_master(rig: Rig) -> str:
    wait_for(lambda: rig.master() != OLD, "Sentinel names another master")
    return rig.master()


def agreed_master(rig: Rig) -> str:
    """Once all Sentinels watch it, the leader last: a reconcile in between makes whoever lags behind begin anew.

    The leader names the new master as soon as that is promoted, and watches it when its failover is over.
    """
    new = new_master(rig)
    port = str(rig.processes[new].port)
    wait_for(lambda: all(watched_by(rig, name)["port"] == port for name in SENTINELS), "all Sentinels watch it")
    return new


def starts_from_the_template(rig: Rig, name: str) -> None:
    """As the operator's pods do: as a replica of itself."""
    process = rig.processes[name]
    process.command += ["--replicaof", LOOPBACK, str(process.port)]


def lose(controller: Watched, name: str) -> str:
    """The member's process ends and its pod is not there; the new master."""
    controller.change(name, phase="Pending")
    controller.rig.kill(name)
    return agreed_master(controller.rig)


def bring_back(controller: Watched, name: str) -> None:
    starts_from_the_template(controller.rig, name)
    controller.rig.restart(name)
    controller.roles.pop(name)
    controller.change(name)


def test_sentinel_labels_at_once(rig: Rig):
    with watched(rig, "sentinel") as controller:
        labels(controller, OLD)
        rig.kill(OLD)
        new = new_master(rig)
        asked_s = time.monotonic()
        labels(controller, new)

    assert controller.said[-2][0] - asked_s < 10  # that Sentinel may be the leader, which names it before it says so
    assert [(name, role) for _, name, role in controller.said] == [(OLD, "master"), (new, "master"), (OLD, "slave")]


def test_sentinel_listens_again_after_a_loss_and_to_who_is_there(rig: Rig):
    with watched(rig, "sentinel") as controller:
        labels(controller, OLD)
        for name in SENTINELS[1:]:
            controller.change(name, phase="Pending")
        rig.kill(SENTINELS[0])
        controller.logs("no longer subscribed")
        rig.restart(SENTINELS[0])
        controller.logs("subscribed to", times=5)  # three, the loss, and again
        rig.kill(OLD)
        labels(controller, new_master(rig))


def test_a_switch_that_nobody_listened_to_is_asked_for(rig: Rig):
    with watched(rig, "sentinel") as controller:
        labels(controller, OLD)
        for name in SENTINELS:
            controller.change(name, phase="Pending")
        rig.kill(OLD)
        new = agreed_master(rig)
        assert controller.labelled() == [OLD]
        for name in SENTINELS:
            controller.change(name)
        labels(controller, new)


def test_sentinels_that_are_told_of_a_master_later_are_asked_then(rig: Rig):
    for name in SENTINELS:
        rig.call(name, "SENTINEL", "REMOVE", MASTER_NAME)
    with watched(rig, "sentinel") as controller:
        controller.logs("subscribed to", times=3)
        assert controller.said == []
        rig.call(SENTINELS[1], "SENTINEL", "MONITOR", MASTER_NAME, LOOPBACK, rig.processes[OLD].port, 2)
        labels(controller, OLD)


def test_poll_labels_at_its_next_look(rig: Rig):
    with watched(rig, "poll", every_s=0.2) as controller:
        labels(controller, OLD)
        controller.rig.kill(SENTINELS[0])
        rig.kill(OLD)
        wait_for(lambda: rig.master(SENTINELS[1]) != OLD, "Sentinel names another master")
        labels(controller, rig.master(SENTINELS[1]))


def test_poll_says_so_where_no_sentinel_answers(rig: Rig):
    with watched(rig, "poll", every_s=0.2) as controller:
        labels(controller, OLD)
        for name in SENTINELS:
            rig.kill(name)
        controller.logs(f"no Sentinel names a master {MASTER_NAME}")
        assert controller.labelled() == [OLD]


def test_resync_takes_one_period_more_where_the_lower_pod_came_back(rig: Rig):
    with watched(rig, "resync") as controller:
        labels(controller, OLD)
        new = lose(controller, OLD)
        bring_back(controller, OLD)
        labels(controller, new)
        repaired_s = controller.logs(f"Making pod {OLD} slave of {LOOPBACK}")[0]
        labelled_s = controller.logs(f"pod name: {new}, labels: map[role:master]")[0]

        assert 0.7 < (labelled_s - repaired_s) % 3600 < 2.0
        assert any("Slave not associated" in line and "has 127.0.0.1" in line for line in controller.log())


def test_resync_labels_in_the_same_pass_where_the_higher_pod_came_back(rig: Rig):
    """The same failover, with the master shown under the last name."""
    with watched(rig, "resync", names={OLD: "rfr-redis-cluster-9"}) as controller:
        labels(controller, OLD)
        new = lose(controller, OLD)
        bring_back(controller, OLD)
        labels(controller, new)
        repaired_s = controller.logs("Making pod rfr-redis-cluster-9")[0]
        labelled_s = controller.logs(f"pod name: {new}, labels: map[role:master]")[0]

        assert 0 < (repaired_s - labelled_s) % 3600 < 0.7


@pytest.mark.parametrize("missing", [{"phase": "Pending"}, {"deleting": True}])
def test_resync_moves_nothing_while_a_pod_is_not_there(rig: Rig, missing: dict[str, object]):
    with watched(rig, "resync", every_s=0.2) as controller:
        labels(controller, OLD)
        controller.change(OLD, **missing)
        rig.kill(OLD)
        new = agreed_master(rig)
        controller.change(SENTINELS[2], phase="Pending")
        bring_back(controller, OLD)
        time.sleep(1)
        assert [name for _, name, _ in controller.said] == [OLD]
        controller.change(SENTINELS[2])
        labels(controller, new)


def test_resync_freezes_where_two_are_masters(rig: Rig):
    rig.call(REDIS[2], "REPLICAOF", "NO", "ONE")
    with watched(rig, "resync", every_s=0.3) as controller:
        controller.logs("error on object processing: more than one master, fix manually", times=3)
        assert controller.said == []


def test_resync_sets_what_is_declared_and_repairs_sentinels(rig: Rig):
    rig.call(SENTINELS[0], "SENTINEL", "REMOVE", MASTER_NAME)
    with watched(rig, "resync", every_s=0.5) as controller:
        controller.logs("Fixing sentinel not monitoring expected master")
        controller.logs("mismatch number of sentinels in memory. resetting")
        wait_for(
            lambda: watched_by(rig, SENTINELS[0])["down-after-milliseconds"] == "2000",
            "what MONITOR took back is set again",
        )
        assert rig.master() == OLD
        assert rig.call(REDIS[1], "CONFIG", "GET", "maxmemory") == ["maxmemory", "104857600"]


def watched_by(rig: Rig, sentinel: str) -> dict[str, str]:
    return fields(rig.call(sentinel, "SENTINEL", "MASTER", MASTER_NAME))
