"""Whether the cause that a report names is the one that was planted.

Run as `python benchmarks/planted.py [--trials 5] [--ordinary 60] [--at-once 4] [--only NAME] [--seed 1]`. Twelve
mechanisms are planted on the local cluster by a setting or by an experiment, each so many times, in random order. For
each trial the cause must say the finding of its mechanism: wanted is 58 of 60. Then as many ordinary crashes are
played, in which none of the twelve may be named. Prints a line a trial, a table, and one JSON object.

With `--pack FOLDER` the load is less, and each recording is kept there, small, for the tests of findings.
"""

import argparse
import json
import random
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from chaos.analysis.result import TrialResult
from chaos.analysis.summary import load

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # the tests' own experiments are used here

from tests.local.small import action, experiment, meddle, probe  # noqa: E402

SENTINEL, REDIS, LOCAL = "system.settings.sentinel", "system.settings.redis", "system.local"
LIGHT = ("clients.service.rate_each=10/s", "clients.sentinel.rate_each=10/s")
"""What a recording to be packed is played with; what fills a Redis has its own rate."""
BULK = ("pressure", "waited")
"""Kinds of events that only tell how busy the machine was."""
SHORT = ("limits.watch=2s", "limits.recovery=40s")
FAST = ("clients.service.rate_each=50/s", "clients.sentinel.rate_each=50/s")
TWO_MASTERS = (
    f"{LOCAL}.replace.address=new",
    f"{LOCAL}.replace.data=lost",
    f"{SENTINEL}.failover-timeout=180000",
    "limits.recovery=25s",
)
"""Sentinel makes the old master a replica only after failover-timeout, at an address that it has not seen before."""
LATE_LABEL = ("system.period=1s", f"{LOCAL}.endpoint.every=20s", "clients.service.count=1", "clients.sentinel.count=1")
"""The trial begins right after a resync, so that the next one is nearly a whole period away."""


@dataclass(frozen=True)
class Planted:
    """A mechanism: the name of its finding, or the words of the cause where it is a phase, and how it is planted.

    `came_about` looks into the record, without the findings, whether what was planted happened at all.
    """

    finding: str
    play: str = "kill-master"
    set: tuple[str, ...] = ()
    scenario: str = "sentinel"
    words: str = ""
    came_about: Callable[[Path], bool] = lambda _: True

    def is_named(self, trial: TrialResult) -> bool:
        """Whether the sentence of cause says it."""
        if self.words:
            return self.words in trial.cause
        return any(one.name == self.finding and one.sentence in trial.cause for one in trial.findings)

    def is_found(self, trial: TrialResult) -> bool:
        """Whether it is said anywhere at all."""
        return self.is_named(trial) or any(one.name == self.finding for one in trial.findings)


def logged(text: str) -> Callable[[Path], bool]:
    """Whether a Sentinel's log says this."""
    return lambda trial: any(text in file.read_text() for file in (trial / "logs").glob("sentinel-*.log"))


MECHANISMS = {
    "quorum out of reach": Planted(
        "quorum out of reach", "two", (f"{SENTINEL}.quorum=3", f"{LOCAL}.restart=60s", f"{LOCAL}.replace.after=20s")
    ),
    "priority 0": Planted("no good replica", set=(f"{REDIS}.replica-priority=0", f"{LOCAL}.replace.after=20s")),
    "too few replicas": Planted(
        "writes refused with NOREPLICAS",
        set=("system.replicas=1", f"{REDIS}.min-replicas-to-write=1", f"{REDIS}.min-replicas-max-lag=5"),
    ),
    "not missed": Planted("not missed", set=(f"{SENTINEL}.down-after-milliseconds=30000", f"{LOCAL}.replace.after=4s")),
    "no majority": Planted(
        "no majority for a leader",
        "both",
        (
            "system.replicas=1",
            "system.sentinels=2",
            f"{SENTINEL}.quorum=1",
            f"{LOCAL}.restart=60s",
            "limits.recovery=25s",
        ),
    ),
    "refused request": Planted(
        "requested failover refused", "delete-master", (f"{REDIS}.replica-priority=0", f"{LOCAL}.terminate=6s")
    ),
    "full": Planted(
        "writes refused with OOM",
        set=(f"{REDIS}.maxmemory=2097152", f"{REDIS}.maxmemory-policy=noeviction", "limits.recovery=14s", *FAST),
    ),
    "empty master": Planted(
        "empty master copied", set=(f"{LOCAL}.replace.after=3s", f"{LOCAL}.replace.data=lost", "limits.watch=8s")
    ),
    "promotion undone": Planted(
        "promotion undone",
        set=(f"{SENTINEL}.failover-timeout=100",),
        came_about=logged("-failover-abort-slave-timeout"),
    ),
    "two masters": Planted("two masters", set=TWO_MASTERS),
    "late label": Planted("", set=LATE_LABEL, scenario="operator-model", words="the operator wrote the master label"),
    "TILT": Planted("TILT", "tilt", (f"{LOCAL}.replace.after=60s", "limits.recovery=60s"), came_about=logged("+tilt")),
}


@dataclass(frozen=True)
class Trial:
    """One to be played: `planted` is empty of an ordinary crash."""

    number: int
    planted: str
    seed: int


