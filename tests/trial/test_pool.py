"""Trials side by side, each in a worker of its own on the cluster in memory."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.analysis import summary
from chaos.analysis.result import Verdict
from chaos.campaign import Campaign, run
from chaos.errors import CrowdedError, ScenarioError, SetupError
from chaos.options import PLATFORMS, Options, Registered
from chaos.progress import Message, Tell
from tests import fake_cluster, fakes
from tests.fakes import choose_the_fake, read, scenario_file
from tests.rig import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _on_the_fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every trial connects to a system in memory of its own."""
    choose_the_fake(monkeypatch, own_system=True)


def options(folder: Path, **changes: object) -> Options:
    return fakes.options(folder, **{"trials": 3, "parallel": 3} | changes)


def test_trials_overlap_and_each_has_the_seed_and_directory_of_a_serial_run(tmp_path: Path) -> None:
    told: list[Message] = []
    result, directory = run(options(tmp_path), told.append)

    assert [trial.ended for trial in result.trials] == ["complete"] * 3
    serial = Campaign(options(tmp_path, parallel=1), lambda _: None).plan()
    assert [(trial.number, trial.seed) for trial in result.trials] == [(one.number, one.seed) for one in serial]
    assert [read(directory / f"trial-{number:03d}" / "manifest.json")["system"] for number in range(3)] == ["fresh"] * 3
    closed = [message.tell for message in told].index(Tell.CLOSED)
    assert {message.trial for message in told[:closed] if message.tell is Tell.EFFECT} == {0, 1, 2}
    far = [message.data for message in told if message.tell is Tell.PROGRESS]
    assert {(one["done"], one["of"]) for one in far} >= {(0, 3), (3, 3)}


def test_no_more_trials_are_under_way_than_were_asked_for(tmp_path: Path) -> None:
    told: list[Message] = []
    run(options(tmp_path, parallel=2, trials=4), told.append)

    under_way = most = 0
    for message in told:
        under_way += {Tell.TRIAL: 1, Tell.CLOSED: -1}.get(message.tell, 0)
        most = max(most, under_way)
    assert most == 2
    assert {message.trial for message in [one for one in told if one.tell is Tell.TRIAL][:2]} == {0, 1}


def test_they_begin_one_after_the_other(tmp_path: Path) -> None:
    run(options(tmp_path, settings={"system.period": "900ms"}), lambda _: None)

    stagger_s = 0.9 / 3  # the period of the system, over three
    _of_the_campaign, first, second, third = fake_cluster.platforms[-1].reached_ns
    assert second - first > 0.5 * stagger_s * 1e9
    assert third - second > 0.5 * stagger_s * 1e9


def test_a_failure_lets_no_more_begin_and_those_under_way_are_played_to_their_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SCRIPT", "platform-breaks-in-trial-001")
    told: list[Message] = []
    with pytest.raises(SetupError, match="the API server answers no more"):
        run(options(tmp_path, parallel=2, trials=4), told.append)

    [directory] = (tmp_path / "reports").iterdir()
    assert read(directory / "trial-000" / "closed")["ended"] == "complete"
    assert read(directory / "trial-001" / "closed")["ended"] == "failed"
    assert not (directory / "trial-002").exists()
    assert len(summary.load(directory / "summary.json").trials) == 2
    notes = [message.data["text"] for message in told if message.tell is Tell.NOTE]
    assert any("no more trials begin, 1 under way are played to their end" in text for text in notes)


def test_a_machine_that_is_too_crowded_for_one_trial_leaves_it_inconclusive_and_the_others_are_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SCRIPT", "crowded-in-trial-001")
    result, directory = run(options(tmp_path, parallel=3, trials=4), lambda _: None)

    assert [trial.ended for trial in result.trials] == ["complete", "failed", "complete", "complete"]
    assert result.trials[1].verdict is Verdict.INCONCLUSIVE
    assert any("the machine was too crowded to measure" in sentence for sentence in result.trials[1].because)
    assert read(directory / "trial-001" / "closed")["ended"] == "failed"


def test_a_machine_that_is_too_crowded_for_every_trial_ends_the_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SCRIPT", "crowded")
    with pytest.raises(CrowdedError, match="the machine was too crowded to measure"):
        run(options(tmp_path, parallel=2, trials=2), lambda _: None)


def test_each_that_never_became_healthy_is_tried_once_more_on_a_fresh_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SCRIPT", "healthy-when-fresh")
    result, directory = run(options(tmp_path, trials=2, parallel=2), lambda _: None)

    assert [trial.ended for trial in result.trials] == ["complete"] * 2
    begin, *anew, end = fake_cluster.platforms[-1].asked
    assert (begin, anew[0], end) == ("up", "deploy", "down")
    assert sorted(anew[1:]) == ["deploy fresh", "deploy fresh 1"]
    assert {path.name for path in directory.glob("unhealthy-*")} == {"unhealthy-000", "unhealthy-001"}


