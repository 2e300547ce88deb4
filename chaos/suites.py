"""Suites: what `--suite` plays by one word, experiments and clients that answer one question of a scenario's system.

A suite is a line in SUITES: the experiments that it plays, and how it changes the scenario. An experiment of it that
there is not, or that cannot be played at the place, is left out with a sentence, so that a report never passes for more
than was played.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from chaos.errors import ScenarioError
from chaos.experiment.written import Experiment
from chaos.experiment.written import load as load_experiment
from chaos.fault.aim import GROUPS, TARGETS
from chaos.fault.moment import TICK
from chaos.options import EXPERIMENTS, SUITE_NAMES, Options
from chaos.scenario import Loaded, Scenario
from chaos.scenario.clients import CELERY, MODULES, WITHOUT_SENTINEL, Client, missing, not_in_pods
from chaos.scenario.lookup import experiments as every_experiment
from chaos.scenario.lookup import find_experiments, instead
from chaos.scenario.places import CONTROLLER, PROXY

CALLS_HZ, TASKS_HZ = 20.0, 5.0
"""How often each client of the suite `clients` calls, and how often Celery is handed a task."""


def as_it_is(loaded: Loaded) -> Loaded:
    return loaded


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """`changed` makes the suite's scenario of the one that is given. What it leaves out is among the warnings then.

    A suite that changes its scenario may be asked for with other experiments than its own.
    """

    about: str
    experiments: tuple[str, ...]
    changed: Callable[[Loaded], Loaded] = as_it_is


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
"""By the name of `--suite`."""
assert set(SUITES) == set(SUITE_NAMES), "chaos.options names the suites, so that --help need not load them"


def suite(name: str) -> Suite:
    """Raises ScenarioError for a name that there is not."""
    if name not in SUITES:
        raise ScenarioError(f'--suite: none is called "{name}"; {instead(name, SUITES)}')
    return SUITES[name]


def asked(options: Options) -> tuple[list[Experiment], list[str]]:
    """Return the experiments that are asked for, and a sentence for each of a suite that there is not.

    Raises ScenarioError for one that was asked for by its name and is not there, and where a suite and an experiment
    are both asked for.
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
    """Say why an experiment cannot be played on a system, as far as files tell; empty if it can.

    How an operator or a manifest names its pods is known on Kubernetes only once they are there.
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
    """Those that fit this system, and a sentence for each of the others, which a suite leaves out.

    Raises ScenarioError instead where no suite asks for them.
    """
    found, left_out = list[Experiment](), list[str]()
    for one in experiments:
        because = _unfit(one, loaded.scenario)
        if because and not options.suite:
            raise ScenarioError(because)
        left_out += [because] if because else []
        found += [] if because else [one]
    return found, left_out


def suited(name: str | None, loaded: Loaded) -> Loaded:
    """Return the scenario as a suite plays it, or as it is if there is none. Raises ScenarioError."""
    return suite(name).changed(loaded) if name else loaded
