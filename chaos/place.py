"""Where the system of a campaign runs, `kind` or `local`, and on which scenario: as asked for, or chosen here.

A scenario is of one place. Where neither is named, kind is taken if it can run here, and else local, with the reason;
in CI never, for there a modelled system must not pass for the real one unnoticed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from chaos.cluster.kube.kind import require_engine
from chaos.defaults import SCENARIOS
from chaos.errors import ScenarioError, SetupError
from chaos.scenario import Loaded, load
from chaos.scenario.lookup import scenarios
from chaos.trial.waiting import Waiting

KIND, LOCAL = "kind", "local"
OWN_SYSTEM = {LOCAL}
"""Where every trial has a system of its own, so that several can be played side by side."""
PER_CORE = 2
"""Trials at once for each core: they mostly wait."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """`why` says what keeps kind from running here, where that is why it is `local`; else it is empty."""

    on: str
    why: str
    loaded: Loaded


def choose(on: str | None, scenario: str | None, settings: Mapping[str, str]) -> Place:
    """Call in the main thread: it may ask the container engine, and takes signals meanwhile.

    Raises ScenarioError where scenario and place contradict, SetupError in CI where kind cannot run.
    """
    missing = "" if on or scenario else _not_kind()
    chosen = on or (LOCAL if missing else KIND)
    loaded = load(scenario or SCENARIOS.get(chosen, SCENARIOS[KIND]), settings)
    if missing and "CI" in os.environ:
        raise SetupError(f"{missing}; in CI nothing is chosen instead, but --on local can be asked for")
    own = _place_of(loaded)
    if on in SCENARIOS and on != own:
        raise ScenarioError(
            f"scenario {loaded.scenario.name} is for {own}, not for {on}: "
            f"leave --on out, or take one for {on}: {', '.join(_fitting(on))}"
        )
    return Place(on=on or own, why=first_sentence(missing), loaded=loaded)


def at_once(on: str, asked: int | None) -> int:
    """How many trials are played side by side. Raises ScenarioError for more than one where there is one system."""
    if on not in OWN_SYSTEM:
        if asked is not None and asked > 1:
            raise ScenarioError(f"--parallel {asked}: on {on} all trials are on one system; leave it out")
        return 1
    return asked or PER_CORE * len(os.sched_getaffinity(0))


def _not_kind() -> str:
    """What is missing for kind, and what brings it; empty where it can run."""
    try:
        with Waiting() as waiting:
            waiting.until_done(require_engine())
    except SetupError as error:
        return str(error)
    return ""


def first_sentence(text: str) -> str:
    """What is missing, without what brings it."""
    return text.partition(". ")[0].partition(": http")[0]


def _place_of(loaded: Loaded) -> str:
    return KIND if loaded.scenario.system.kube else LOCAL


def _fitting(on: str) -> list[str]:
    """The names of the scenarios of a place; one that cannot be read is none of them."""
    found = []
    for name in scenarios():
        try:
            found += [name] if _place_of(load(name)) == on else []
        except ScenarioError:
            continue
    return found
