"""The JSON Schema that editors read is the model's, and every scenario names it."""

import yaml

from chaos.scenario.lookup import SCENARIO, shipped
from chaos.scenario.schema import dumps, schema, words_at

SCENARIOS = shipped() / "scenarios"


def test_the_written_schema_is_up_to_date():
    assert (SCENARIOS / "schema.json").read_text() == dumps(), "run: nox -s schema"


def test_every_scenario_names_the_schema_in_its_first_line():
    for path in SCENARIOS.glob(f"*/{SCENARIO}"):
        line = path.read_text().splitlines()[0]
        assert line == "# yaml-language-server: $schema=../schema.json", path


def test_the_schema_knows_every_key_of_the_shipped_scenarios():
    for path in SCENARIOS.glob(f"*/{SCENARIO}"):
        assert not list(_unknown(yaml.safe_load(path.read_text()), ()))


def _unknown(value, place):
    if isinstance(value, dict):
        words = words_at(schema(), place)
        yield from [(*place, key) for key in value if words and key not in words]
        for key, below in value.items():
            yield from _unknown(below, (*place, key))


def test_a_file_need_not_say_its_own_name():
    assert "name" not in schema()["properties"]


def test_words_are_known_at_every_depth():
    assert "selector" in words_at(schema(), ("system", "kube", "operator"))
    assert "limit" in words_at(schema(), ("experiments", "no-fault", "targets", "recovery"))
    assert words_at(schema(), ("clients",)) == []
