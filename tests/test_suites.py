"""Suites and the list: what is played under one word, what it makes of a scenario, and what is said of the rest."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from chaos import suites
from chaos.campaign import Campaign
from chaos.cli import entry
from chaos.cluster.base import Ability
from chaos.errors import ScenarioError
from chaos.experiment.written import load
from chaos.fault.catalogue import FAULTS
from chaos.listing import ListedPlace, listing
from chaos.options import Options
from chaos.progress import Message, Tell
from chaos.scenario import load as load_scenario
from chaos.scenario.clients import MODULES
from chaos.scenario.lookup import experiments, find_experiments, shipped
from chaos.suites import SUITES, asked, suite, with_every_client
from tests.fakes import HERE, choose_the_fake, read, scenario_file

INSTALLED = [library for library, module in MODULES.items() if find_spec(module)]


@pytest.fixture(autouse=True)
def _on_the_fake(monkeypatch: pytest.MonkeyPatch) -> None:
    choose_the_fake(monkeypatch)


def test_a_suite_plays_its_experiments_and_says_which_there_are_not(tmp_path: Path, monkeypatch) -> None:
    two = suites.Suite(about="two", experiments=("kill-master", "flood-the-machine-room"))
    monkeypatch.setitem(SUITES, "slo", two)
    told: list[Message] = []
    asked_for = Options(on="fake", scenario=str(scenario_file(tmp_path)), suite="slo", seed=7, out=tmp_path / "reports")

    with Campaign(asked_for, told.append) as one:
        assert [planned.experiment.name for planned in one.plan()] == ["kill-master"]

    missing = "there is no experiment flood-the-machine-room, which the suite slo asks for"
    assert f"left out: {missing}" in [message.data["text"] for message in told if message.tell is Tell.NOTE]
    written = read(one.directory / "campaign.json")
    assert (written["experiments"], written["left_out"]) == (["kill-master"], [missing])


def test_the_suite_all_is_every_experiment() -> None:
    found, left_out = asked(Options(suite="all"))

    assert {one.name for one in found} >= {path.stem for path in (shipped() / "experiments").glob("*.yaml")}
    assert left_out == []


def test_a_suite_that_there_is_not_and_one_with_an_experiment_are_refused(capsys) -> None:
    with pytest.raises(ScenarioError, match='none is called "slow"; did you mean slo'):
        asked(Options(suite="slow"))
    with pytest.raises(ScenarioError, match="leave it out, or leave --experiment out"):
        asked(Options(suite="slo", experiments=("kill-master",)))
    assert entry(["run", "--suite=slow", "--list"]) == ScenarioError.exit_code


def test_the_list_says_of_each_what_it_stands_for_what_it_needs_and_where_it_cannot_be_played() -> None:
    deaf = ListedPlace(name="local", cannot={Ability.CUT: "there is no network of its own"})
    kind = ListedPlace(name="kind", cannot={}, missing="there is no Docker")
    text = "\n".join(listing(Options(), [kind, deaf]))

    assert "kind    not here: there is no Docker" in text
    assert "needs: cut. Can be played on kind; not on local: it needs cut, which local cannot do: there is no" in text
    assert "needs: delete, kill. Can be played on kind and local" in text
    for name in SUITES:
        assert f"--suite {name}: " in text


def test_every_fault_and_every_experiment_is_listed(capsys) -> None:
    assert entry(["run", "--list"]) == 0
    said = capsys.readouterr().out
    for name in FAULTS:
        assert f"  {name} " in said, name
    for name in experiments():
        assert f"\n{name}: " in said, name
    assert "proof: MISCONF is answered · undo: heal; the executor's lease · needs limits of files" in said
    assert "with delay_ms also: netem" in said
    assert "needs: SENTINEL FAILOVER COORDINATED, tell. Can be played on" in said


def test_the_list_of_one_suite_has_no_other_experiment() -> None:
    [first, *_] = asked(Options(suite="hand-over"))[0]
    text = "\n".join(listing(Options(suite="hand-over"), []))

    assert f"{first.name}: " in text
    assert "partition-master: " not in text


def test_every_experiment_that_comes_with_us_says_what_it_stands_for() -> None:
    for path in find_experiments(sorted(str(path) for path in (shipped() / "experiments").rglob("*.yaml"))):
        one = load(path)
        assert one.stands_for.endswith("."), f"{path} does not say in a sentence what it stands for in real life"
        assert one.as_json()["stands_for"] == one.stands_for


def test_a_misspelt_key_of_ours_in_an_experiment_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "misspelt.yaml"
    file.write_text((HERE / "experiments" / "kill-master.yaml").read_text().replace("stands_for", "stand_for"))

    with pytest.raises(ScenarioError, match="there is no stand_for here; write expects and stands_for"):
        load(file)


def test_the_clients_go_where_the_meters_go_and_stand_beside_them():
    loaded = load_scenario("operator-model")
    scenario, suited = loaded.scenario, with_every_client(loaded).scenario
    meters = {name for name, client in scenario.clients.items() if not client.is_application}
    made = {name: client for name, client in suited.clients.items() if client.is_application}
    through_sentinel = [f"{library}-sentinel" for library in INSTALLED if library != "valkey-glide"]
    assert set(suited.clients) - set(made) == meters
    assert set(made) == {*INSTALLED, *through_sentinel}
    assert made["redis-py-pool"].address == "rfrm-redis-cluster:6379"
    assert made["redis-py-asyncio-sentinel"].sentinel == "rfs-redis-cluster:26379"
    assert {client.gate for client in made.values()} == {False}
    assert {client.count for client in made.values()} == {1}


def test_the_suited_scenario_can_be_written_down_and_read_back():
    suited = with_every_client(load_scenario("operator-model")).scenario
    assert type(suited).model_validate(suited.model_dump(mode="json")) == suited


def test_without_a_service_all_of_them_ask_sentinel():
    suited = with_every_client(load_scenario("statefulset")).scenario
    made = [client for client in suited.clients.values() if client.is_application]
    assert made
    assert all(client.sentinel for client in made)


def test_what_pods_lack_is_left_out_with_a_sentence():
    suited = with_every_client(load_scenario("redis-operator"))
    made = {client.library for client in suited.scenario.clients.values() if client.library}
    assert made == {"redis-py-pool", "redis-py-asyncio"}
    assert sum(text.startswith("left out of the suite: ") for text in suited.warnings) == len(MODULES) - 2


def test_the_library_that_takes_no_certificate_with_another_name_is_left_out_over_tls():
    suited = with_every_client(load_scenario("tls"))
    made = {client.library for client in suited.scenario.clients.values() if client.library}
    assert made == set(INSTALLED) - {"valkey-glide"}
    said = "left out of the suite: valkey-glide takes no certificate that names another than its host"
    assert any(text.startswith(said) for text in suited.warnings)


def test_a_suite_that_there_is_not_is_refused_with_the_nearest_word(tmp_path):
    with pytest.raises(ScenarioError, match=r'none is called "client"; .*clients'):
        suite("client")
    with pytest.raises(ScenarioError, match="--suite"):
        Campaign(Options(on="local", scenario="sentinel", suite="client", out=tmp_path), lambda _: None)


def test_a_campaign_plays_the_suites_experiments_unless_others_are_named(tmp_path):
    of_clients = {"on": "local", "scenario": "sentinel", "suite": "clients", "out": tmp_path}
    for named, played in ((None, ["kill-master"]), (("pause-master",), ["pause-master"])):
        campaign = Campaign(Options(**of_clients, experiments=named), lambda _: None)
        assert [one.name for one in campaign.experiments] == played
        assert "redis-py-pool-sentinel" in campaign.loaded.scenario.clients
