"""What `--suite` makes of a scenario."""

from importlib.util import find_spec

import pytest

from chaos.campaign import Campaign
from chaos.errors import ScenarioError
from chaos.options import Options
from chaos.scenario import load
from chaos.scenario.clients import MODULES
from chaos.suites import suite, with_every_client

HERE = [library for library, module in MODULES.items() if find_spec(module)]


def test_the_clients_go_where_the_meters_go_and_stand_beside_them():
    loaded = load("operator-model")
    scenario, suited = loaded.scenario, with_every_client(loaded).scenario
    meters = {name for name, client in scenario.clients.items() if not client.is_application}
    made = {name: client for name, client in suited.clients.items() if client.is_application}
    through_sentinel = [f"{library}-sentinel" for library in HERE if library != "valkey-glide"]
    assert set(suited.clients) - set(made) == meters
    assert set(made) == {*HERE, *through_sentinel}
    assert made["redis-py-pool"].address == "rfrm-redis-cluster:6379"
    assert made["redis-py-asyncio-sentinel"].sentinel == "rfs-redis-cluster:26379"
    assert {client.gate for client in made.values()} == {False}
    assert {client.count for client in made.values()} == {1}


def test_the_suited_scenario_can_be_written_down_and_read_back():
    suited = with_every_client(load("operator-model")).scenario
    assert type(suited).model_validate(suited.model_dump(mode="json")) == suited


def test_without_a_service_all_of_them_ask_sentinel():
    suited = with_every_client(load("statefulset")).scenario
    made = [client for client in suited.clients.values() if client.is_application]
    assert made
    assert all(client.sentinel for client in made)


def test_what_pods_lack_is_left_out_with_a_sentence():
    suited = with_every_client(load("redis-operator"))
    made = {client.library for client in suited.scenario.clients.values() if client.library}
    assert made == {"redis-py-pool", "redis-py-asyncio"}
    assert sum(text.startswith("left out of the suite: ") for text in suited.warnings) == len(MODULES) - 2


def test_a_suite_that_there_is_not_is_refused_with_the_nearest_word(tmp_path):
    with pytest.raises(ScenarioError, match=r'none is called "client"; .*clients'):
        suite("client")
    with pytest.raises(ScenarioError, match="--suite"):
        Campaign(Options(on="local", scenario="sentinel", suite="client", out=tmp_path), lambda _: None)


def test_a_campaign_plays_the_suites_experiments_unless_others_are_named(tmp_path):
    asked = {"on": "local", "scenario": "sentinel", "suite": "clients", "out": tmp_path}
    for experiments, played in ((None, ["kill-master"]), (("pause-master",), ["pause-master"])):
        campaign = Campaign(Options(**asked, experiments=experiments), lambda _: None)
        assert [one.name for one in campaign.experiments] == played
        assert "redis-py-pool-sentinel" in campaign.loaded.scenario.clients
