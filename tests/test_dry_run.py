"""`failover run --dry-run` answers for files alone, and does nothing."""

import os
from pathlib import Path

import pytest

from chaos.campaign import Campaign
from chaos.cli import entry
from chaos.dry_run import longest_s, span
from chaos.errors import ScenarioError, SetupError
from chaos.experiment.written import load as load_experiment
from chaos.options import Options
from chaos.scenario import load
from chaos.scenario.lookup import experiments, scenarios
from chaos.trial.assignment import limits_s


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What it prints, with every line break as a space."""
    assert entry(["run", *words, "--dry-run"]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_on_local_it_says_what_where_with_which_load_and_for_how_long(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))  # no Docker and no kind is found
    monkeypatch.setenv("FAILOVER_SERVER", str(tmp_path / "no-server"))
    out = tmp_path / "reports"

    text = said(
        capsys, "sentinel", "--experiment", "kill-master", "--trials", "3", "--parallel", "2", "--out", str(out)
    )

    assert "local: processes of this machine" in text
    assert "note: it cannot run here yet: " in text
    assert "those of this user: no root, no container engine, no Kubernetes" in text
    assert "4 clients, 200 writes a second in all, 100 of them on a new connection each" in text
    assert (
        "sentinel: asks Sentinel at sentinel:26379, 1 on new connections and 1 on kept connections, 50/s each" in text
    )
    assert "kill-master × 3: The master crashes and comes back as a new pod." in text
    assert "crash the master: crash (target master, replace true)" in text
    assert "within 30 s if this process is killed" in text
    seconds = longest_s(load("sentinel").scenario, load_experiment(experiments()["kill-master"]))
    assert f"a trial: kill-master {span(seconds)};" in text
    assert f"in all: 3 trials, 2 at once, {span(2 * seconds)}" in text
    assert text.endswith("Nothing was done: this was a dry run.")
    assert not out.exists()


def test_on_kind_it_says_what_is_applied_and_which_pods_of_ours_have_which_rights(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))

    text = said(capsys, "--keep", "--on", "kind")

    assert "kind: a cluster of nodes in containers of this machine" in text
    assert "it is made if it is not there, and kept" in text
    assert "applied: redis-operator v1.3.0-rc1, RedisFailover saasodoo/redis-cluster" in text
    assert "a privileged pod in failover-harness on every node with a member" in text
    assert "no root, no capabilities, no service account's token" in text
    assert "hold the cut: hold (seconds 90)" in text
    assert "note: " in text, "what a run warns of"


def test_how_it_logs_in_is_said_and_no_password(capsys: pytest.CaptureFixture[str]):
    assert "with TLS, to Redis as app with a password and to Sentinel as watcher with a password" in said(capsys, "tls")
    assert "without TLS, to Redis without a login and to Sentinel without a login" in said(capsys, "sentinel")


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["run", "statefulset", "--experiment", "kil-master"],
        ["run", "sentinel", "--on", "kind"],
        ["run", "--on", "docker"],
        ["run", "--resume", "nowhere"],
        ["run", "--resume", "nowhere", "sentinel"],
        ["run", "--on", "kind", "--claim", "soon"],
        ["run", "sentinel", "--claim", "15s@95/95", "--trials", "3"],
        ["run", "sentinel", "--agent-image", "redis"],
        ["run", "sentinel", "--out", "file/reports"],
        ["ab", "--on", "kind", "--b", "redis.hz=100"],
        ["sweep", "sentinel", "--over", "redis.hertz=10,100"],
    ],
)
def test_what_a_run_refuses_is_refused_in_the_same_words(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """There is no Docker, and in CI nothing is chosen instead of kind."""
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", "true")

    code = entry(words)
    refusal = capsys.readouterr().err
    assert code in (ScenarioError.exit_code, SetupError.exit_code)
    assert entry([*words, "--dry-run"]) == code
    assert capsys.readouterr().err == refusal


def test_a_campaign_that_is_played_just_now_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    campaign = Campaign(Options(on="local", scenario="sentinel", out=tmp_path), lambda _: None)
    assert entry(["run", "--resume", str(campaign.directory), "--dry-run"]) == SetupError.exit_code
    assert "is being played by another process" in capsys.readouterr().err
    os.close(campaign._lock)
    assert "sentinel: " in said(capsys, "--resume", str(campaign.directory))


def test_two_variants_are_described_and_counted_and_none_is_played(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    for words, variants in (
        (["ab", "sentinel", "--b", "redis.hz=100"], "2 variants: a (as it is); b (system.settings.redis.hz=100)"),
        (["sweep", "sentinel", "--over", "redis.hz=10,20", "--experiment", "kill-master"], "2 variants: hz=10 ("),
    ):
        assert entry([*words, "--trials", "3", "--parallel", "1", "--dry-run"]) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert f"each of them in {variants}" in text
        assert "in all: 6 trials, " in text
    assert list(tmp_path.iterdir()) == []


def test_the_place_is_chosen_as_a_run_chooses_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))  # there is no Docker
    monkeypatch.delenv("CI", raising=False)
    text = said(capsys)
    assert "operator-model: " in text
    assert "local: processes of this machine" in text
    assert "kind cannot run here: no container engine: there is no docker command" in text


def test_an_experiment_that_cannot_be_played_there_is_refused_or_left_out(capsys: pytest.CaptureFixture[str]):
    assert entry(["run", "--on", "kind", "--experiment", "hook-none", "--dry-run"]) == SetupError.exit_code
    assert "hook-none needs a preStop hook of the experiment's own, which kind cannot do" in capsys.readouterr().err
    for everything in ("--suite", "--experiment"):
        text = said(capsys, "--on", "kind", everything, "all")
        assert "left out: hook-none needs" in text
        assert "hook-none × 1" not in text
    assert "left out: " in said(capsys, "sentinel", "--on", "local", "--experiment", "all")
    assert "slow-master × 1" in said(
        capsys, "--on", "kind", "--suite", "all", "--set", "system.settings.redis.enable-debug-command=yes"
    )


def test_where_no_campaign_can_be_written_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    (tmp_path / "file").touch()
    assert entry(["run", "sentinel", "--dry-run", "--out", str(tmp_path / "file" / "a")]) == SetupError.exit_code
    assert f"no campaign can be written to {tmp_path / 'file' / 'a'}: Not a directory" in capsys.readouterr().err
    said(capsys, "sentinel", "--out", str(tmp_path / "new" / "a"))


def test_what_hits_every_system_is_played_alone(capsys: pytest.CaptureFixture[str]):
    words = ("redis-operator", "--on", "kind", "--suite", "all")
    [alone] = [line for line in said(capsys, *words, "--parallel", "2").splitlines() if "no other trial runs" in line]
    names = set(alone.partition("every system: ")[2].split(", "))
    assert {"drain-node", "stop-kubelet", "operator-away", "kill-operator", "cut-operator-off"} <= names
    assert not {"kill-master", "kill-machine", "partition-master", "rollout-redis"} & names
    assert "no other trial runs" not in said(capsys, *words)


@pytest.mark.parametrize("name", sorted(scenarios()))
def test_no_trial_may_take_longer_than_its_agent_lives(name: str):
    scenario = load(name).scenario
    for path in experiments().values():
        assert 0 < longest_s(scenario, load_experiment(path)) < limits_s(scenario)


def test_times_are_said_as_people_say_them():
    assert [span(seconds) for seconds in (0, 59.6, 160, 3600, 4799)] == [
        "0 s",
        "1 min",
        "2 min 40 s",
        "1 h",
        "1 h 19 min",
    ]
