"""Campaigns that were killed, and go on: the same trials, none twice, one report. On the cluster in memory."""

import fcntl
import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from chaos.analysis import summary
from chaos.campaign import Campaign, run
from chaos.errors import ScenarioError, SetupError
from chaos.options import PLATFORMS, Options, Registered
from chaos.progress import Message, Tell
from chaos.record.reader import trials
from chaos.undo import is_free
from tests import fakes
from tests.fakes import HERE, choose_the_fake, read, scenario_file
from tests.test_campaign import PROGRAM

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
TRIALS = 4


@pytest.fixture(autouse=True)
def _on_the_fake(monkeypatch: pytest.MonkeyPatch) -> None:
    choose_the_fake(monkeypatch)


def options(folder: Path, **changes: object) -> Options:
    return fakes.options(folder, **{"trials": TRIALS} | changes)


def started(*arguments: str | Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PROGRAM, "run", *map(str, arguments)]
    return subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def killed(process: "subprocess.Popen[str]", after_s: float) -> bool:
    """Whether it was still there to be killed."""
    try:
        process.communicate(timeout=after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return True
    return False


def whole(directory: Path, seeds: Sequence[int]) -> None:
    """Every trial is there once and complete, with the seed that it has in a campaign that nobody killed."""
    result = summary.load(directory / "summary.json")
    assert [(trial.number, trial.ended) for trial in result.trials] == [(n, "complete") for n in range(len(seeds))]
    assert [trial.seed for trial in result.trials] == list(seeds)
    assert sorted(path.name for path in directory.glob("trial-*")) == [f"trial-{n:03d}" for n in range(len(seeds))]
    assert [path.name for path in directory.parent.iterdir()] == [directory.name]


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_moments_it_goes_on_to_the_same_trials(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    seeds = [one.seed for one in Campaign(options(tmp_path, out=tmp_path / "unplayed"), lambda _: None).plan()]
    out = tmp_path / "reports"
    asked = ["--on", "fake", "--scenario", scenario_file(tmp_path), "--experiment", "kill-master", "--seed", 7]
    process = started(*map(str, asked), "--trials", str(TRIALS), "--out", out)
    while not list(out.glob("*/campaign.json")):
        assert process.poll() is None
    [directory] = out.iterdir()
    kills = [killed(process, draw.uniform(0, 12))]
    for _ in range(2):
        kills.append(killed(started("--resume", directory), draw.uniform(0, 12)))
    last = started("--resume", directory)
    printed, _ = last.communicate(timeout=280)

    assert any(kills)
    assert last.returncode == 5, printed  # nothing answers the clients of the cluster in memory: inconclusive
    whole(directory, seeds)


def test_what_was_played_is_kept_and_what_was_cut_off_is_played_again(tmp_path: Path) -> None:
    _, directory = run(options(tmp_path, trials=3), lambda _: None)
    kept = (directory / "trial-000" / "manifest.json").read_bytes()
    seeds = [read(directory / f"trial-{n:03d}" / "manifest.json")["seed"] for n in range(3)]
    (directory / "trial-001" / "closed").unlink()
    (directory / "summary.json").unlink()
    told: list[Message] = []
    result, _ = run(Options(resume=directory), told.append)

    whole(directory, seeds)
    assert (
        "1 recording of trial 1 did not end as planned, and the trial was played again." in result.headline["verdict"]
    )
    assert (directory / "trial-000" / "manifest.json").read_bytes() == kept
    assert (directory / "cut-off-001" / "manifest.json").exists()
    notes = [message.data["text"] for message in told if message.tell is Tell.NOTE]
    assert notes[0] == "2 trials were played before"
    assert notes[1].startswith("trial-001 was cut off and is played again; what it recorded is in cut-off-001")
    assert len([message for message in told if message.tell is Tell.TRIAL]) == 1


def test_a_claim_goes_on_where_it_was(tmp_path: Path) -> None:
    """It takes three, and stops when two are inconclusive, as all are here."""
    result, directory = run(options(tmp_path, trials=1, claim="15s@50/80"), lambda _: None)
    before = len(result.trials)
    told: list[Message] = []
    result, _ = run(Options(resume=directory), told.append)

    assert (before, len(result.trials)) == (2, 2)
    assert not [message for message in told if message.tell is Tell.TRIAL]


def test_a_campaign_is_played_by_one_process_at_a_time(tmp_path: Path) -> None:
    opened = Campaign(options(tmp_path), lambda _: None)
    with pytest.raises(SetupError, match="is being played by another process"):
        run(Options(resume=opened.directory), lambda _: None)


def test_a_log_is_free_when_nobody_holds_it(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.touch()
    assert is_free(log)
    with log.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not is_free(log)
    assert is_free(log)


def test_nothing_else_is_asked_with_it(tmp_path: Path) -> None:
    opened = Campaign(options(tmp_path), lambda _: None)
    os.close(opened._lock)
    with pytest.raises(ScenarioError, match="leave out --on, --trials"):
        run(Options(resume=opened.directory, on="local", trials=3), lambda _: None)


def test_another_machine_than_before_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its trials would be pooled with those of the first machine."""
    opened = Campaign(options(tmp_path), lambda _: None)
    os.close(opened._lock)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    with pytest.raises(ScenarioError, match=r"was begun on another machine \(.*\), and this is .*, 64 cores"):
        run(Options(resume=opened.directory), lambda _: None)


def test_another_scenario_than_before_is_refused(tmp_path: Path) -> None:
    _, directory = run(options(tmp_path, trials=1), lambda _: None)
    file = scenario_file(tmp_path)
    file.write_text(file.read_text().replace("recovery: {limit: 15s}", "recovery: {limit: 16s}"))
    with pytest.raises(ScenarioError, match="is not what it was when"):
        run(Options(resume=directory), lambda _: None)


def test_trials_of_several_systems_on_one_cluster_are_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PLATFORMS, "fake", Registered(of="tests.fake_cluster:platform", beside=True))
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "system.yaml").write_text("")
    beside: dict[str, object] = {"parallel": 2, "trials": 3, "settings": {"system.kube.manifests": "[system.yaml]"}}
    _, directory = run(options(tmp_path, **beside), lambda _: None)
    (directory / "trial-002" / "closed").unlink()

    result, _ = run(Options(resume=directory), lambda _: None)
    assert [trial.ended for trial in result.trials] == ["complete"] * 3
    systems = [read(trial / "manifest.json")["scenario"]["system"] for trial in trials(directory)]
    assert {one["kube"]["namespace"] for one in systems} == {"fake", "fake-2"}
