"""Suites for `--suite`: experiments and clients that answer one question about a scenario's system.

SUITES has each suite with its experiments and its change of the scenario. Experiments that do not exist, or cannot be
played at the place, are left out with a sentence, so that the report shows what was not played.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from chaos.errors import ScenarioError
from chaos.experiment.written import Experiment
from chaos.experiment.written import load as load_experiment
from chaos.fault.aim import GROUPS, TARGETS, TICK
from chaos.options import EXPERIMENTS, SUITE_NAMES, Options
from chaos.scenario import Loaded, Scenario
from chaos.scenario.clients import CELERY, MODULES, WITHOUT_SENTINEL, Client, missing, not_in_pods
from chaos.scenario.lookup import experiments as every_experiment
from chaos.scenario.lookup import find_experiments, instead
from chaos.scenario.places import CONTROLLER, PROXY

CALLS_HZ, TASKS_HZ = 20.0, 5.0
"""How often each client of the suite `clients` sends an operation, and how often Celery gets a task."""


def as_it_is(loaded: Loaded) -> Loaded:
    return loaded


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """One suite. `changed` returns the suite's version of a scenario, with warnings about what it leaves out.

    A suite that changes the scenario may be combined with experiments other than its own.
    """

    about: str
    experiments: tuple[str, ...]
    changed: Callable[[Loaded], Loaded] = as_it_is


def with_every_client(loaded: Loaded) -> Loaded:
    """Add a client of every installed library to the scenario's meters, which measure the service itself.

    These clients use the Service and Sentinel at the addresses of the first gating meters that do. The scenario's own
    functions and commands stay, but its clients with a `library` are replaced.
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
    tls = scenario.system.local.tls if scenario.system.local else None
    for library in MODULES:
        any_client = Client.model_validate({"library": library, "address": "any:1"})
        lacks = missing(any_client, Path(), tls=tls)
        if not lacks and scenario.system.kube:
            lacks = not_in_pods(any_client)
        if lacks:
            notes.append(f"left out of the suite: {lacks}")
            continue
        for suffix, way in ways.items():
            if way is None or (suffix and library in WITHOUT_SENTINEL):
                continue
            rate = TASKS_HZ if library in CELERY else CALLS_HZ
            at = {"sentinel": way.sentinel} if suffix else {"address": way.address}
            written = {"library": library, "count": 1, "rate_each": f"{rate:g}/s", **at}
            made[f"{library}{suffix}"] = Client.model_validate(written)
    if not made:
        raise ScenarioError(f"--suite clients: {scenario.name} has no gating meter that shows where clients go")
    changed = scenario.model_copy(update={"clients": stay | made})
    return replace(loaded, scenario=changed, warnings=(*loaded.warnings, *notes))


SUITES = {
    "clients": Suite(
        about="every client library that is installed here, side by side while the master is killed",
        experiments=("kill-master",),
        changed=with_every_client,
    ),
    "slo": Suite(
        about="the failures that a promise is asked about",
        experiments=(
            *("kill-master", "oom-master", "pause-master", "delete-master", "drain-node", "kill-machine"),
            *("partition-master", "rollout-redis"),
        ),
    ),
    "hand-over": Suite(
        about="the planned ways to move the master",
        experiments=(
            *("failover-by-sentinel", "failover-coordinated", "failover-by-redis", "failover-to-best-replica"),
            *("failover-after-pause", "delete-master", "hook-none", "hook-failover", "hook-sleep", "hook-save"),
            "hook-shutdown",
        ),
    ),
    "all": Suite(about="every experiment that there is", experiments=("all",)),
}
"""The suites, by the name for `--suite`."""
assert set(SUITES) == set(SUITE_NAMES), "chaos.options names the suites, so that --help need not load them"


def suite(name: str) -> Suite:
    """Return the suite of this name. Raises ScenarioError if there is none."""
    if name not in SUITES:
        raise ScenarioError(f'--suite: none is called "{name}"; {instead(name, SUITES)}')
    return SUITES[name]


def asked(options: Options) -> tuple[list[Experiment], list[str]]:
    """Return the chosen experiments, and a sentence on each experiment of the suite that does not exist.

    Raises ScenarioError for an unknown experiment, or if both a suite and an experiment are given that exclude each
    other.
    """
    names, missing = EXPERIMENTS if options.experiments is None else options.experiments, list[str]()
    if options.suite:
        wanted, there = suite(options.suite).experiments, {"all", *every_experiment()}
        if options.experiments is not None and suite(options.suite).changed is as_it_is:
            raise ScenarioError(f"--suite {options.suite} says what is played: leave it out, or leave --experiment out")
        if options.experiments is None:
            names = tuple(name for name in wanted if name in there)
        missing = [name for name in wanted if name not in there]
    left_out = [f"there is no experiment {name}, which the suite {options.suite} asks for" for name in missing]
    return [load_experiment(path) for path in find_experiments(names)], left_out


def _unfit(experiment: Experiment, scenario: Scenario) -> str:
    """Return why this system cannot play an experiment, as far as files tell, or an empty string if it can.

    Names of members are checked on local only, because the names of pods on Kubernetes are not known before they exist.
    """
    system, longest_s = scenario.system, scenario.limits.recovery
    for moment, where in experiment.moments.items():
        if moment.event == TICK and system.operator == "none":
            return f"{where}: there is no tick without an operator, and system.operator is none"
        if max(moment.after_s, moment.within_s) > longest_s:
            return f"{where}: this moment comes later than limits.recovery, which is {longest_s:g} s"
    local = system.local if system.kube is None else None
    operated = local is not None and system.master_label is not None
    lacking = {
        "operator": not (operated or (system.kube and system.kube.operator)),
        "proxies": system.proxy is None,
        "other-replicas": system.replicas < 2,
    }
    there = [f"{local.redis}-{n}" for n in range(system.replicas + 1)] if local else []
    there += [f"{local.sentinel.name}-{n}" for n in range(system.sentinels)] if local else []
    there += [CONTROLLER] if operated else [PROXY] if system.proxy else []
    for name, where in sorted(experiment.aims.items()):
        if lacking.get(name):
            return f"{where}: this system has no {name}"
        if local and name not in {*TARGETS, *GROUPS, *there}:
            return f"{where}: there is no {name} in this system; it has {', '.join(there)}"
    return ""


def fitting(experiments: Iterable[Experiment], loaded: Loaded, options: Options) -> tuple[list[Experiment], list[str]]:
    """Return the experiments that fit this system, and a sentence on each of the others.

    Of a suite and of `all`, these are left out. Otherwise an experiment that does not fit raises ScenarioError.
    """
    found, left_out = list[Experiment](), list[str]()
    for one in experiments:
        because = _unfit(one, loaded.scenario)
        if because and not options.suite and "all" not in (options.experiments or ()):
            raise ScenarioError(because)
        left_out += [because] if because else []
        found += [] if because else [one]
    return found, left_out


def suited(name: str | None, loaded: Loaded) -> Loaded:
    """Return the scenario as the suite plays it, or unchanged without a suite. Raises ScenarioError."""
    return suite(name).changed(loaded) if name else loaded
