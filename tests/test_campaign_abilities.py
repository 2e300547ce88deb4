"""What a campaign does with an experiment that the cluster in memory cannot play: it cannot cut here."""

from pathlib import Path

import pytest

from chaos.campaign import Campaign
from chaos.errors import SetupError
from chaos.options import PLATFORMS, Options, Registered
from chaos.progress import Message, Tell
from tests import fake_cluster
from tests.fakes import HERE, read, scenario_file

REFUSED = "partition-master needs cut, which in memory cannot do"


@pytest.fixture(autouse=True)
def _on_a_fake_that_cannot_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLATFORMS, "fake", Registered(of="tests.fake_cluster:platform"))
    monkeypatch.setenv("FAKE_SCRIPT", "cannot-cut")
    monkeypatch.chdir(HERE)


def opened(folder: Path, experiments: tuple[str, ...] | None, told: list[Message]) -> Campaign:
    file = str(scenario_file(folder))
    options = Options(on="fake", scenario=file, experiments=experiments, seed=7, out=folder / "reports")
    return Campaign(options, told.append)


def test_of_what_was_chosen_here_it_is_left_out_with_a_note(tmp_path: Path) -> None:
    told: list[Message] = []
    one = opened(tmp_path, None, told)
    with one:
        assert [planned.experiment.name for planned in one.plan()] == ["kill-master"]

    assert f"left out: {REFUSED}" in [message.data["text"] for message in told if message.tell is Tell.NOTE]
    written = read(one.directory / "campaign.json")
    assert (written["experiments"], written["left_out"]) == (["kill-master"], [REFUSED])


def test_of_all_that_there_is_it_is_left_out(tmp_path: Path) -> None:
    with opened(tmp_path, ("all",), []) as one:
        names = {planned.experiment.name for planned in one.plan()}
    assert "kill-master" in names
    assert "partition-master" not in names
    assert REFUSED in read(one.directory / "campaign.json")["left_out"]


def test_where_it_was_asked_for_nothing_is_deployed(tmp_path: Path) -> None:
    one = opened(tmp_path, ("kill-master", "partition-master"), [])
    with pytest.raises(SetupError, match=REFUSED):
        one.__enter__()

    assert fake_cluster.platforms[-1].asked == ["up", "down"]
    assert SetupError.exit_code == 3


def test_one_that_is_asked_for_later_is_refused_then(tmp_path: Path) -> None:
    with opened(tmp_path, (), []) as one:
        assert one.another("kill-master").number == 0
        with pytest.raises(SetupError, match=REFUSED):
            one.another("partition-master")


def test_what_would_hit_the_systems_beside_it_is_played_after_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PLATFORMS, "fake", Registered(of="tests.fake_cluster:platform", beside=True))
    for at_once, ordered in ((1, False), (2, True)):
        one = opened(tmp_path, ("drain-node", "kill-master"), [])
        one.at_once, one.trials = at_once, 4
        with one:
            names = [planned.experiment.name for planned in one.plan()]
        assert sorted(names) == ["drain-node"] * 4 + ["kill-master"] * 4
        assert (names == ["kill-master"] * 4 + ["drain-node"] * 4) == ordered
