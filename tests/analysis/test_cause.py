"""Sentences of cause, each only where the record shows its mechanism."""

from chaos.model import ErrorCode
from tests.analysis.conftest import Analysed
from tests.recordings import Story, delete_master, kill_master
from tests.recordings.world import IPS, PODS


def crash_in_place(*, back: bool = True, oom: bool = False) -> Story:
    """`back`: its process is seen at the old address, as a replica of itself. `oom`: the kernel killed it."""
    story = Story(length_s=50.0, paths=("service", "sentinel", "app")).fault("oom" if oom else "crash")
    story.retell("fault.requested", arguments={"most_bytes": 4 << 20} if oom else {"replace": False})
    if back:
        story.role(1.2, 0, "slave", IPS[0], master="127.0.0.1:6379")
    story.failover(sdown_s=32.4, try_s=32.6, promoted_s=32.9).labelled(34.0)
    return story.out("service", 0.0, 34.2).out("sentinel", 0.0, 33.6)


OLD = f"master mymaster {IPS[0]} 6379"


def test_a_lower_ordinal_is_labelled_a_resync_later(analysed: Analysed):
    cause = analysed(kill_master()).cause
    assert cause.startswith("88 % of the outage through rfrm-redis-cluster:6379 is the endpoint phase")
    assert "wrote the master label 45.8 s after the promotion" in cause
    assert "the resync 30 s before it only made a pod a replica" in cause
    assert "the killed pod 0 comes before the new master 1" in cause


def test_a_higher_ordinal_is_labelled_in_the_next_resync(analysed: Analysed):
    story = Story(killed=2, successor=1, length_s=40.0).fault().failover(sdown_s=5.4, try_s=5.6, promoted_s=5.9)
    cause = analysed(story.out("service", 0.0, 25.0).labelled(24.8)).cause
    assert "it labels only in its 30 s resync" in cause
    assert "comes before" not in cause


def test_without_the_operators_log_no_mechanism_is_told(analysed: Analysed):
    cause = analysed(kill_master().without("operator")).cause
    assert "resync" not in cause
    assert "is the endpoint phase" in cause


def test_what_was_not_recorded_is_not_guessed(analysed: Analysed):
    cause = analysed(kill_master().without("operator", "endpoints")).cause
    assert "89 % of the outage through rfrm-redis-cluster:6379 is attributed to no phase" in cause


def test_a_terminating_pod_holds_the_operator_up(analysed: Analysed):
    assert "nothing while a pod is terminating, here until 32.1 s" in analysed(delete_master()).cause
    before = analysed(delete_master(back_s=31.0)).cause
    assert "the operator wrote the master label" in before
    assert "terminating" not in before


def test_a_demoted_masters_promises_explain_durable_minus_seen(analysed: Analysed):
    cause = analysed(delete_master()).cause
    assert f"{PODS[0]} went on saying OK for 10.9 s after it was demoted: 546 writes that are lost" in cause
    assert "To the clients of service/" in cause
    assert "these clients saw an outage of 64.7 s only" in cause


def test_an_isolated_master_is_not_demoted_while_it_promises(analysed: Analysed):
    story = Story(length_s=60.0).fault("partition").failover(sdown_s=5.4, try_s=5.6, promoted_s=5.9)
    cause = analysed(story.acknowledged_then_lost("service", 0.1, 40.0).healed(40.0)).cause
    assert f"{PODS[0]} went on saying OK for 39.9 s: " in cause


def test_the_time_in_which_an_isolated_master_keeps_its_clients_has_that_cause(analysed: Analysed):
    """Where it promises for a shorter time than no phase explains, it is not the cause of the rest."""
    for until_s, told in ((30.0, True), (8.0, False)):
        story = Story(length_s=60.0).fault("partition").failover(sdown_s=5.4, try_s=5.6, promoted_s=5.9).labelled(6.9)
        story.out("service", 0.0, 7.0, connection="new")
        story.acknowledged_then_lost("service", 0.1, until_s, connection="kept")
        story.out("service", until_s, 30.0, connection="kept")
        cause = analysed(story.healed(50.0)).cause
        assert (f"passed while {PODS[0]}, which had been replaced, still acknowledged writes" in cause) is told
        assert ("attributed to no phase" in cause) is not told


def test_a_process_that_came_back_in_place_delays_detection(analysed: Analysed):
    found = analysed(crash_in_place())
    assert "detection" in found.cause
    assert "as a replica of itself before Sentinel missed it" in found.cause
    assert found.targets["detection"].floor == 25.0
    assert found.paths["service/new"].targets["recovery"].floor == 36.0


def test_a_container_that_was_killed_for_memory_comes_back_in_place_too(analysed: Analysed):
    killed, crashed = analysed(crash_in_place(oom=True)), analysed(crash_in_place())
    assert killed.cause == crashed.cause
    assert killed.targets["detection"].floor == crashed.targets["detection"].floor


def test_one_that_was_not_seen_to_come_back_in_place_delays_nothing(analysed: Analysed):
    found = analysed(crash_in_place(back=False))
    assert "Sentinel calls a master down only after down-after-milliseconds" in found.cause
    assert found.targets["detection"].floor == 5.0


def test_an_application_that_stays_out_when_its_address_is_back_is_told_of(analysed: Analysed):
    found = analysed(crash_in_place().out("app", 0.0, 99.0, error=ErrorCode.READONLY))
    assert "app/kept never wrote again though rfrm-redis-cluster:6379 was back: readonly." in found.cause


def test_an_application_whose_address_stays_out_too_is_no_riddle(analysed: Analysed):
    story = Story(length_s=30.0, paths=("service", "app")).fault()
    cause = analysed(story.out("service", 0.0, 99.0).out("app", 0.0, 99.0)).cause
    assert "did not come back" in cause
    assert "never wrote again" not in cause


def test_aborted_elections_are_counted(analysed: Analysed):
    story = Story(length_s=50.0).fault().down(5.4, 5.5)
    story.sentinel(5.6, 1, "+new-epoch", "1").sentinel(5.61, 1, "+try-failover", OLD)
    story.sentinel(15.6, 1, "-failover-abort-not-elected", OLD)
    story.failover(sdown_s=None, try_s=25.6, promoted_s=25.9, epoch=2).labelled(26.0)
    cause = analysed(story.out("service", 0.0, 27.0)).cause
    assert "is the election phase. A failover was aborted at 15.6 s, for want of a leader" in cause


def test_what_never_came_back_names_what_never_came(analysed: Analysed):
    story = Story(length_s=60.0).fault("partition").failover(sdown_s=5.4, try_s=5.6, promoted_s=5.9)
    story.out("service", 0.0, 45.0, error=ErrorCode.REFUSED).healed(40.0)
    cause = analysed(story).cause
    assert cause.startswith("rfrm-redis-cluster:6379 did not come back on new connections while the fault lasted")
    assert f"it never named {PODS[1]}, which was promoted at 5.9 s" in cause


def test_nothing_is_explained_where_nothing_was_out(analysed: Analysed):
    assert analysed(Story().fault()).cause == ""
