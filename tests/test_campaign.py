"""Campaigns on the cluster in memory, each trial in a worker process of its own, up to the report."""

import signal
from pathlib import Path

import pytest

from chaos import cli
from chaos.analysis import summary
from chaos.analysis.result import Verdict
from chaos.campaign import Campaign, run, seed_of, unused
from chaos.errors import INCONCLUSIVE, HarnessError, ScenarioError, SetupError
from chaos.progress import Message, Tell
from tests import fake_cluster
from tests.fakes import choose_the_fake, options, read, scenario_file, signalled

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _on_the_fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--on fake` is a line in the table of platforms; workers find `tests` from the checkout."""
    choose_the_fake(monkeypatch)


def test_a_campaign_ends_in_a_verdict_and_a_report(tmp_path: Path) -> None:
    told: list[Message] = []
    result, directory = run(options(tmp_path), told.append)

    assert [trial.ended for trial in result.trials] == ["complete"]
    assert directory.parent == tmp_path / "reports"
    written = {path.name for path in directory.iterdir()}
    assert {"campaign.json", "summary.json", "summary.md", "junit.xml", "report.html"} <= written
    assert summary.load(directory / "summary.json").verdict is result.verdict
    assert fake_cluster.platforms[-1].asked == ["up", "deploy", "down"]
    assert Tell.EFFECT in {message.tell for message in told}


def test_what_was_asked_for_is_written_down(tmp_path: Path) -> None:
    opened = Campaign(options(tmp_path, settings={"limits.watch": "1s"}, command="failover run"), lambda _: None)
    content = read(opened.directory / "campaign.json")

    assert content["experiments"] == ["kill-master"]
    assert (content["seed"], content["trials"], content["cluster"]) == (7, 1, "fake")
    assert content["command"] == "failover run"
    assert content["options"]["settings"] == {"limits.watch": "1s"}


def test_experiments_take_turns_and_every_seed_follows_from_one(tmp_path: Path) -> None:
    opened = Campaign(options(tmp_path, experiments=("kill-master", "no-fault"), trials=2), lambda _: None)
    planned = opened.plan()

    rounds = [{(one.experiment.name, one.nth) for one in planned[first : first + 2]} for first in (0, 2)]
    assert rounds == [{("kill-master", nth), ("no-fault", nth)} for nth in range(2)]
    assert [one.seed for one in planned] == [seed_of(7, number) for number in range(4)]
    assert len({one.seed for one in planned}) == 4


def test_the_order_in_a_round_follows_from_the_seed(tmp_path: Path) -> None:
    def order(seed: int) -> list[str]:
        asked = options(tmp_path, experiments=("kill-master", "no-fault"), trials=6, seed=seed)
        return [one.experiment.name for one in Campaign(asked, lambda _: None).plan()]

    assert order(7) == order(7)
    assert len({tuple(order(seed)) for seed in range(4)}) > 1
    assert len({tuple(order(7)[first : first + 2]) for first in range(0, 12, 2)}) == 2


def test_without_a_seed_one_is_chosen_and_written_down(tmp_path: Path) -> None:
    opened = Campaign(options(tmp_path, seed=None), lambda _: None)

    assert read(opened.directory / "campaign.json")["seed"] == opened.seed


def test_two_campaigns_of_one_minute_have_directories_of_their_own(tmp_path: Path) -> None:
    assert [unused(tmp_path / "2026").name for _ in range(3)] == ["2026", "2026-2", "2026-3"]


def test_a_place_that_takes_no_campaign_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match=r"no campaign can be written to .*file.*--out"):
        unused(tmp_path / "file" / "2026")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"on": "fkae"}, '--on takes kind or local or fake, and not "fkae"'),
        ({"experiments": ("kil-master",)}, 'no experiment is called "kil-master"; did you mean kill-master?'),
        ({"scenario": "nowhere"}, 'no scenario is called "nowhere"'),
    ],
)
def test_a_wrong_word_is_an_error_before_anything_is_made(
    tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ScenarioError) as error:
        Campaign(options(tmp_path, **changes), lambda _: None)

    assert sentence in str(error.value)
    assert not (tmp_path / "reports").exists()


def test_a_system_that_is_not_healthy_is_deployed_anew_once_and_the_trial_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SCRIPT", "healthy-when-fresh")
    result, directory = run(options(tmp_path), lambda _: None)

    assert fake_cluster.platforms[-1].asked == ["up", "deploy", "deploy fresh", "down"]
    assert [trial.ended for trial in result.trials] == ["complete"]
    assert read(directory / "trial-000" / "manifest.json")["system"] == "fresh"
    assert read(directory / "unhealthy-000" / "closed")["step"] == 3


def test_a_system_that_stays_unhealthy_is_given_up_and_said_in_the_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SCRIPT", "never-healthy")
    with pytest.raises(SetupError) as error:
        run(options(tmp_path), lambda _: None)

    [directory] = (tmp_path / "reports").iterdir()
    assert "the system is not healthy" in str(error.value)
    assert fake_cluster.platforms[-1].asked == ["up", "deploy", "deploy fresh", "down"]
    assert summary.load(directory / "summary.json").verdict is Verdict.INCONCLUSIVE


def test_a_system_that_cannot_become_healthy_is_not_deployed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SCRIPT", "no-settings")
    with pytest.raises(SetupError, match="has no setting maxclients"):
        run(options(tmp_path, settings={"system.settings.redis.maxclients": "100"}), lambda _: None)

    assert fake_cluster.platforms[-1].asked == ["up", "deploy", "down"]


def test_a_worker_that_dies_without_a_word_is_an_error_with_what_is_left_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SCRIPT", "worker-dies")
    with pytest.raises(HarnessError) as error:
        run(options(tmp_path), lambda _: None)

    [directory] = (tmp_path / "reports").iterdir()
    assert "the trial's worker died (SIGKILL)" in str(error.value)
    assert str(directory / "trial-000" / "worker.log") in str(error.value)
    assert (directory / "summary.json").exists()


PROGRAM = """
import sys
from chaos import cli
from chaos.options import PLATFORMS, Registered
PLATFORMS["fake"] = Registered(of="tests.fake_cluster:platform")
sys.exit(cli.entry(sys.argv[1:]))
"""
"""`failover` in a process of its own, with one more platform."""


def interrupted(folder: Path, script: str, when: str, number: signal.Signals) -> tuple[int, str]:
    """`failover run` of two trials, signalled twice once it has printed `when`; its exit code and its output."""
    asked = ["--on", "fake", "--scenario", str(scenario_file(folder)), "--out", str(folder / "reports")]
    command = ["-c", PROGRAM, "run", *asked, "--experiment", "kill-master", "--trials", "2"]
    return signalled(command, {"FAKE_SCRIPT": script}, when, number)


def test_interrupted_in_a_trial_it_undoes_reports_and_says_so(tmp_path: Path) -> None:
    code, printed = interrupted(tmp_path, "", "T0 ", signal.SIGINT)

    [directory] = (tmp_path / "reports").iterdir()
    assert code == 130, printed
    assert f"error: interrupted by SIGINT; what was recorded is in {directory}" in printed
    assert "heal" in (directory / "undone.jsonl").read_text()
    assert read(directory / "trial-000" / "closed")["ended"] == "interrupted"
    assert summary.load(directory / "summary.json").verdict is Verdict.INCONCLUSIVE
    assert not (directory / "trial-001").exists()


def test_interrupted_while_the_platform_comes_up_it_waits_until_that_is_undone(tmp_path: Path) -> None:
    code, printed = interrupted(tmp_path, "up-hangs", "coming up", signal.SIGTERM)

    [directory] = (tmp_path / "reports").iterdir()
    assert code == 130, printed
    assert "the half made platform is gone" in printed
    assert (directory / "summary.json").exists()


def test_interrupted_while_the_system_is_deployed_it_takes_the_platform_away(tmp_path: Path) -> None:
    code, printed = interrupted(tmp_path, "deploy-hangs", "deploying", signal.SIGINT)

    assert code == 130, printed
    assert printed.index("the half deployed system is gone") < printed.index("the platform is gone")
    assert printed.index("the platform is gone") < printed.index("error: interrupted by SIGINT")


def test_what_an_interruption_left_can_be_analysed_again(tmp_path: Path) -> None:
    interrupted(tmp_path, "", "T0 ", signal.SIGTERM)
    [directory] = (tmp_path / "reports").iterdir()
    before = (directory / "summary.json").read_bytes()
    (directory / "summary.json").unlink()

    assert cli.entry(["analyse", str(directory)]) == INCONCLUSIVE
    assert (directory / "summary.json").read_bytes() == before