def method(folder: Path, name: str) -> str:
    """The experiment of that name: one of ours, written into the folder, or one that comes with failover."""
    crash = action("crash", target="master", replace=True)
    if name == "two":
        return str(experiment(folder, name, "failover", crash, action("crash", target="sentinel-0", replace=False)))
    if name == "both":
        lost = (action("crash", target=one, replace=False) for one in ("master", "sentinel-0"))
        return str(experiment(folder, name, "failover", *lost))
    if name == "tilt":
        paused = meddle("pause_sentinels", names=["sentinel-1", "sentinel-2"], seconds=3)
        return str(experiment(folder, name, "failover", crash, paused, probe("hold", seconds=5)))
    return name


def pack(trial: Path, archive: Path) -> None:
    """A recording without the machine's own events, in an archive of some ten KB."""
    for file in (trial / "events").glob("*.jsonl"):
        kept = [line for line in file.read_text().splitlines(keepends=True) if json.loads(line)["kind"] not in BULK]
        file.write_text("".join(kept))
    for name in ("worker.log", "journal.json"):
        (trial / name).unlink(missing_ok=True)
    with tarfile.open(archive, "w:xz", preset=9) as packed:
        packed.add(trial, "trial-000")


def play(folder: Path, trial: Trial, more: tuple[str, ...] = ()) -> tuple[Trial, Path]:
    """Its campaign's directory. Raises RuntimeError where none was recorded."""
    own = folder / f"{trial.number:03d}"
    own.mkdir()
    how = MECHANISMS.get(trial.planted, Planted(""))
    command = [
        sys.executable,
        "-m",
        "chaos",
        "run",
        how.scenario,
        "--on",
        "local",
        "--experiment",
        method(own, how.play),
    ]
    values = (*(SHORT if trial.planted else ()), *more, *how.set)
    options = [word for value in values for word in ("--set", value)]
    out = ["--seed", str(trial.seed), "--parallel", "1", "--out", str(own / "reports"), "--quiet"]
    done = subprocess.run([*command, *options, *out], cwd=ROOT, capture_output=True, text=True, check=False)
    found = list(own.glob("reports/*/summary.json"))
    if not found:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return trial, found[0].parent


def main() -> None:
    parser = argparse.ArgumentParser(description="Whether the cause that is named is the one that was planted.")
    parser.add_argument("--trials", type=int, default=5, help="of each mechanism")
    parser.add_argument("--ordinary", type=int, default=60, help="crashes in which nothing was planted")
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--only", action="append", choices=MECHANISMS, help="a mechanism; may be said again")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for the recordings; else they are thrown away")
    parser.add_argument("--pack", type=Path, help="a folder in which each recording is kept, small")
    options = parser.parse_args()
    more = LIGHT if options.pack else ()
    names = [*(options.only or MECHANISMS)] * options.trials + [""] * options.ordinary
    chance = random.Random(options.seed)
    chance.shuffle(names)
    trials = [Trial(number, name, options.seed + number) for number, name in enumerate(names)]
    with tempfile.TemporaryDirectory() as thrown, ThreadPoolExecutor(options.at_once) as pool:
        folder = options.keep or Path(thrown)
        folder.mkdir(parents=True, exist_ok=True)
        table: dict[str, list[str]] = {}
        for trial, campaign in pool.map(lambda one: play(folder, one, more), trials):
            result = load(campaign / "summary.json").trials[0]
            outcome = judged(trial, result, campaign / result.directory)
            table.setdefault(trial.planted, []).append(outcome)
            sys.stdout.write(f"{trial.number:3d}  {trial.planted or 'ordinary':20} {outcome:16} {result.cause}\n")
            sys.stdout.flush()
            if options.pack:
                archive = f"{(trial.planted or 'ordinary').replace(' ', '-')}.tar.xz"
                pack(campaign / result.directory, options.pack / archive)
    sys.stdout.write(json.dumps(figures(table), indent=1) + "\n")


def judged(trial: Trial, result: TrialResult, directory: Path) -> str:
    """named, found but not named, missed, or did not happen; of an ordinary crash: nothing, or what was named."""
    if not trial.planted:
        wrong = [name for name, how in MECHANISMS.items() if how.is_found(result)]
        return f"WRONG: {', '.join(wrong)}" if wrong else "nothing"
    how = MECHANISMS[trial.planted]
    if not how.came_about(directory):
        return "did not happen"
    return "named" if how.is_named(result) else "only found" if how.is_found(result) else "MISSED"


def figures(table: dict[str, list[str]]) -> dict[str, object]:
    planted = {name: each for name, each in table.items() if name}
    every = [outcome for each in planted.values() for outcome in each]
    ordinary = table.get("", [])
    return {
        "by mechanism": {name: f"{each.count('named')} of {len(each)}" for name, each in sorted(planted.items())},
        "named": f"{every.count('named')} of {len(every)}, wanted 58 of 60",
        "did not happen": every.count("did not happen"),
        "ordinary crashes in which one of them was named": f"{len(ordinary) - ordinary.count('nothing')} of "
        f"{len(ordinary)}, wanted 0",
    }


if __name__ == "__main__":
    main()
