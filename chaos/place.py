"""Choose where the system of a campaign runs, `kind` or `local`, and its scenario.

A scenario is for one place or for both. If neither the user nor the scenario decides, kind is chosen if it can run
here, or else local, with the reason. In CI, local is never chosen instead of kind, so that a modelled system is not
mistaken for the real one.
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
"""How many trials run at once per core. They mostly wait."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A place, and the scenario to play there. If local was chosen, `why` is what kind lacks here."""

    on: str
    why: str
    loaded: Loaded


def choose(on: str | None, scenario: str | None, settings: Mapping[str, str]) -> Place:
    """Choose the place and the scenario. Call it in the main thread: it may check kind, and handles signals meanwhile.

    Raises ScenarioError for a place that there is not, and where scenario and place contradict; SetupError in CI where
    kind cannot run.
    """
    if on is not None and on not in PLATFORMS:
        raise ScenarioError(
            f'--on takes {" or ".join(PLATFORMS)}, and not "{on}": kind makes a cluster of its own in Docker, and '
            f"local plays with processes of this machine. A Redis that runs already, in Docker or elsewhere, is "
            f"measured by `failover watch`"
        )
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
    """Return the scenario for this place only, if it is for both."""
    if len(places_of(loaded)) < 2:
        return loaded
    system = loaded.scenario.system.placed(on == LOCAL)
    return replace(loaded, scenario=loaded.scenario.model_copy(update={"system": system}))


def variants(place: Place, options: Options) -> dict[str, Loaded]:
    """Return the scenario of each variant, or a single one under an empty name. Raises ScenarioError."""
    on, scenario, settings = place.on, options.scenario, options.settings
    if not options.variants:
        return {"": place.loaded}
    if not PLATFORMS[on].own_system:
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
    if not PLATFORMS[on].own_system:
        if asked is not None and asked > 1 and not PLATFORMS[on].beside:
            raise ScenarioError(f"--parallel {asked}: on {on} all trials are on one system; leave it out")
        _refuse_beside(scenario, asked or 1)
        return asked or 1
    return asked or PER_CORE * len(os.sched_getaffinity(0))


def _refuse_beside(scenario: Scenario, at_once: int) -> None:
    """Raise ScenarioError if the system cannot be deployed several times on one cluster."""
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
    """Raise ScenarioError if none of the default scenarios accepts these settings.

    A misspelt setting is thus reported before the container engine is asked, which may be missing too. A setting of one
    place, such as system.local.restart, need only be accepted by the scenario of that place.
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
    """Return what kind lacks here and how to get it, or an empty string if it can run.

    In CI, raise this as SetupError.
    """
    try:
        with Waiting() as waiting:
            waiting.until_done(here.require(KIND))
    except SetupError as error:
        if "CI" in os.environ:
            raise SetupError(f"{error}; in CI nothing is chosen instead, but --on local can be asked for") from error
        return str(error)
    return ""


def first_sentence(text: str) -> str:
    """Return what is missing, without how to get it."""
    return text.partition(". ")[0].partition(": http")[0]


def places_of(loaded: Loaded) -> list[str]:
    """Return the places that a scenario is for, kind first."""
    system = loaded.scenario.system
    return [place for place, there in ((KIND, system.kube), (LOCAL, system.local)) if there]


def _fitting(on: str) -> list[str]:
    """Return the names of the scenarios for a place. Scenarios that cannot be read are left out."""
    found = []
    for name in scenarios():
        try:
            found += [name] if on in places_of(load(name)) else []
        except ScenarioError:
            continue
    return found
