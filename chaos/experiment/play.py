"""Plays an experiment by chaostoolkit, and reads its journal as what happened rather than as how it is summed up.

chaostoolkit calls an experiment completed when an action raised, when the method was skipped because the steady state
was not met, and when an activity returned without having run. Every entry is read here. Journal times are wall-clock
and taken around our calls: no figure is computed from them.
"""

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid, run_experiment
from chaoslib.extension import get_extension
from chaoslib.loader import load_experiment
from chaoslib.run import RunEventHandler

from chaos.cluster.base import Ability
from chaos.errors import ExperimentError, ScenarioError
from chaos.fault.registry import FAULTS

Journal = dict[str, Any]
Activity = dict[str, Any]

EXPECTS = ("failover", "no-failover", "nothing", "any")
SETTINGS = {"runtime": {"rollbacks": {"strategy": "always"}}}
"""By default rollbacks are skipped when an experiment is interrupted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """A valid file. `expects` is what its fault should bring, `needs` what a cluster must be able to do."""

    name: str
    path: Path
    content: dict[str, Any]
    expects: str
    needs: frozenset[Ability]

    def as_json(self) -> dict[str, str]:
        """What a manifest says of it."""
        words = {key: str(self.content[key]) for key in ("title", "description")}
        digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        return {"name": self.name, **words, "expects": self.expects, "sha256": digest}


def load(path: Path) -> Experiment:
    """Load and check an experiment; raises ScenarioError with the file's name and what is wrong."""
    try:
        content = load_experiment(str(path))
        ensure_experiment_is_valid(content)
    except (ChaosException, ValueError) as error:
        raise ScenarioError(f"{path}: {error}") from error
    for activity in _activities(content):
        _check_activity(path, activity)
    return Experiment(
        name=path.stem, path=path, content=content, expects=_expects(path, content), needs=_needs(content)
    )


def play(experiment: Experiment, started: Callable[[], None]) -> Journal:
    """Play in this thread, the main one. `started` is called when chaoslib has set its signal handlers."""
    journal: Journal = run_experiment(experiment.content, settings=SETTINGS, event_handlers=[_Started(started)])
    return journal


def check(journal: Journal, experiment: Experiment) -> None:
    """Raise ExperimentError unless the experiment was played as it is written. The system's deviating is no error."""
    before = journal["steady_states"]["before"]
    if "steady-state-hypothesis" in experiment.content and not (before and before["steady_state_met"]):
        raise ExperimentError(f"{experiment.name} was not played: {_unmet(before)}")
    for entry in journal["run"] + journal["rollbacks"]:
        _check_entry(experiment, entry)
    if len(journal["run"]) != len(experiment.content["method"]) or journal["status"] in ("aborted", "interrupted"):
        raise ExperimentError(f"{experiment.name} was not played to its end: chaostoolkit says {journal['status']}")


class _Started(RunEventHandler):  # type: ignore[misc]  # chaoslib has no types
    def __init__(self, started: Callable[[], None]) -> None:
        self._started = started

    def running(self, *_: object) -> None:
        self._started()


def _activities(content: dict[str, Any]) -> list[Activity]:
    probes = content.get("steady-state-hypothesis", {}).get("probes", [])
    return [*probes, *content["method"], *content.get("rollbacks", [])]


def _check_activity(path: Path, activity: Activity) -> None:
    """An `async def` would be called and never awaited; chaostoolkit calls that a success."""
    provider = activity.get("provider", {})
    if provider.get("type") != "python":
        return
    if inspect.iscoroutinefunction(getattr(import_module(provider["module"]), provider["func"])):
        raise ScenarioError(f"{path}: {activity['name']}: {provider['func']} is async; chaostoolkit would not run it")


def _expects(path: Path, content: dict[str, Any]) -> str:
    expects = (get_extension(content, "failover") or {}).get("expects", "any")
    if expects not in EXPECTS:
        raise ScenarioError(f'{path}: extensions: expects: "{expects}" is none of {", ".join(EXPECTS)}')
    return str(expects)


def _needs(content: dict[str, Any]) -> frozenset[Ability]:
    used = (activity.get("provider", {}) for activity in content["method"])
    faults = (provider["func"] for provider in used if provider.get("module") == "chaos.experiment.actions")
    return frozenset().union(*(FAULTS[name].needs for name in faults if name in FAULTS))


def _unmet(state: dict[str, Any] | None) -> str:
    if not state or not state["probes"]:
        return "its steady state was not looked at"
    probe = state["probes"][-1]
    name = probe["activity"]["name"]
    return f"{name}: {_reason(probe)}" if probe["status"] == "failed" else f"{name}: it is not so"


def _check_entry(experiment: Experiment, entry: Any) -> None:  # noqa: ANN401  chaoslib's journal is untyped
    name = entry["activity"]["name"]
    if entry.get("status") != "succeeded":
        raise ExperimentError(f"{experiment.name}: {name}: {_reason(entry)}")
    if inspect.iscoroutine(entry["output"]):
        raise ExperimentError(f"{experiment.name}: {name}: it returned a coroutine that nobody ran")


def _reason(entry: dict[str, Any]) -> str:
    lines = entry.get("exception") or ["it did not end"]
    return str(lines[-1]).strip()
