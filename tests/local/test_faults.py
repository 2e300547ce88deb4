"""Each kind of fault on a real system: what it brings and how it is proved. Without effect it proves nothing.

Those that have effect are the experiments of one campaign, and those without are faults of as few trials as possible.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from chaos.agent.reach import no_cgroup
from chaos.analysis.result import State, TrialResult, Verdict
from chaos.errors import INCONCLUSIVE
from tests.local.play import Asked, Played, play
from tests.local.small import action, experiment, probe, scenario
from tests.local.tampered import environment

pytestmark = [pytest.mark.local, pytest.mark.timeout(2100)]
HELD_S, LIMIT_S, DOWN_AFTER_S = 10, 8, 2.0
TWO_AT_ONCE = ("--parallel", "2")
"""Most of a trial is waiting."""
CRASHES = (
    action("crash", target="any-sentinel", replace=True),
    action("crash", target="any-sentinel", replace=False),
    action("keep_down", target="any-sentinel"),
)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The pause comes first, beside a trial in which nearly nothing happens: its effect is timed most narrowly."""
    folder = tmp_path_factory.mktemp("faults")
    hold, heal = probe("hold", seconds=HELD_S), action("heal")
    hit = action("crash", target=["master", "sentinel-2"], replace=True)
    crash, pause = action("crash", target="master"), action("pause", target="master", when="6 s")
    halves = action("partition", target="master", shape="halves", reject=True)
    lone = action("crash", target="any-sentinel", replace=False)
    experiments = (
        experiment(folder, "paused", "failover", action("pause", target="master"), hold, heal),
        experiment(folder, "reset", "no-failover", action("reset"), probe("hold", seconds=14)),
        experiment(folder, "both", "failover", hit, action("keep_down", target="master", when="promotion"), hold, heal),
        experiment(folder, "halves", "failover", halves, hold, heal),
        experiment(folder, "timed", "failover", crash, pause, probe("hold", seconds=1), heal),
        experiment(folder, "asleep", "failover", action("slow", seconds=8.0), probe("hold", seconds=8)),
        experiment(folder, "killed", "no-failover", lone, probe("hold", seconds=4)),
        experiment(folder, "asked", "failover", action("handover")),
    )
    small = scenario(folder, {"targets.recovery.limit": f"{LIMIT_S}s", "limits.watch": "3s"})
    return play(Asked(small, experiments, folder / "reports", options=TWO_AT_ONCE))


@pytest.fixture(scope="module")
def no_signals(tmp_path_factory: pytest.TempPathFactory) -> TrialResult:
    """A pause and every crash, whose signals go nowhere."""
    return without_effect(
        tmp_path_factory.mktemp("no-signals"), "no_signals", action("pause", target="master"), *CRASHES
    )


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> TrialResult:
    """What Redis and Sentinel refuse: a Sentinel knows no DEBUG SLEEP, and the settings let nobody be promoted."""
    faults = action("slow", target="any-sentinel", seconds=4.0), action("reset", pattern="nobody"), action("handover")
    nobody = {"system.settings.redis": {"replica-priority": 0}}
    return without_effect(tmp_path_factory.mktemp("refused"), "", *faults, settings=nobody)


def test_a_master_that_hangs_is_replaced_comes_back_as_a_master_and_is_demoted(played: Played) -> None:
    trial = played.of("paused")

    [fault] = trial.faults
    assert fault.evidence.endswith("seen stopped"), played.printed
    assert fault.target is not None
    assert fault.effect_s is not None
    assert fault.effect_s.width < 1  # a busy machine widens it; benchmarks/figures.py holds it to 0.05
    assert fault.heal_requested_s is not None
    assert fault.heal_confirmed_s is not None
    assert HELD_S <= fault.heal_requested_s <= fault.heal_confirmed_s
    [failover] = trial.failovers
    assert failover.kind == "detected"
    sdown, promoted = trial.milestones["sdown"].at_s, trial.milestones["promoted"].at_s
    assert sdown is not None
    assert promoted is not None
    assert DOWN_AFTER_S - 1 < sdown.least < promoted.most < HELD_S
    for name in ("service/new", "sentinel/new"):
        assert trial.paths[name].targets["recovery"].verdict == "pass", played.printed
    healed = played.events("paused", "fault.heal_requested")[0].at_ns
    told = [one for one in played.events("paused", "role") if one.event.member == fault.target.name]
    roles = [one.event.role for one in told if one.at_ns > healed]
    assert (roles[0], roles[-1]) == ("master", "slave")
    assert played.events("paused", "fault.undone") == []