def test_on_one_system_more_than_one_at_once_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLATFORMS, "fake", Registered(of="tests.fake_cluster:platform"))
    with pytest.raises(ScenarioError, match="--parallel 3: on fake all trials are on one system"):
        Campaign(options(tmp_path), lambda _: None)


PROGRAM = """
import sys
from chaos import cli
from chaos.options import PLATFORMS, Registered
PLATFORMS["fake"] = Registered(of="tests.fake_cluster:platform", own_system=True)
sys.exit(cli.entry(sys.argv[1:]))
"""


def interrupted(folder: Path, script: str, when: Callable[[], bool]) -> tuple[int, str]:
    """`failover run` of three trials, two at once, signalled twice as soon as `when` holds."""
    asked = ["--on", "fake", "--scenario", str(scenario_file(folder)), "--out", str(folder / "reports")]
    command = ["-c", PROGRAM, "run", *asked, "--experiment", "kill-master", "--trials", "3", "--parallel", "2"]
    environment = {**os.environ, "FAKE_SCRIPT": script}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, *command], env=environment, stdout=pipe, stderr=subprocess.STDOUT
    ) as process:
        wait_for(when, "it is as far as it is to be interrupted")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=120)
        return process.returncode, printed.decode()


def test_interrupted_in_their_faults_every_trial_undoes_its_own(tmp_path: Path) -> None:
    def at_fault() -> bool:
        files = list(tmp_path.glob("reports/*/trial-*/events/faults.jsonl"))
        return len(files) == 2 and all("fault.requested" in file.read_text() for file in files)

    code, printed = interrupted(tmp_path, "fault-hangs", at_fault)

    [directory] = (tmp_path / "reports").iterdir()
    assert code == 130, printed
    assert f"error: interrupted by SIGINT; what was recorded is in {directory}" in printed
    assert [read(directory / f"trial-{n:03d}" / "closed")["ended"] for n in range(2)] == ["interrupted"] * 2
    assert (directory / "undone.jsonl").read_text().count('"heal"') >= 2
    assert not (directory / "trial-002").exists()
    assert (directory / "summary.json").exists()


def test_interrupted_while_workers_are_only_being_started_nothing_is_left(tmp_path: Path) -> None:
    code, printed = interrupted(tmp_path, "", lambda: any(tmp_path.glob("reports/*/trial-*")))

    [directory] = (tmp_path / "reports").iterdir()
    assert code == 130, printed
    assert not (directory / "trial-002").exists()
    assert (directory / "summary.json").exists()


def test_where_systems_are_used_again_each_of_those_under_way_has_one_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PLATFORMS, "fake", Registered(of="tests.fake_cluster:platform", beside=True))
    asked = options(tmp_path, parallel=2, trials=4, settings={"system.kube.manifests": "[system.yaml]"})
    (tmp_path / "small" / "system.yaml").write_text("")
    told: list[Message] = []
    result, directory = run(asked, told.append)

    assert fake_cluster.platforms[-1].asked == ["up", "deploy", "deploy 1", "down"]
    assert [trial.ended for trial in result.trials] == ["complete"] * 4
    manifests = [read(directory / f"trial-{number:03d}" / "manifest.json") for number in range(4)]
    assert {one["scenario"]["system"]["kube"]["namespace"] for one in manifests} == {"fake", "fake-2"}
    assert {one["system"] for one in manifests} == {"re-used"}
    under_way: dict[str, int] = {}
    for message in told:
        if message.tell is Tell.TRIAL:
            namespace = manifests[message.trial or 0]["scenario"]["system"]["kube"]["namespace"]
            assert namespace not in under_way, "two trials were under way on one system"
            under_way[namespace] = message.trial or 0
        elif message.tell is Tell.CLOSED:
            under_way = {name: number for name, number in under_way.items() if number != message.trial}


def test_one_that_hits_every_system_is_played_while_no_other_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PLATFORMS, "fake", Registered(of="tests.fake_cluster:platform", beside=True))
    hits_all = tmp_path / "kill-operator.yaml"
    hits_all.write_text(Path("experiments/kill-operator.yaml").read_text().replace("seconds: 20", "seconds: 1"))
    of_all = (str(hits_all), "kill-master", "crash-in-place")
    settings = {
        "system.kube.manifests": "[system.yaml]",
        "system.kube.operator": "{namespace: operators, selector: app=operator}",
    }
    asked = options(tmp_path, parallel=2, trials=2, experiments=of_all, settings=settings)
    (tmp_path / "small" / "system.yaml").write_text("")
    told: list[Message] = []
    run(asked, told.append)

    played: dict[int, str] = {}
    beside: list[list[str]] = []
    for message in told:
        if message.tell is Tell.TRIAL:
            played[message.trial or 0] = message.data["experiment"]
            beside.append([*played.values()])
        elif message.tell is Tell.CLOSED and message.trial is not None:
            del played[message.trial]
    assert 2 in map(len, beside)
    assert beside[-2:] == [["kill-operator"]] * 2
    assert not any("kill-operator" in one for one in beside[:-2]), "others had to wait for it"
