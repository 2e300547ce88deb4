"""A crash and a partition of a real master, from the command line to the report's figures."""

import re
from itertools import pairwise
from typing import Any

import pytest

from chaos.analysis.result import State, TrialResult, Verdict
from chaos.record.events import Stamped
from tests.local.play import Asked, Played, play
from tests.local.small import action, experiment, probe, scenario

pytestmark = [pytest.mark.local, pytest.mark.timeout(800)]
HELD_S, LIMIT_S = 10, 8
WATCHED = ("sdown", "odown", "try_failover", "elected", "promoted", "switched", "reconfigured", "first_failed")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("failovers")
    held = (action("partition", target="master", longest_s=60), probe("hold", seconds=HELD_S), action("heal"))
    cut = experiment(folder, "cut", "failover", *held)
    small = scenario(folder, {"targets.recovery.limit": f"{LIMIT_S}s"})
    return play(Asked(small, ("kill-master", cut), folder / "reports"))


def test_a_crash_is_measured_from_its_effect_to_the_last_path_that_is_back(played: Played) -> None:
    trial = played.of("kill-master")

    assert trial.verdict is Verdict.PASS, played.printed
    [fault] = trial.faults
    assert fault.name == "crash"
    old = old_master(trial)
    [failover] = trial.failovers
    assert failover.kind == "detected"
    assert failover.successor is not None
    assert failover.successor.name in {"redis-0", "redis-1", "redis-2"} - {old}
    in_order(trial)
    promoted = trial.milestones["promoted"].at_s
    assert promoted is not None
    assert trial.losses.lost is not None
    assert trial.losses.acknowledged > trial.losses.lost.most
    for path in trial.paths.values():
        assert path.state == "works"
        assert path.recovered_s is not None
        assert promoted.least < path.recovered_s.most < float("inf")


def test_every_second_of_its_outage_is_a_phase_or_said_to_be_none(played: Played) -> None:
    trial = played.of("kill-master")

    for name in ("service/new", "sentinel/new"):
        window = trial.paths[name].windows[0]
        phases = {phase.name: phase for phase in window.phases}
        assert {"detection", "quorum", "election", "promotion"} <= phases.keys(), window
        assert all(phase.least <= phase.seconds <= phase.most for phase in window.phases)
        accounted_s = sum(phase.seconds for phase in window.phases) + window.unattributed_s
        assert window.length_s.least <= accounted_s <= window.length_s.most < float("inf")
        assert phases["detection"].seconds > 0.5


def test_a_partition_is_held_and_who_stayed_with_the_old_master_has_lost_what_it_said_ok_to(played: Played) -> None:
    trial = played.of("cut")

    assert trial.verdict is Verdict.FAIL, played.printed
    in_order(trial)
    for name in ("service/new", "sentinel/new"):
        assert trial.paths[name].targets["recovery"].verdict == "pass"
    for name in ("service/kept", "sentinel/kept"):
        path = trial.paths[name]
        assert path.targets["recovery"].verdict == "fail"
        assert path.lost
    assert trial.losses.after is not None
    assert trial.losses.after.least > 0
    assert {place.node for place in trial.losses.places} == {old_master(trial)}


def test_the_partition_is_a_packet_filter_that_was_committed_proved_by_dropped_packets_and_healed(
    played: Played,
) -> None:
    [fault] = played.of("cut").faults

    assert fault.name == "partition"
    dropped = re.match(
        r"(\d+) packets between redis-\d and 6 peers were dropped; a connection from before it", fault.evidence
    )
    assert dropped, fault.evidence
    assert int(dropped[1]) > 0
    assert fault.effect_s is not None
    assert fault.heal_requested_s is not None
    assert fault.heal_confirmed_s is not None
    assert fault.effect_s.width < 1
    assert HELD_S <= fault.heal_requested_s <= fault.heal_confirmed_s
    assert played.events("cut", "fault.undone") == []


def test_the_old_master_is_reached_by_its_clients_throughout_the_partition(played: Played) -> None:
    """Its observer is where they are; it is a master until the cut is healed."""
    healed = played.events("cut", "fault.heal_requested")[0].at_ns
    effect = played.events("cut", "fault.effect")[0].at_ns

    old = old_master(played.of("cut"))
    assert [event for event in told_by(played, "role.lost", old) if effect < event.at_ns < healed] == []
    meanwhile = [event for event in told_by(played, "role", old) if effect < event.at_ns < healed]
    assert {event.event.role for event in meanwhile} == {"master"}


def told_by(played: Played, kind: str, member: str) -> list[Stamped[Any]]:
    return [event for event in played.events("cut", kind) if event.event.member == member]


def old_master(trial: TrialResult) -> str:
    [fault] = trial.faults
    assert fault.target is not None
    return fault.target.name


def in_order(trial: TrialResult) -> None:
    """Each milestone was seen, and none surely before the one that it follows from."""
    seen = [trial.milestones[name] for name in WATCHED]
    assert {name for name in WATCHED if trial.milestones[name].state is not State.SEEN} == set()
    chain = [milestone.at_s for milestone in seen[:6] if milestone.at_s]
    assert all(one.least <= later.most for one, later in pairwise(chain))