def test_a_pause_without_effect_proves_nothing(no_signals: TrialResult) -> None:
    assert "is not yet stopped after SIGSTOP" in unproved(no_signals, 0)


def test_a_sentinel_that_crashes_brings_no_failover(played: Played) -> None:
    trial = played.of("killed")

    assert trial.verdict is Verdict.PASS, played.printed
    [fault] = trial.faults
    assert fault.target is not None
    assert fault.target.name == "sentinel-0"
    assert trial.failovers == ()
    assert trial.paths["service/new"].outage_s is trial.paths["service/kept"].outage_s is None


@pytest.mark.parametrize("number", range(1, 1 + len(CRASHES)))
def test_a_crash_without_effect_proves_nothing(no_signals: TrialResult, number: int) -> None:
    assert "is still there 2 s after SIGKILL" in unproved(no_signals, number)


def test_a_master_that_sleeps_answers_no_ping_and_is_replaced(played: Played) -> None:
    trial = played.of("asleep")

    [fault] = trial.faults
    assert fault.evidence.startswith("a PING was not answered for "), played.printed
    assert fault.effect_s is not None
    [failover] = trial.failovers
    assert failover.kind == "detected"
    sdown = trial.milestones["sdown"].at_s
    assert sdown is not None
    assert DOWN_AFTER_S - 1 < sdown.least < 8


def test_a_redis_that_refuses_to_sleep_proves_nothing_and_the_refusal_is_told(refused: TrialResult) -> None:
    assert "DEBUG SLEEP was answered at once: " in unproved(refused, 0)


def test_a_failover_that_a_sentinel_is_asked_for_is_a_requested_one_with_nothing_to_detect(played: Played) -> None:
    trial = played.of("asked")

    [fault] = trial.faults
    assert fault.evidence == "sentinel-0 answered OK to SENTINEL FAILOVER mymaster and published +try-failover"
    [failover] = trial.failovers
    assert failover.kind == "requested"
    assert failover.leader == "sentinel-0"
    assert trial.milestones["sdown"].state is trial.milestones["odown"].state is State.NOT_APPLICABLE
    assert trial.milestones["promoted"].state is State.SEEN


def test_a_failover_that_is_refused_proves_nothing_and_the_refusal_is_told(refused: TrialResult) -> None:
    assert "NOGOODSLAVE" in unproved(refused, 2)
    assert refused.failovers == ()


def test_a_sentinel_that_is_reset_brings_no_failover_and_finds_the_others_again(played: Played) -> None:
    trial = played.of("reset")

    assert trial.verdict is Verdict.PASS, played.printed
    [fault] = trial.faults
    assert fault.evidence == "sentinel-0 answered 1 to SENTINEL RESET * and published +reset-master"
    assert trial.failovers == ()
    told = [one.event for one in played.events("reset", "sentinel.state") if one.event.sentinel == "sentinel-0"]
    assert (told[-1].num_slaves, told[-1].num_other_sentinels) == (2, 2)


def test_a_reset_that_matches_no_master_proves_nothing(refused: TrialResult) -> None:
    unanswered = "answered 0 to SENTINEL RESET nobody, and gave up after 5 s: it published no +reset-master"

    assert unanswered in unproved(refused, 1)


