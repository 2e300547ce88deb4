"""Names are looked up in the working directory, then in what ships with us; a path is taken as it is."""

import pytest

from chaos.errors import ScenarioError
from chaos.scenario.lookup import find_experiment, find_experiments, shipped


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "ours.yaml").write_text("title: ours\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_experiment_is_found_by_name_and_by_path(folder):
    assert find_experiment("ours").resolve() == folder / "experiments" / "ours.yaml"
    assert find_experiment("experiments/ours.yaml").is_file()
    assert find_experiment("kill-master") == shipped() / "experiments" / "kill-master.yaml"


def test_all_stands_for_every_name_and_nothing_is_played_twice(folder):
    found = find_experiments(["ours", "all", "ours"])
    assert found[0].stem == "ours"
    assert len(found) == len(set(found)) > 1


def test_an_unknown_experiment_says_the_nearest_one(folder):
    with pytest.raises(ScenarioError, match=r'no experiment is called "kil-master"; did you mean kill-master\?'):
        find_experiment("kil-master")


def test_a_path_that_is_not_there_is_named(folder):
    with pytest.raises(ScenarioError, match=r"nix\.yaml: no such experiment"):
        find_experiments(["nix.yaml"])
