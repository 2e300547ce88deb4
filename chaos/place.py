"""Where the system of a campaign runs, `kind` or `local`, and on which scenario: as asked for, or chosen here.

A scenario is for one place or for both. If neither the user nor the scenario decides, kind is taken if it can run here,
and otherwise local, with the reason. In CI nothing is chosen: there a modelled system must not pass for the real one
unnoticed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from chaos.cluster import here
from chaos.errors import ScenarioError, SetupError
from chaos.options import PLATFORMS, SCENARIOS, Options
from chaos.scenario import Loaded, Scenario, load
from chaos.scenario.lookup import scenarios
from chaos.trial.waiting import Waiting

KIND, LOCAL = "kind", "local"
PER_CORE = 2
"""How many trials are played at once for each core. They mostly wait."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A place and the scenario to play there. `why` says what is missing for kind, if local was taken instead."""

    on: str
    why: str
    loaded: Loaded


def choose(on: str | None, scenario: str | None, settings: Mapping[str, str]) -> Place:
    """Call in the main thread: it may ask the container engine, and takes signals meanwhile.

    Raises ScenarioError where scenario and place contradict, SetupError in CI where kind cannot run.
    """
    if settings and not (on or scenario):
        _check_settings(settings)
    missing = "" if on or scenario else _not_kind()
    chosen = on or (LOCAL if missing else KIND)
    loaded = load(scenario or SCENARIOS.get(chosen, SCENARIOS[KIND]), settings)
    own = places_of(loaded)
    if not own:
        named = loaded.scenario.name
        raise ScenarioError(f"scenario {named} has addresses alone, which failover watch --scenario {named} measures")
    if on in SCENARIOS and on not in own:
        raise ScenarioError(
            f"scenario {loaded.scenario.name} is for {own[0]}, not for {on}: "
            f"leave --on out, or take one for {on}: {', '.join(_fitting(on))}"
        )
    if scenario and not on and len(own) > 1:
        missing = _not_kind()
    on = on or (own[-1] if missing else own[0])
    return Place(on=on, why=first_sentence(missing), loaded=placed(loaded, on))


def placed(loaded: Loaded, on: str) -> Loaded:
    """Return a scenario without its other place, if it is for both."""
    if len(places_of(loaded)) < 2:
        return loaded
    system = loaded.scenario.system.placed(on == LOCAL)
    return replace(loaded, scenario=loaded.scenario.model_copy(update={"system": system}))


def variants(place: Place, options: Options) -> dict[str, Loaded]:
    """The scenario of each variant that is asked for; of one without a name where none is. Raises ScenarioError."""
    on, scenario, settings = place.on, options.scenario, options.settings
    if not options.variants:
        return {"": place.loaded}
    if on in PLATFORMS and not PLATFORMS[on].own_system:
        raise ScenarioError(
            f"variants are played side by side on local only: on {on} trials use a system again; play a campaign of "
            f"each, and then `failover compare` them"
        )
    if options.claim:
        raise ScenarioError("--claim is made of one scenario: leave it out, or claim it of each variant by itself")
    return {name: choose(on, scenario, {**settings, **more}).loaded for name, more in options.variants.items()}


def at_once(on: str, asked: int | None, scenario: Scenario) -> int:
    """Return how many trials are played side by side.

    Raises ScenarioError for more than one where there is one system.
    """
    if on in PLATFORMS and not PLATFORMS[on].own_system:
        if asked is not None and asked > 1 and not PLATFORMS[on].beside:
            raise ScenarioError(f"--parallel {asked}: on {on} all trials are on one system; leave it out")
        _refuse_beside(scenario, asked or 1)
        return asked or 1
    return asked or PER_CORE * len(os.sched_getaffinity(0))


def _refuse_beside(scenario: Scenario, at_once: int) -> None:
    """Raise ScenarioError for a system that cannot be deployed several times on one cluster."""
    kube = scenario.system.kube
    if kube is None or at_once == 1:
        return
    if not kube.manifests:
        raise ScenarioError(f"--parallel {at_once}: {scenario.name} names no manifests, so that it is there once only")
    if kube.operator and kube.operator.namespace == kube.namespace:
        raise ScenarioError(
            f"--parallel {at_once}: the operator of {scenario.name} is in the namespace of its Redis, "
            f"{kube.namespace}; give it another one, since all systems share it"
        )


def _check_settings(settings: Mapping[str, str]) -> None:
    """Raise ScenarioError if no scenario that may be chosen here takes these settings.

    A misspelt setting is said before the container engine is asked for, which may be missing too. A setting of one
    place, such as system.local.restart, is right for the scenario of that place only, so one that takes them is enough.
    """
    refused: list[ScenarioError] = []
    for name in SCENARIOS.values():
        try:
            load(name, settings)
        except ScenarioError as error:
            refused.append(error)
        else:
            return
    raise refused[0]


def _not_kind() -> str:
    """Say what is missing for kind, and what brings it; empty if kind can run. In CI raise it as SetupError instead."""
    try:
        with Waiting() as waiting:
            waiting.until_done(here.require(KIND))
    except SetupError as error:
        if "CI" in os.environ:
            raise SetupError(f"{error}; in CI nothing is chosen instead, but --on local can be asked for") from error
        return str(error)
    return ""


def first_sentence(text: str) -> str:
    """Return what is missing, without what brings it."""
    return text.partition(". ")[0].partition(": http")[0]


def places_of(loaded: Loaded) -> list[str]:
    """Kind first, where it is for both."""
    system = loaded.scenario.system
    return [place for place, there in ((KIND, system.kube), (LOCAL, system.local)) if there]


def _fitting(on: str) -> list[str]:
    """Return the names of the scenarios that can be played at a place. One that cannot be read is left out."""
    found = []
    for name in scenarios():
        try:
            found += [name] if on in places_of(load(name)) else []
        except ScenarioError:
            continue
    return found
