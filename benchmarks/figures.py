"""The figures that the project holds itself to, as one campaign reached them.

Run as `python benchmarks/figures.py [CAMPAIGN]`; without one it reads the sample. Prints one JSON object a trial, and
says of each figure what was wanted. Plays nothing: `failover run` does, and its own lines say where its time went.
"""

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from chaos.analysis.result import FaultRecord, PathResult, TrialResult, Window
from chaos.analysis.summary import load
from chaos.record.event_files import read_events
from chaos.record.events import Step

POINTER_S = {"lower": (36, 68), "higher": (6, 39)}
PROMOTED_S = (5.2, 7.5)


def of_trial(campaign: Path, trial: TrialResult) -> dict[str, Any]:
    return {
        "trial": f"{trial.number} {trial.experiment} {trial.verdict}",
        "faults": [of_fault(fault) for fault in trial.faults],
        **dict(of_system(trial)),
        "paths": {name: of_path(path) for name, path in trial.paths.items() if path.windows},
        "steps_s": dict(steps(campaign / trial.directory)),
    }


def of_fault(fault: FaultRecord) -> dict[str, str]:
    width = fault.effect_s.width if fault.effect_s else None
    proof = fault.confirmed_s and fault.confirmed_s - fault.requested_s
    return {
        "effect interval": f"{width:.4f} s, wanted at most 0.050 of a signal or a cut" if width is not None else "none",
        "requested to confirmed": f"{proof:.3f} s, wanted at most 1" if proof else "not confirmed",
    }


def of_system(trial: TrialResult) -> Iterator[tuple[str, str]]:
    order, crash = order_of(trial), trial.experiment == "kill-master"
    for name, wanted in (("promoted", PROMOTED_S), ("pointer", POINTER_S.get(order))):
        known = trial.milestones.get(name)
        if known and known.at_s:
            beside = f", wanted {wanted[0]} to {wanted[1]}" if wanted and crash else ""
            yield name, f"{known.at_s.least:.2f} to {known.at_s.most:.2f} s{beside}"
    yield "killed ordinal", order or "not known"


def order_of(trial: TrialResult) -> str:
    killed, new = trial.covariates.get("target_ordinal"), trial.covariates.get("successor_ordinal")
    return "" if killed is None or new is None else "lower" if killed < new else "higher"


def of_path(path: PathResult) -> dict[str, str]:
    durable = next((window for window in path.windows if window.kind == "durable"), None)
    seen = next((window for window in path.windows if window.kind == "seen"), None)
    return {
        "durable": length(durable),
        "seen": length(seen),
        "attributed": f"{100 * attributed(durable):.1f} %, wanted at least 95" if durable and durable.phases else "–",
    }


def length(window: Window | None) -> str:
    if window is None:
        return "none"
    length_s = window.length_s
    if length_s.is_open:
        return f"> {length_s.least:.2f} s"
    return f"{length_s.least:.3f} to {length_s.most:.3f} s, {1000 * length_s.width:.0f} ms wide"


def attributed(window: Window) -> float:
    known_s = sum(phase.seconds for phase in window.phases)
    return known_s / (known_s + window.unattributed_s)


def steps(trial: Path) -> Iterator[tuple[str, float]]:
    """Where a trial's own time went."""
    begun: dict[str, int] = {}
    for stamped in read_events(trial / "events" / "host.jsonl"):
        step = stamped.event
        if isinstance(step, Step) and step.state == "begun":
            begun[step.name] = stamped.at_ns
        elif isinstance(step, Step) and step.name in begun:
            yield step.name, round((stamped.at_ns - begun.pop(step.name)) / 1e9, 1)


def elapsed_s(campaign: Path, trials: int) -> float:
    """From the campaign's start to the last trial's end."""
    started = json.loads((campaign / "campaign.json").read_text())["started"]
    ended = json.loads((campaign / f"trial-{trials - 1:03d}" / "closed").read_text())["at"]
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds()


def main(given: str = "reports/sample") -> None:
    campaign = Path(given)
    result = load(campaign / "summary.json")
    for trial in result.trials:
        sys.stdout.write(json.dumps(of_trial(campaign, trial), indent=2, ensure_ascii=False) + "\n")
    sys.stdout.write(f"{elapsed_s(campaign, len(result.trials)):.0f} s from the start to the last trial's end\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
