"""Play an experiment with chaostoolkit, and check in its journal that everything was played.

chaostoolkit calls an experiment completed even if an action raised, if the method was skipped because the steady state
was not met, or if an activity returned without having run. So every entry of the journal is checked. The journal's
times are from the wall clock, and no figure is computed from them.
"""

import inspect
from collections.abc import Callable
from typing import Any

from chaoslib.experiment import run_experiment
from chaoslib.run import RunEventHandler

from chaos.errors import ExperimentError
from chaos.experiment.written import Experiment

Journal = dict[str, Any]

SETTINGS = {"runtime": {"rollbacks": {"strategy": "always"}}}
"""By default chaostoolkit skips the rollbacks of an interrupted experiment."""


def play(experiment: Experiment, started: Callable[[], None]) -> Journal:
    """Play in this thread, which must be the main one.

    `started` is called once chaoslib has set its signal handlers.
    """
    journal: Journal = run_experiment(experiment.content, settings=SETTINGS, event_handlers=[_Started(started)])
    return journal


def unmet(journal: Journal, experiment: Experiment) -> str:
    """Return a sentence on the probe of the steady state that prevented the method, or an empty string if none did."""
    before = journal["steady_states"]["before"]
    if "steady-state-hypothesis" not in experiment.content or (before and before["steady_state_met"]):
        return ""
    if not before or not before["probes"]:
        return f"{experiment.name} was not played: its steady state was not looked at"
    probe = before["probes"][-1]
    why = _reason(probe) if probe["status"] == "failed" else "it is not so"
    return f"{experiment.name} was not played: {probe['activity']['name']}: {why}"


def check(journal: Journal, experiment: Experiment) -> None:
    """Raise ExperimentError unless the whole experiment was played. A deviation of the system is no error."""
    if sentence := unmet(journal, experiment):
        raise ExperimentError(sentence)
    for entry in journal["run"] + journal["rollbacks"]:
        name = entry["activity"]["name"]
        if entry.get("status") != "succeeded":
            raise ExperimentError(f"{experiment.name}: {name}: {_reason(entry)}")
        if inspect.iscoroutine(entry["output"]):
            raise ExperimentError(f"{experiment.name}: {name}: it returned a coroutine that nobody ran")
    if len(journal["run"]) != len(experiment.content["method"]) or journal["status"] in ("aborted", "interrupted"):
        raise ExperimentError(f"{experiment.name} was not played to its end: chaostoolkit says {journal['status']}")


class _Started(RunEventHandler):  # type: ignore[misc]  # chaoslib has no types
    def __init__(self, started: Callable[[], None]) -> None:
        self._started = started

    def running(self, *_: object) -> None:
        self._started()


def _reason(entry: dict[str, Any]) -> str:
    lines = entry.get("exception") or ["it did not end"]
    return str(lines[-1]).strip()
