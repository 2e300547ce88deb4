"""The output of `failover run --list`: what each experiment stands for, what it needs, and where it can be played."""

import asyncio
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from chaos.cluster import here
from chaos.cluster.base import Ability, refusal
from chaos.cluster.kube import kind
from chaos.cluster.local import servers
from chaos.cluster.local.level import lacking, usable_level
from chaos.errors import HarnessError, SetupError
from chaos.experiment.written import Experiment
from chaos.fault.catalogue import FAULTS
from chaos.options import Options
from chaos.scenario.places import LocalServer
from chaos.scenario.scenario import Scenario
from chaos.suites import SUITES, asked


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedPlace:
    """A place with the abilities that it lacks. `missing` is why nothing can be played there now, or empty."""

    name: str
    cannot: Mapping[Ability, str]
    missing: str = ""


def kind_with(scenario: Scenario) -> ListedPlace:
    """Return kind with this scenario's system, as far as it is known without asking a cluster."""
    return ListedPlace(name="kind", cannot=kind.lacking(scenario))


def local() -> ListedPlace:
    """Return local, with the level, kernel and server of this machine."""
    try:
        return ListedPlace(name="local", cannot=lacking(usable_level(), servers.find(LocalServer())))
    except SetupError as error:
        return ListedPlace(name="local", cannot={}, missing=str(error))


def places() -> list[ListedPlace]:
    """Return kind and local, after checking what each lacks."""
    try:
        asyncio.run(here.require("kind"))
        missing, on_kind = "", asyncio.run(here.kind_cannot())
    except HarnessError as error:
        missing, on_kind = str(error), kind.CANNOT
    return [ListedPlace(name="kind", cannot=on_kind, missing=missing), local()]


def listing(options: Options, at: Iterable[ListedPlace]) -> Iterator[str]:
    """Yield the places, the faults, the experiments and the suites.

    Each fault has its proof and its undo; faults are left out if experiments are chosen. Each experiment has what it
    stands for, what it needs, and where it can be played.
    """
    at = list(at)
    for place in at:
        yield f"{place.name:<7} {f'not here: {place.missing}' if place.missing else 'can be played on here'}"
    chosen = options.experiments or options.suite
    found, left_out = asked(options if chosen else Options(experiments=("all",)))
    yield from () if chosen else _faults()
    yield "\nExperiments"
    for one in found:
        yield ""
        yield f"{one.name}: {one.content['title']}"
        yield f"    stands for: {one.stands_for or one.content['description']}"
        needs = ", ".join(sorted(one.needs)) or "nothing"
        yield f"    needs: {needs}. {_where(one, at)}"
    yield ""
    for sentence in left_out:
        yield f"left out: {sentence}"
    for name, each in SUITES.items():
        yield f"--suite {name}: {each.about}" + ("" if name == "all" else f" ({', '.join(each.experiments)})")


def _faults() -> Iterator[str]:
    yield "\nFaults"
    for name, fault in FAULTS.items():
        about = inspect.getdoc(fault.apply) or ""
        needs = f" · needs {', '.join(sorted(fault.needs))}" if fault.needs else ""
        yield f"  {name:<11} {about.partition(chr(10))[0]}"
        yield f"  {'':<11} proof: {fault.proof} · undo: {fault.undo}{needs}"
        for argument, ability in fault.more.items():
            yield f"  {'':<11} with {argument} also: {ability}"


def _where(experiment: Experiment, at: Iterable[ListedPlace]) -> str:
    """Return where an experiment can be played, and why not elsewhere."""
    refused = {place.name: refusal("it", experiment.needs, place) for place in at}
    fits = " and ".join(name for name, why in refused.items() if not why)
    whys = "".join(f"; not on {name}: {why}" for name, why in refused.items() if why)
    return f"Can be played on {fits or 'no place'}{whys}"
