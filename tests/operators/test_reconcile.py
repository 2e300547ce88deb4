"""One reconcile of the operator against answers from memory: what it does, in which order, and where it ends."""

import pytest

from chaos.operators.spotahome.reconcile import known
from tests.operators.world import ITSELF, PORT, World

M0, M1, M2 = (("10.0.0.0", PORT), ("10.0.0.1", PORT), ("10.0.0.2", PORT))
SET_REDIS = [f"r-{number} CONFIG SET appendonly yes" for number in range(3)]
SET_SENTINELS = [f"s-{number} SENTINEL SET mymaster down-after-milliseconds 5000" for number in range(3)]


def test_a_healthy_system_is_only_set_again():
    world = World([None, M0, M0], labelled=0).reconciled()

    assert world.commands == [*SET_REDIS, *SET_SENTINELS]
    assert (world.labels, world.notes, world.ended) == ([], [], "")


def test_after_a_switch_the_new_master_is_labelled_in_its_turn():
    world = World([M1, None, M1], labelled=0, watched=M1).reconciled()

    assert world.labels == ["r-0 slave", "r-1 master"]


def test_a_higher_pod_that_has_just_come_back_does_not_keep_the_master_from_its_label():
    world = World([None, M0, ITSELF], labelled=2, watched=M0).reconciled()

    assert world.labels == ["r-0 master", "r-2 slave"]
    assert "r-2 SLAVEOF 10.0.0.0 6379" in world.commands


def test_a_lower_pod_that_has_just_come_back_costs_the_master_one_reconcile_more():
    """As the operator's own log has it: the first makes pods replicas and writes no master label, the second does."""
    world = World([ITSELF, M2, None], watched=M2).reconciled()

    assert world.labels == []
    assert world.notes == [
        "Slave not associated to master: slave 10.0.0.0 don't have the master 10.0.0.2, has 127.0.0.1",
        "Making pod r-0 slave of 10.0.0.2",
        "Making pod r-1 slave of 10.0.0.2",
    ]
    assert world.commands[2:] == [*SET_REDIS, *SET_SENTINELS]
    assert world.reconciled().labels == ["r-2 master"]


def test_a_lower_pod_that_does_not_answer_keeps_the_master_from_its_label_for_good():
    """And takes the old label away before it is asked: the Service has no endpoint."""
    world = World([None, None, M1], labelled=0, watched=M1, silent={"r-0"}).reconciled().reconciled()

    assert world.labels == ["r-0 slave"]
    assert world.ended == "10.0.0.0:6379: i/o timeout"
    assert world.notes[-1].startswith("Make slave failed, slave ip: 10.0.0.0, master ip: 10.0.0.1")
    assert SET_REDIS[1] not in world.commands


def test_a_higher_pod_that_does_not_answer_is_asked_twice_before_the_master_is_labelled():
    world = World([None, M0, None], labelled=2, watched=M0, silent={"r-2"}).reconciled()
    labelled = next(number for number, action in enumerate(world.done) if getattr(action, "role", "") == "master")
    before = World([], done=world.done[:labelled])

    assert world.labels == ["r-0 master", "r-2 slave"]
    assert before.asked("r-2") == 2
    assert world.ended == "10.0.0.2:6379: i/o timeout"


@pytest.mark.parametrize("name", ["r-1", "s-1"])
@pytest.mark.parametrize("missing", [{"phase": "Pending"}, {"deleting": True}])
def test_nothing_is_done_while_a_pod_is_not_there(name, missing):
    world = World([M1, None, M1], labelled=0)
    world.change(name, **missing)
    world.reconciled()

    assert (world.commands, world.labels, world.notes) == ([], [], [])


def test_nothing_is_done_while_a_pod_is_gone():
    world = World([M1, None, M1], labelled=0)
    world.pods = world.pods[1:]

    assert world.reconciled().labels == []
    assert world.asked("r-1") == 0


def test_two_masters_freeze_everything():
    world = World([None, None, M0], labelled=0).reconciled()

    assert world.ended == "more than one master, fix manually"
    assert (world.commands, world.labels) == ([], [])


def test_on_loopback_each_follows_itself_by_its_own_address_and_127_0_0_1_is_somebody_else():
    note = "all available redis is having local loop back as master , operator initiates master selection"
    addresses = [f"127.9.1.{number}" for number in range(3)]
    for follows, made in ((addresses, True), (["127.0.0.1"] * 3, False)):
        world = World([(address, PORT) for address in follows])
        for number, address in enumerate(addresses):
            world.change(f"r-{number}", ip=address)
        assert (note in world.reconciled().notes) is made


def test_without_a_master_sentinel_is_waited_for():
    world = World([M2, M2, ITSELF], labelled=2).reconciled()

    assert world.notes == ["Number of Masters running is 0", "no master found, wait until failover or fix manually"]
    assert (world.commands, world.labels, world.ended) == ([], [], "")


