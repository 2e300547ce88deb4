"""Trials that cannot be played: each a clear sentence, the right exit code, everything undone, the record readable."""

import re
import time
from pathlib import Path

import pytest

from chaos.progress import Tell
from tests.fakes import HERE, Played, trial_spec

pytestmark = pytest.mark.slow


def failed(played: Played) -> str:
    [data] = played.told(Tell.FAILED)
    text: str = data["text"]
    return text


def test_an_experiment_that_the_cluster_cannot_play_is_refused_at_the_first_step(tmp_path: Path) -> None:
    played = Played(trial_spec(tmp_path, "cannot-cut", "partition-master"))

    assert played.code == 3
    assert failed(played) == "partition-master needs cut, which in memory cannot do"
    assert played.closed["step"] == 1


def test_a_system_that_never_becomes_healthy_is_named_with_what_is_wrong(tmp_path: Path) -> None:
    played = Played(trial_spec(tmp_path, "never-healthy"))

    assert played.code == 3
    assert "gave up after 1.5 s: the system is not healthy: sentinel rfs-redis-cluster-a holds the master" in failed(
        played
    )
    assert (played.closed["ended"], played.closed["step"]) == ("failed", 3)
    assert played.undone[-2:] == ["agent closed", "disconnected"]


def test_a_member_that_does_not_answer_is_described(tmp_path: Path) -> None:
    played = Played(trial_spec(tmp_path, "mute"))

    assert played.code == 3
    assert "rfr-redis-cluster-1 does not answer ROLE" in failed(played)
    assert "rfr-redis-cluster-1: its phase is Running; its log is empty" in failed(played)


def test_a_setting_that_no_member_has_ends_the_wait_at_once(tmp_path: Path) -> None:
    spec = trial_spec(tmp_path, "no-settings")
    spec.scenario["system"]["settings"]["redis"] = {"maxclients": 100}
    spec.scenario["limits"]["healthy"] = "60s"
    begun = time.monotonic()
    played = Played(spec)

    assert played.told(Tell.FAILED)[0]["error"] == "NeverHealthyError"
    assert "the system cannot become healthy: rfr-redis-cluster-0 has no setting maxclients" in failed(played)
    assert played.code == 3
    assert time.monotonic() - begun < 30


def test_without_any_path_that_works_there_is_nothing_to_measure(tmp_path: Path) -> None:
    played = Played(trial_spec(tmp_path, "nothing-works"))

    assert played.code == 3
    assert re.fullmatch(
        r"no path to the master works: 0 of (\d+) operations were good \(\1 name not found\); "
        r"[\w-]+:6379: the name does not resolve; .*in \d\.\d s the agent was held up 0 times, .*",
        failed(played),
    )
    assert played.kinds("fault") == []


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("crowded", r"the machine was too crowded to measure: in \d\.\d s the agent was held up [1-9]\d* times"),
        (
            "silent",
            r"the system did not answer in time, and the machine was not crowded: in \d\.\d s the agent",
        ),
    ],
)
def test_a_crowded_machine_is_told_from_a_system_that_is_silent(tmp_path: Path, script: str, why: str) -> None:
    played = Played(trial_spec(tmp_path, script))

    assert played.code == 3
    assert re.search(r"0 of \d+ operations were good \(\d+ reply timeout, \d+ name not found\); " + why, failed(played))


@pytest.mark.parametrize(
    ("script", "code", "why"),
    [
        ("crowded-at-wait", 3, r"; the machine was too crowded to measure: in \d+\.\d s the agent was held up [1-9]"),
        ("silent-at-wait", 4, ""),
    ],
)
def test_a_path_that_is_late_before_the_fault_is_the_machines_doing_only_where_it_was_crowded(
    tmp_path: Path, script: str, code: int, why: str
) -> None:
    spec = trial_spec(tmp_path, script)
    spec.scenario["system"]["period"] = "12s"  # of which seed 7 waits 3.9 s, longer than a recording is called live
    played = Played(spec)

    assert played.code == code
    assert re.match(r"kill-master was not played: the recording is live: it is not so" + (why or "$"), failed(played))
    assert played.kinds("fault") == []


def test_a_heal_that_fails_is_an_error_of_ours_and_the_agent_is_removed_all_the_same(tmp_path: Path) -> None:
    played = Played(trial_spec(tmp_path, "heal-fails"))

    assert played.code == 4
    assert "the node helper does not answer" in failed(played)
    assert played.undone == ["agent closed", "disconnected"]
    assert played.closed["ended"] == "failed"


def test_a_platform_that_falls_silent_for_good_ends_the_trial(tmp_path: Path) -> None:
    played = Played(trial_spec(tmp_path, "platform-breaks"))

    assert played.code == 3
    assert failed(played) == "the API server answers no more"
    assert played.closed["ended"] == "failed"
    assert played.undone[-2:] == ["agent closed", "disconnected"]


@pytest.mark.parametrize("step", ["healthy", "baseline", "watch"])
def test_an_agent_that_dies_fails_the_trial_wherever_it_is(tmp_path: Path, step: str) -> None:
    played = Played(trial_spec(tmp_path, f"agent-dies-at-{step}"))

    assert played.code == 3
    assert "the agent is gone" in failed(played)
    assert played.closed["ended"] == "failed"
    assert "heal" in played.undone


def test_an_agent_that_dies_while_chaostoolkit_plays_is_not_hidden_by_it(tmp_path: Path) -> None:
    """chaostoolkit would call the experiment completed; the agent's own error comes through."""
    file = tmp_path / "no-fault.yaml"
    file.write_text((HERE / "experiments" / file.name).read_text().replace("seconds: 60", "seconds: 3"))
    played = Played(trial_spec(tmp_path, "agent-dies-at-experiment", file))

    assert played.code == 3
    assert failed(played) == "the agent is gone"
    assert (played.directory / "journal.json").exists()
