"""Whether a crowded machine makes trials inconclusive, or changes what is said of them.

Run as `python benchmarks/crowded.py [--only NAME] [--seed 1]`. The same crashes on the local cluster are played 16 at
once, 8 at once and beside processes that spin, and calmly, 4 at once. Wanted on two cores: at 16 at once 36 of 40 are
conclusive, at 8 at once all 32, beside four that spin 9 of 10, and no conclusive verdict differs from that of the same
trial played calmly. Prints why each inconclusive trial was so, and one JSON object.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from chaos.analysis.result import TrialResult, Verdict
from chaos.analysis.summary import load

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.spinning import spinning


@dataclass(frozen=True)
class Crowd:
    """So many trials, so many at once, beside so many processes that want a core each; how many must be conclusive."""

    trials: int
    at_once: int
    spinning: int = 0
    conclusive: int = 0


CALM = "calm"
CROWDS = {
    CALM: Crowd(40, 4),
    "16 at once": Crowd(40, 16, conclusive=36),
    "8 at once": Crowd(32, 8, conclusive=32),
    "beside four that spin": Crowd(10, 2, spinning=4, conclusive=9),
}
"""Trials of one number have one seed in all of them."""


def play(folder: Path, crowd: Crowd, seed: int) -> tuple[TrialResult, ...]:
    """Raises RuntimeError where no campaign was recorded."""
    command = [sys.executable, "-m", "chaos", "run", "sentinel", "--on", "local", "--experiment", "kill-master"]
    many = ["--trials", str(crowd.trials), "--parallel", str(crowd.at_once), "--seed", str(seed)]
    with spinning(crowd.spinning, core=None):
        done = subprocess.run(
            [*command, *many, "--out", str(folder), "--quiet"], capture_output=True, text=True, check=False
        )
    found = list(folder.glob("*/summary.json"))
    if not found:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return load(found[0]).trials


def main() -> None:
    parser = argparse.ArgumentParser(description="Whether a crowded machine changes what is said of a trial.")
    parser.add_argument("--only", action="append", choices=[name for name in CROWDS if name != CALM])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for the recordings; else they are thrown away")
    options = parser.parse_args()
    chosen = [CALM, *(options.only or [name for name in CROWDS if name != CALM])]
    with tempfile.TemporaryDirectory() as thrown:
        folder = options.keep or Path(thrown)
        played = {name: play(folder / name.replace(" ", "-"), CROWDS[name], options.seed) for name in chosen}
    calm = {trial.seed: trial for trial in played[CALM]}
    for name, trials in played.items():
        for trial in trials:
            if trial.verdict is Verdict.INCONCLUSIVE:
                sys.stdout.write(f"{name}: trial {trial.number} is inconclusive: {'; '.join(trial.because)}\n")
            elif differs(trial, calm):
                why = f"{trial.verdict} ({trial.because[0]}), calmly {calm[trial.seed].verdict}"
                sys.stdout.write(f"{name}: trial {trial.number} is {why}\n")
    figures = {name: of(CROWDS[name], trials, calm) for name, trials in played.items()}
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")


def differs(trial: TrialResult, calm: dict[int, TrialResult]) -> bool:
    """Whether two conclusive verdicts of the same trial are not the same."""
    other = calm.get(trial.seed)
    conclusive = other is not None and Verdict.INCONCLUSIVE not in (trial.verdict, other.verdict)
    return conclusive and trial.verdict is not calm[trial.seed].verdict


def of(crowd: Crowd, trials: tuple[TrialResult, ...], calm: dict[int, TrialResult]) -> dict[str, str]:
    conclusive = sum(trial.verdict is not Verdict.INCONCLUSIVE for trial in trials)
    load = [trial.covariates["load1"] for trial in trials if trial.covariates.get("load1")]
    return {
        "conclusive": f"{conclusive} of {len(trials)}" + (f", wanted {crowd.conclusive}" if crowd.conclusive else ""),
        "differ from calm": str(sum(differs(trial, calm) for trial in trials)),
        "greatest load": f"{max(load, default=0):.1f}",
    }


if __name__ == "__main__":
    main()
