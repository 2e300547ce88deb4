"""The options of a campaign, as the command line takes them. The pytest plugin takes the same ones."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from chaos.defaults import EXPERIMENTS, SCENARIOS

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_SCENARIOS = ", ".join(f"{name} on {on}" for on, name in SCENARIOS.items())


def campaign_options(command: F) -> F:
    """Every option of `failover run`, and the scenario as an argument too."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def parse_settings(given: Iterable[str]) -> dict[str, str]:
    """`key=value` pairs as a mapping; the last of two wins, as in a shell."""
    pairs = [(text, *text.partition("=")) for text in given]
    for text, key, equals, _ in pairs:
        if not key or not equals:
            raise click.BadParameter(f'"{text}" is no setting; write limits.watch=5s', param_hint="--set")
    return {key: value for _, key, _, value in pairs}


def _one_scenario(context: click.Context, _parameter: click.Parameter, option: str | None) -> str | None:
    """By argument or by option; both only where they agree."""
    argument: str | None = context.params.pop("named", None)
    if option and argument and option != argument:
        raise click.BadParameter(f"two scenarios are given, {argument} and {option}", param_hint="--scenario")
    return option or argument


def _experiments(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> tuple[str, ...] | None:
    return given or None


_OPTIONS = (
    click.argument("named", metavar="[SCENARIO]", required=False, is_eager=True),
    click.option(
        "--on",
        type=click.Choice(list(SCENARIOS)),
        help="Where the system runs; not given: where the scenario does, else kind if it can run here, else local.",
    ),
    click.option(
        "--scenario",
        metavar="NAME|PATH",
        callback=_one_scenario,
        help=f"What is tested, and what is promised of it.  [default: {DEFAULT_SCENARIOS}]",
    ),
    click.option(
        "--experiment",
        "experiments",
        metavar="NAME|PATH",
        multiple=True,
        callback=_experiments,
        help=f"What is done to it; repeatable; `all` for every one.  [default: {', '.join(EXPERIMENTS)}]",
    ),
    click.option("--trials", type=click.IntRange(min=1), default=1, show_default=True, help="Of each experiment."),
    click.option(
        "--parallel",
        type=click.IntRange(min=1),
        help="Trials at once, each on a system of its own: on local only.  [default: two a core]",
    ),
    click.option("--seed", type=click.IntRange(min=0), help="Of every random wait; printed, so that it can be given."),
    click.option("--keep", is_flag=True, help="Leave the cluster that this run makes."),
    click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("reports"),
        show_default=True,
        help="Where the campaign's directory is made.",
    ),
    click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="Over the scenario: limits.watch=5s."),
    click.option("--agent-image", metavar="REF", help="An image of the agent, instead of building one."),
    click.option("--quiet", is_flag=True, help="Only the verdict."),
)