@pytest.mark.parametrize(
    ("follows", "quorum", "note"),
    [
        ([ITSELF] * 3, True, "all available redis is having local loop back as master , operator"),
        (
            [M2, M2, ITSELF],
            False,
            "Quorum not available for sentinel to choose master,estimated unhealthy",
        ),
    ],
)
def test_where_sentinel_cannot_the_operator_makes_a_master(follows, quorum, note):
    world = World(list(follows), quorum=quorum).reconciled()

    assert any(said.startswith(note) for said in world.notes)
    assert world.commands[:3] == ["r-0 SLAVEOF NO ONE", "r-1 SLAVEOF 10.0.0.0 6379", "r-2 SLAVEOF 10.0.0.0 6379"]
    assert world.labels == ["r-0 master"]
    assert world.follows == [None, M0, M0]
    assert world.commands[3:6] == SET_REDIS


def test_a_pod_that_cannot_be_made_master_is_passed_over():
    world = World([M2, M2, ITSELF], quorum=False, silent={"r-0"}).reconciled()

    assert world.labels == ["r-1 master"]
    assert world.follows[2] == M1


def test_no_pod_that_can_be_made_master_is_an_error():
    world = World([M2, M2, ITSELF], quorum=False, silent={"r-0", "r-1", "r-2"}).reconciled()

    assert world.ended == "SetOldestAsMaster- unable to set master"


def test_too_few_sentinels_for_a_quorum_are_not_waited_for_as_none_is_when_one_is_missing():
    world = World([M2, M2, ITSELF], silent={"s-0", "s-1"}).reconciled()

    assert world.notes[3].endswith("unhealthy sentinels :2 , Operator to step-in")


def test_without_a_master_a_pod_that_does_not_say_whom_it_follows_ends_it():
    world = World([M2, M2, ITSELF], silent={"r-1"}).reconciled()

    assert world.ended == "10.0.0.1:6379: i/o timeout"
    assert (world.commands, world.labels) == ([], [])


def test_a_master_that_is_there_after_all_ends_it():
    assert World([M1, None, M1], late={"r-1"}).reconciled().ended == "unexpected master state, fix manually"


def test_a_master_that_is_one_no_longer_makes_no_more_replicas():
    class Switching(World):
        """Sentinel switches from r-2 to r-1 after the first pod was made a replica."""

        def _answer(self, call):
            answer = super()._answer(call)
            if "SLAVEOF" in call.words:
                self.follows[1:] = [None, M1]
            return answer

    world = Switching([ITSELF, M2, None], watched=M2).reconciled()

    assert world.notes[-1].startswith("check master failed maybe this node is not ready(ip changed), or sentinel made")
    assert [words for words in world.commands if "SLAVEOF" in words] == ["r-0 SLAVEOF 10.0.0.2 6379"]
    assert world.commands[1:4] == SET_REDIS


def test_a_setting_that_is_refused_keeps_sentinel_from_being_set():
    world = World([None, M0, M0], labelled=0, refused="CONFIG SET").reconciled()

    assert world.ended == "ERR refused"
    assert world.commands == SET_REDIS[:1]


def test_a_sentinel_that_watches_another_master_is_told_to():
    world = World([M1, None, M1], labelled=1, watched=M0).reconciled()

    told = ["SENTINEL REMOVE mymaster", "SENTINEL MONITOR mymaster 10.0.0.1 6379 2"]
    assert world.commands[3:9] == [f"s-{number} {words}" for number in range(3) for words in told]
    assert world.notes[0] == (
        "Fixing sentinel not monitoring expected master: sentinel monitoring 10.0.0.0:6379 instead 10.0.0.1:6379"
    )
    assert world.commands[9:] == SET_SENTINELS


def test_one_that_forgets_nothing_is_told_to_watch_all_the_same():
    world = World([M1, None, M1], labelled=1, watched=M0, refused="REMOVE").reconciled()

    assert "s-2 SENTINEL MONITOR mymaster 10.0.0.1 6379 2" in world.commands


@pytest.mark.parametrize(
    ("known", "status", "resets"),
    [((2, 3), "ok", 0), ((3, 3), "ok", 1), ((2, 4), "ok", 1), ((0, 1), "ok", 2), ((2, 3), "sdown", 2)],
)
def test_a_sentinel_with_another_number_in_memory_is_reset(known, status, resets):
    world = World([None, M0, M0], labelled=0, known=known, status=status).reconciled()

    assert world.commands.count("s-0 SENTINEL RESET *") == resets
    assert world.commands[-3:] == SET_SENTINELS


def test_a_sentinel_that_does_not_answer_ends_it():
    world = World([None, M0, M0], labelled=0, silent={"s-1"}).reconciled()

    assert world.ended == "10.0.1.1:26379: i/o timeout"
    assert world.asked("s-2") == 0


@pytest.mark.parametrize(
    ("info", "number"),
    [("master0:name=m,status=ok,slaves=2,sentinels=3", 2), ("master0:name=m,status=odown,slaves=2", None), ("", None)],
)
def test_what_a_sentinel_knows_counts_only_where_its_master_is_ok(info, number):
    assert known(info, "slaves") == number
