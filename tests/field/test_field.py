"""Each situation ends with the right verdict, and its cause names what made the outage."""

from collections.abc import Iterator

import pytest

from chaos.analysis.result import State, TrialResult, Verdict
from chaos.errors import ScenarioError
from tests.field.cases import LOCAL, REDIS, SENTINEL, Case, Cases, names, playing, the

pytestmark = [pytest.mark.local, pytest.mark.slow, pytest.mark.timeout(900)]

APPLICATION = (
    "clients.app.library=redis-py-pool",
    "clients.app.address=redis:6379",
    "clients.app.count=1",
    "clients.app.rate_each=20/s",
    f"{LOCAL}.replace.after=10s",
    f"{LOCAL}.replace.address=new",
)
MODEL = (
    "system.period=1s",
    f"{LOCAL}.endpoint.every=5s",
    f"{LOCAL}.ready=0",
    "clients.service.count=1",
    "clients.sentinel.count=1",
)
"""The operator's model with a shorter resync and half of the load, for tests that wait for several of them."""
CASES = {
    "no quorum": Case("kill-master", (f"{SENTINEL}.quorum=4", f"{LOCAL}.replace.after=25s", "limits.recovery=20s")),
    "two machines": Case(
        "two-machines",
        (
            "system.replicas=1",
            "system.sentinels=2",
            f"{SENTINEL}.quorum=1",
            f"{LOCAL}.restart=60s",
            "limits.recovery=25s",
        ),
    ),
    "two masters": Case("kill-master", scenario="cache"),
    "priority 0": Case("kill-master", (f"{REDIS}.replica-priority=0", f"{LOCAL}.replace.after=25s")),
    "a replica first": Case("reset-window", MODEL, scenario="operator-model", trials=2),
    "short failover-timeout": Case("kill-master", (f"{SENTINEL}.failover-timeout=100",), trials=4),
    "full": Case(
        "kill-master", (f"{REDIS}.maxmemory=2097152", f"{REDIS}.maxmemory-policy=noeviction", "limits.recovery=20s")
    ),
    "one replica": Case(
        "kill-master",
        ("system.replicas=1", f"{REDIS}.min-replicas-to-write=1", f"{REDIS}.min-replicas-max-lag=5"),
    ),
    "a Sentinel": Case("replace-sentinel", MODEL, scenario="operator-model"),
    "refused": Case("delete-master", (f"{REDIS}.replica-priority=0", f"{LOCAL}.terminate=8s")),
    "no time-out": Case("kill-master", APPLICATION, does_wrong="no_time_outs"),
    "time-outs": Case("kill-master", APPLICATION),
    "patient Sentinels": Case(
        "kill-master", (f"{SENTINEL}.down-after-milliseconds=60000", f"{SENTINEL}.failover-timeout=180000")
    ),
    "empty disk": Case("kill-master", (f"{LOCAL}.replace.after=3s", f"{LOCAL}.replace.data=lost")),
    "no persistence": Case("crash-in-place", (f'{REDIS}.appendonly="no"', f'{REDIS}.save=""')),
    "in place, by the operator": Case(
        "crash-in-place", (*MODEL, f'{REDIS}.appendonly="no"', f'{REDIS}.save=""'), scenario="operator-model"
    ),
    "at once": Case("crash-in-place", (f"{LOCAL}.restart=0",)),
    "no preStop": Case("delete-master", (f"{LOCAL}.hands_over=false",)),
}
"""Whoever takes longest begins first."""


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cases]:
    with playing(CASES, tmp_path_factory.mktemp("field")) as running:
        yield running


def ends(cases: Cases, name: str, verdict: Verdict, *words: str) -> TrialResult:
    """The trial, whose verdict is this and whose cause says all these words."""
    trial = cases.trial(name)
    assert trial.verdict is verdict, cases.played(name).printed
    assert [word for word in words if word not in trial.cause] == [], trial.cause
    return trial


def test_an_empty_master_that_is_back_before_it_is_missed_wipes_its_replicas(cases: Cases) -> None:
    trial = ends(
        cases, "empty disk", Verdict.FAIL, "came back empty as the master at", "copied it", "No failover was needed"
    )
    assert the(trial, "empty master copied").sentence in cases.played("empty disk").result.headline["verdict"]
    assert trial.losses.before is not None
    assert trial.losses.before.least > 0
    assert trial.targets["lost_before"].verdict == "fail"
    assert trial.failovers == ()


def test_so_does_a_process_without_persistence_that_restarts_in_place(cases: Cases) -> None:
    trial = ends(cases, "no persistence", Verdict.FAIL, "came back empty as the master at")
    assert trial.losses.before is not None
    assert trial.losses.before.least > 0
    assert "later than down-after-milliseconds" in cases.played("no persistence").result.headline["do"]


def test_with_the_operator_it_comes_back_as_a_replica_of_itself_and_loses_nothing_that_everybody_had(
    cases: Cases,
) -> None:
    trial = cases.trial("in place, by the operator")
    assert "as a replica of itself" in the(trial, "back as a replica of itself").sentence
    assert "empty master copied" not in names(trial)
    assert trial.targets["lost_before"].verdict == "pass"


