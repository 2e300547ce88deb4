"""One declaration of options: the command line, pytest and `chaos run` ask alike, and refuse alike."""

from dataclasses import fields
from pathlib import Path

import click
import pytest

from chaos.cli import asked, campaign_options
from chaos.control_campaign import options as of_chaos_run
from chaos.errors import ScenarioError
from chaos.options import CHAOS_RUN, PYTEST, RUN, Options, from_environment, options
from chaos.pytest_plugin import asked as asked_by_pytest

GIVEN = {
    "on": "local",
    "scenario": "theirs",
    "seed": "7",
    "out": "elsewhere",
    "set": "limits.watch=5s",
    "agent-image": "agent:1",
}
MEANT = {
    "on": "local",
    "scenario": "theirs",
    "seed": 7,
    "out": Path("elsewhere"),
    "settings": {"limits.watch": "5s"},
    "agent_image": "agent:1",
    "keep": True,
}


def typed(*arguments: str) -> Options:
    """As `failover run` reads them."""

    @click.command()
    @campaign_options
    def command(**given):
        return asked(given)

    given: Options = command.main(list(arguments), standalone_mode=False)
    return given


def by_pytest(pytester: pytest.Pytester, *arguments: str) -> Options:
    """Hypothesis's plugin stays out: it counts a session as begun that never begins here, and then refuses tests."""
    return asked_by_pytest(pytester.parseconfig("-p", "no:hypothesispytest", *arguments))


def of(meant: Options) -> dict[str, object]:
    return {name: getattr(meant, name) for name in MEANT}


def test_every_field_of_options_can_be_asked_for_on_the_command_line():
    assert set(options(RUN)) == {field.name for field in fields(Options)} - {"command", "variants"}
    assert set(options(PYTEST)) | set(options(CHAOS_RUN)) <= set(options(RUN))


def test_the_same_words_mean_the_same_whoever_asks(pytester: pytest.Pytester):
    words = [f"--{flag}={value}" for flag, value in GIVEN.items()] + ["--keep"]
    variables = {f"FAILOVER_{flag.upper().replace('-', '_')}": value for flag, value in GIVEN.items()}

    assert of(typed(*words)) == MEANT
    assert of(by_pytest(pytester, *words)) == MEANT
    assert from_environment(variables | {"FAILOVER_KEEP": "1"}) == MEANT


def test_the_defaults_are_the_same_whoever_asks(pytester: pytest.Pytester):
    for given in (typed(), by_pytest(pytester), Options(**from_environment({}))):
        assert of(given) == of(Options())
        assert (given.experiments, given.trials) == (None, 1)


@pytest.mark.parametrize("wrong", ["--trials=0", "--trials=many", "--set=x", "--set==1", "--seed=-1"])
def test_what_cannot_be_read_is_refused_alike_with_what_to_write(pytester: pytest.Pytester, capsys, wrong: str):
    with pytest.raises(click.BadParameter) as error:
        typed(wrong)
    with pytest.raises(pytest.UsageError) as refused:
        by_pytest(pytester, wrong)

    assert wrong.partition("=")[2] in error.value.message
    assert error.value.message in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "sentence"), [("FAILOVER_KEEP", "neither yes nor no"), ("FAILOVER_SEED", "no whole number")]
)
def test_a_variable_that_cannot_be_read_is_named(variable: str, sentence: str):
    with pytest.raises(ScenarioError, match=f'{variable}: "perhaps" is {sentence}'):
        of_chaos_run({}, {variable: "perhaps"})


def test_an_option_may_be_given_more_than_once():
    assert typed("--experiment", "a", "--experiment", "b").experiments == ("a", "b")
    assert typed("--set", "a.b=1", "--set", "c=d=e", "--set", "a.b=2").settings == {"a.b": "2", "c": "d=e"}
    assert from_environment({"FAILOVER_SET": "a.b=1 c=2"}) == {"settings": {"a.b": "1", "c": "2"}}


def test_a_switch_of_chaos_run_can_be_refused_too():
    assert from_environment({"failover_keep": False}) == {"keep": False}