def test_what_changes_nothing_proves_nothing_and_each_says_what_was_seen_instead(tmp_path: Path) -> None:
    """Cuts let everything pass, the link is fast, the core whole, there is no AOF, and the setting is harmless."""
    harmless_setting = action(
        "setting", name="min-replicas-to-write", value="1", asked=["DEL", "x"], answered="NOREPLICAS"
    )
    faults = [
        (action("partition", target="master"), "is answered in"),
        (action("link", target="master", lossy_percent=30), "is answered in"),
        (action("link", target="master", kbit=10_000_000), "is answered in"),
        (action("disk", target="master"), "a PING is answered PONG"),
        (harmless_setting, "DEL x is answered 0"),
        (action("crash", target="sentinel-leader"), "there is no sentinel-leader to aim at"),
    ]
    if not no_cgroup("cpu"):  # which an ordinary user may not make
        faults.insert(3, (action("starve", target="master", percent=100.0), "it was made to wait 0 times"))
    trial = without_effect(
        tmp_path, "no_cuts", *(each for each, _ in faults), settings={"system.settings.redis": {"appendonly": "no"}}
    )

    for (method, seen), fault in zip(faults, trial.faults, strict=True):
        assert method["provider"]["func"] == fault.name
        assert seen in fault.unproved, fault.name


def test_a_hook_that_does_not_do_its_work_proves_nothing_and_what_it_met_is_told(tmp_path: Path) -> None:
    """Nobody may be promoted, a Sentinel saves nothing, and what is stopped shuts nothing down."""
    trial = without_effect(
        tmp_path,
        "",
        action("pause", target="sentinel-1"),
        action("delete", target="sentinel-1", hook="shutdown"),
        action("delete", target="sentinel-2", hook="save"),
        action("delete", target="master", hook="failover", sleep_s=1.0),
        settings={"system.settings.redis": {"replica-priority": 0}},
    )

    _, shutdown, save, failover = trial.faults
    assert "its hook was answered NOGOODSLAVE" in failover.unproved
    assert "it answered ERR unknown command" in save.unproved
    assert "it answered nothing to SHUTDOWN and runs on" in shutdown.unproved


def test_a_partition_in_halves_is_proved_on_both_its_members_and_healed(played: Played) -> None:
    trial = played.of("halves")

    [fault] = trial.faults
    assert fault.evidence.count("a connection from before it to ") == 2, played.printed
    assert fault.confirmed_s is not None
    assert fault.heal_confirmed_s is not None
    assert trial.failovers[0].kind == "detected"


def test_the_second_fault_comes_at_its_event_and_hits_who_is_there_then(played: Played) -> None:
    trial = played.of("both")

    crash, kept = trial.faults
    assert crash.is_origin
    assert len(crash.hit) == 2, played.printed
    assert kept.target is not None
    assert kept.target.name not in crash.hit
    assert kept.requested_s > DOWN_AFTER_S, "nobody is promoted before the master is missed"
    assert kept.heal_confirmed_s is not None


def test_a_fault_at_a_time_hits_who_is_master_by_then_and_not_who_was_so_before(played: Played) -> None:

    crash, pause = played.of("timed").faults
    assert pause.hit, played.printed
    assert not set(pause.hit) & set(crash.hit)


def without_effect(
    folder: Path, module: str, *method: dict[str, object], settings: Mapping[str, object] | None = None
) -> TrialResult:
    """What becomes of a fault that `module`, or the scenario's settings, make ineffective."""
    harmless = experiment(folder, "harmless", "any", *method)
    small = scenario(folder, {"limits.recovery": "3s", **(settings or {})})
    tampered = environment(folder, module) if module else {}
    played = play(Asked(small, (harmless,), folder / "reports", tampered, inconclusive=True))
    trial = played.of("harmless")
    assert trial.verdict is Verdict.INCONCLUSIVE, played.printed
    assert played.code == INCONCLUSIVE
    return trial


def unproved(trial: TrialResult, number: int) -> str:
    """Why one fault of a trial is not proved, for which the trial is void."""
    fault = trial.faults[number]
    assert f"the {fault.name} is not proved: {fault.unproved}" in {one.text for one in trial.doubts if one.voids}
    return fault.unproved
