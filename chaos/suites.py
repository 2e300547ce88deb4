"""Suites: what `--suite` plays by one word, an experiment and clients that answer one question of a scenario's system.

A suite is a line in SUITES: the experiments that it plays where none is named, and how it changes the scenario.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from chaos.errors import ScenarioError
from chaos.options import SUITE_NAMES
from chaos.scenario import Loaded
from chaos.scenario.clients import MODULES, WITHOUT_SENTINEL, Client, missing, not_in_pods
from chaos.scenario.words import instead

CALLS_HZ, TASKS_HZ = 20.0, 5.0
"""How often each client of the suite `clients` calls, and how often Celery is handed a task."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """`experiments` are played where none is named. `changed` makes the suite's scenario of the one that is given.

    What it leaves out is among the warnings of what it returns.
    """

    experiments: tuple[str, ...]
    changed: Callable[[Loaded], Loaded]


def with_every_client(loaded: Loaded) -> Loaded:
    """Put the clients of every library that is here beside the scenario's meters, which say what the service did.

    They go through the Service and through Sentinel, at the addresses of the first meters that do. The scenario's own
    functions and commands stay, and its clients of libraries make way.
    """
    scenario = loaded.scenario
    meters = [client for client in scenario.clients.values() if not client.is_application]
    stay = {name: client for name, client in scenario.clients.items() if not client.library}
    ways = {
        "": next((one for one in meters if one.address and one.gate), None),
        "-sentinel": next((one for one in meters if one.sentinel and one.gate), None),
    }
    made: dict[str, Client] = {}
    notes = []
    for library in MODULES:
        any_client = Client.model_validate({"library": library, "address": "any:1"})
        lacks = missing(any_client, Path())
        if not lacks and scenario.system.kube:
            lacks = not_in_pods(any_client)
        if lacks:
            notes.append(f"left out of the suite: {lacks}")
            continue
        for suffix, way in ways.items():
            if way is None or (suffix and library in WITHOUT_SENTINEL):
                continue
            rate = TASKS_HZ if library == "celery" else CALLS_HZ
            at = {"sentinel": way.sentinel} if suffix else {"address": way.address}
            written = {"library": library, "count": 1, "rate_each": f"{rate:g}/s", **at}
            made[f"{library}{suffix}"] = Client.model_validate(written)
    if not made:
        raise ScenarioError(f"--suite clients: {scenario.name} has no gating meter that shows where clients go")
    changed = scenario.model_copy(update={"clients": stay | made})
    return replace(loaded, scenario=changed, warnings=(*loaded.warnings, *notes))


SUITES = {
    "clients": Suite(experiments=("kill-master",), changed=with_every_client),
}
"""By the name of `--suite`."""
assert set(SUITES) == set(SUITE_NAMES), "chaos.options names the suites, so that --help need not load them"


def suite(name: str) -> Suite:
    """Raises ScenarioError for a name that there is not."""
    if name not in SUITES:
        raise ScenarioError(f'--suite: none is called "{name}"; {instead(name, SUITES)}')
    return SUITES[name]


def suited(name: str | None, loaded: Loaded) -> Loaded:
    """The scenario as a suite plays it, or as it is if there is none. Raises ScenarioError."""
    return suite(name).changed(loaded) if name else loaded