def test_a_quorum_above_the_sentinels_is_refused_or_said_to_be_out_of_reach(cases: Cases) -> None:
    played = cases.played("no quorum")
    if played.code == ScenarioError.exit_code:
        assert "quorum" in played.printed
        return
    trial = ends(cases, "no quorum", Verdict.FAIL, "+odown never came: quorum is 4, and there are only 3 Sentinels")
    assert trial.milestones["sdown"].state is State.SEEN
    assert trial.milestones["odown"].state is State.NOT_YET
    assert trial.targets["detection"].verdict == "pass"
    assert trial.failovers == ()


def test_replicas_with_priority_0_are_no_candidates(cases: Cases) -> None:
    ends(cases, "priority 0", Verdict.FAIL, "aborted", "no good replica", "have replica-priority 0", "was back")


def test_a_new_master_without_a_replica_in_sync_refuses_writes(cases: Cases) -> None:
    ends(cases, "one replica", Verdict.FAIL, "promoted at", "refused writes with NOREPLICAS", "too few replicas")
    do = cases.played("one replica").result.headline["do"]
    assert "Keep more replicas than min-replicas-to-write" in do
    assert "The price: " in do


def test_a_master_that_is_back_before_it_is_missed_needs_no_failover_and_nobody_waits_for_one(cases: Cases) -> None:
    trial = ends(
        cases, "patient Sentinels", Verdict.FAIL, "No failover was needed", "before Sentinel would have missed it"
    )
    assert {trial.targets[name].verdict for name in ("detection", "quorum", "failover_start", "promotion")} == {
        "not-applicable"
    }
    played = cases.played("patient Sentinels")
    assert played.output("kill-master", "wait for recovery").startswith("recovered")


def test_of_two_sentinels_no_majority_is_left(cases: Cases) -> None:
    trial = ends(cases, "two machines", Verdict.FAIL, "A leader needs 2 of 2 votes", "got 1: sentinel-0 is gone")
    assert "Run three Sentinels or more" in the(trial, "no majority for a leader").advice


def test_a_sentinel_that_is_replaced_brings_no_failover_and_none_was_due(cases: Cases) -> None:
    trial = ends(cases, "a Sentinel", Verdict.PASS)
    assert trial.failovers == ()
    failover = ("detection", "quorum", "failover_start", "promotion", "reconfiguration", "endpoint")
    assert {trial.targets[name].verdict for name in failover} == {"not-applicable"}
    assert names(trial) & {"quorum out of reach", "not missed"} == set()


def test_a_graceful_delete_without_a_hook_is_a_detected_failover_and_a_result(cases: Cases) -> None:
    trial = ends(cases, "no preStop", Verdict.PASS, "detection")
    assert [one.kind for one in trial.failovers] == ["detected"]


def test_a_requested_failover_that_is_refused_is_detected_later_and_fails(cases: Cases) -> None:
    ends(cases, "refused", Verdict.FAIL, "was refused (NOGOODSLAVE)", "no good replica", "replica-priority 0")


def test_promotions_that_were_undone_are_told_and_the_milestone_is_of_the_one_that_lasted(cases: Cases) -> None:
    trials = cases.played("short failover-timeout").result.trials
    undone = [trial for trial in trials if any(one.aborted == "slave-timeout" for one in trial.failovers)]
    assert undone, "no promotion was undone in any of these trials"
    for trial in undone:
        found = the(trial, "promotion undone")
        assert "failover-timeout being 0.1 s" in found.sentence
        if found.until_s is None:  # no promotion lasted, so that it is the cause of what followed
            assert found.sentence in trial.cause
        else:
            lasting = [one.milestones["promoted"].at_s for one in trial.failovers if not one.aborted]
            assert trial.milestones["promoted"].at_s in lasting


def test_a_redis_that_is_full_is_out_again_until_the_end(cases: Cases) -> None:
    trial = ends(cases, "full", Verdict.FAIL, "refused writes with OOM from", "until the end", "maxmemory, 2 MiB")
    assert {path.targets["works_at_end"].verdict for path in trial.paths.values()} == {"fail"}


def test_a_master_that_is_back_at_once_was_never_missed_and_its_loading_has_a_time(cases: Cases) -> None:
    ends(cases, "at once", Verdict.PASS, "No failover was needed", "loading its file took")


def test_an_application_stands_with_the_version_and_the_effective_time_outs_of_its_library(cases: Cases) -> None:
    ordinary, endless = (cases.trial(name).paths["app/kept"] for name in ("time-outs", "no time-out"))
    assert "socket_timeout none, socket_connect_timeout none" in endless.about
    assert "socket_timeout 5" in ordinary.about


def test_two_masters_until_the_end_are_a_result(cases: Cases) -> None:
    trial = ends(cases, "two masters", Verdict.FAIL, "both said that they are master", "until the end")
    assert "Acknowledged meanwhile" in the(trial, "two masters").sentence
    assert trial.targets["works_at_end"].verdict == "fail"
    assert trial.losses.lost is not None, trial.losses.undecided
    for name in ("sentinel/new", "sentinel/kept"):
        assert trial.paths[name].targets["recovery"].verdict == "pass"


def test_with_two_faults_time_counts_from_the_one_on_the_master(cases: Cases) -> None:
    for trial in cases.played("a replica first").result.trials:
        first, second = trial.faults
        assert second.is_origin
        assert first.target is not None
        assert first.effect_s is not None
        assert first.effect_s.most < -20
        sdown = trial.milestones["sdown"].at_s
        assert sdown is not None
        assert sdown.most < 8
        forgotten = [one for one in trial.findings if one.name == "replicas forgotten"]
        assert [one for one in forgotten if one.since_s < 0], [one.sentence for one in trial.findings]
