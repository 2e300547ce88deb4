"""Where a campaign runs: what was asked for, what the scenario says, and what is chosen where nobody says."""

from pathlib import Path

import pytest

from chaos.errors import ScenarioError, SetupError
from chaos.options import PLATFORMS, Registered
from chaos.place import at_once, choose
from chaos.scenario import load


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def engine(no_engine: None, tmp_path: Path) -> None:
    """Programs that answer as Docker and kind do."""
    for name in ("docker", "kind"):
        (tmp_path / name).write_text("#!/bin/sh\necho 29.0.0\n")
        (tmp_path / name).chmod(0o755)


def test_where_the_engine_answers_it_is_kind_and_there_is_nothing_to_explain(engine: None) -> None:
    chosen = choose(None, None, {})

    assert (chosen.on, chosen.why, chosen.loaded.scenario.name) == ("kind", "", "redis-operator")


def test_without_an_engine_it_is_local_with_the_reason(no_engine: None) -> None:
    chosen = choose(None, None, {})

    assert (chosen.on, chosen.loaded.scenario.name) == ("local", "operator-model")
    assert chosen.why == "no container engine: there is no docker command"


def test_an_engine_without_kind_is_said_without_the_address_that_brings_it(engine: None, tmp_path: Path) -> None:
    (tmp_path / "kind").unlink()

    assert choose(None, None, {}).why == "kind is not installed"


def test_in_ci_nothing_is_chosen_instead(no_engine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(SetupError, match="--on local can be asked for"):
        choose(None, None, {})

    assert choose("local", None, {}).on == "local"


@pytest.mark.parametrize(("scenario", "on"), [("redis-operator", "kind"), ("sentinel", "local")])
def test_a_scenario_says_where_it_runs_and_no_engine_is_asked(no_engine: None, scenario: str, on: str) -> None:
    chosen = choose(None, scenario, {})

    assert (chosen.on, chosen.why, chosen.loaded.scenario.name) == (on, "", scenario)


@pytest.mark.parametrize(
    ("on", "scenario", "fitting"),
    [
        ("kind", "sentinel", "haproxy, redis-operator, statefulset"),
        ("local", "redis-operator", "haproxy, operator-model, sentinel, statefulset, tls"),
    ],
)
def test_a_scenario_of_the_other_place_is_refused_with_those_that_fit(on: str, scenario: str, fitting: str) -> None:
    with pytest.raises(ScenarioError) as error:
        choose(on, scenario, {})

    assert str(error.value).endswith(f"take one for {on}: {fitting}")


@pytest.mark.parametrize("scenario", [None, "sentinel"])
def test_a_place_that_there_is_not_is_refused_with_what_each_place_is(scenario: str | None) -> None:
    with pytest.raises(ScenarioError, match='--on takes kind or local, and not "docker": kind makes a cluster'):
        choose("docker", scenario, {})


def test_a_setting_goes_over_the_scenario_that_is_chosen(no_engine: None) -> None:
    assert choose(None, None, {"limits.watch": "1s"}).loaded.scenario.limits.watch == 1


def test_trials_are_side_by_side_only_where_each_has_a_system_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})

    monkeypatch.setitem(PLATFORMS, "theirs", Registered(of="none:none"))
    scenario = load("redis-operator").scenario
    assert [at_once("kind", asked, scenario) for asked in (None, 1, 3)] == [1, 1, 3]
    assert [at_once("local", asked, scenario) for asked in (None, 5)] == [6, 5]
    with pytest.raises(ScenarioError, match="--parallel 2: on theirs all trials are on one system"):
        at_once("theirs", 2, scenario)


def test_a_system_that_cannot_stand_beside_itself_is_refused() -> None:
    scenario = load("redis-operator").scenario
    assert at_once("kind", 4, scenario) == 4
    kube = scenario.system.on_kube
    assert kube.operator
    mixed = kube.operator.model_copy(update={"namespace": kube.namespace})
    for changed, sentence in (
        ({"manifests": ()}, "names no manifests, so that it is there once only"),
        ({"operator": mixed}, "is in the namespace of its Redis"),
    ):
        system = scenario.system.model_copy(update={"kube": kube.model_copy(update=changed)})
        with pytest.raises(ScenarioError, match=sentence):
            at_once("kind", 2, scenario.model_copy(update={"system": system}))
        assert at_once("kind", 1, scenario.model_copy(update={"system": system})) == 1


def test_a_scenario_of_both_places_is_of_kind_where_that_can_run(engine: None) -> None:
    chosen = choose(None, "haproxy", {})

    assert (chosen.on, chosen.why) == ("kind", "")
    assert chosen.loaded.scenario.system.local is None


def test_a_scenario_of_both_places_is_local_otherwise_with_the_reason(no_engine: None) -> None:
    chosen = choose(None, "haproxy", {})

    assert (chosen.on, chosen.why) == ("local", "no container engine: there is no docker command")
    assert chosen.loaded.scenario.system.kube is None


def test_a_scenario_of_both_places_is_where_it_is_asked_for(engine: None) -> None:
    assert choose("local", "statefulset", {}).loaded.scenario.system.kube is None
    assert choose("kind", "statefulset", {}).loaded.scenario.system.local is None


def test_in_ci_a_scenario_of_both_places_has_to_be_told_where(no_engine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(SetupError, match="--on local can be asked for"):
        choose(None, "haproxy", {})
