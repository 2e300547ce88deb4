"""Whether "ready for another failure after n s" is so: the master is killed again a second before and a second after.

Run as `python benchmarks/rearmed.py [PAIRS [SEED [AT_ONCE]]]`; 5, 1 and 2 unless told. Wanted: in every pair the kill
after it is survived, which is that a second failover comes, every path comes back and no write is lost that was more
than a second old; and the kill before it is not, or a second later, for the reason that re-armed gives. Prints a line a
trial, and one JSON object.

The system has one replica. A master that was killed comes back after 5 s, and is in sync with its successor 5 s later,
which is how long Redis waits for other replicas before it sends its data (repl-diskless-sync-delay). When it is
re-armed is known from one kill alone, and then from every trial in which the second kill came after it.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # the tests' own experiments and reckoning are used here

from chaos.analysis.history import History  # noqa: E402
from chaos.analysis.measured import Measured  # noqa: E402
from chaos.analysis.trial import measured_in  # noqa: E402
from tests.local.small import action, experiment, probe  # noqa: E402
from tests.local.twice import Pair, SecondKill, first_armed_s, second_kill  # noqa: E402

SETTINGS = (
    "system.replicas=1",
    "system.local.asks_sentinel=true",
    "system.local.replace.after=5s",
    "system.settings.sentinel.down-after-milliseconds=2000",
    "limits.recovery=40s",
    "limits.watch=3s",
    "deadline=200ms",
)
HELD_S = 25
"""How long what comes after the last kill is looked at, in any case: paths are good until they are missed."""
OFF_S, TRIES = 1.0, 3
"""How long before and after it the second kill comes, and how often a pair is played whose kills came otherwise."""


def played(folder: Path, when_s: float | None, seed: int) -> Measured | None:
    """One trial with a kill at t = 0, and another one so long after it. None if the machine let no trial be played."""
    folder.mkdir(parents=True)
    crash = action("crash", target="master", replace=True)
    again = [] if when_s is None else [action("crash", target="master", replace=True, when=f"{when_s:.2f} s")]
    file = experiment(folder, "twice", "failover", crash, *again, probe("hold", seconds=HELD_S))
    options = [word for value in SETTINGS for word in ("--set", value)]
    out = ["--seed", str(seed), "--parallel", "1", "--out", str(folder / "reports"), "--quiet"]
    command = [sys.executable, "-m", "chaos", "run", "sentinel", "--on", "local", "--experiment", str(file)]
    done = subprocess.run([*command, *options, *out], cwd=ROOT, capture_output=True, text=True, check=False)
    trials = list(folder.glob("reports/*/trial-000/manifest.json"))
    if not trials:
        sys.stderr.write(f"{' '.join(command)}: {done.stdout}{done.stderr}\n")
        return None
    return measured_in(History.load(trials[0].parent))


def told(name: str, measured: Measured | None) -> SecondKill | None:
    kill = second_kill(measured) if measured else None
    sys.stderr.write(f"{name}: {kill or 'the second kill was not made'}\n")
    return kill


def main(pairs: int, seed: int, at_once: int) -> None:
    with tempfile.TemporaryDirectory(prefix="rearmed-") as place, ThreadPoolExecutor(at_once) as pool:
        folder, known, found = Path(place), list[float](), list[Pair]()

        def one(name: str, when_s: float | None, number: int) -> Measured | None:
            return played(folder / name, when_s, seed + number)

        for number in range(TRIES):
            measured = None if known else one(f"alone-{number}", None, number)
            moment_s = first_armed_s(measured) if measured else None
            known += [] if moment_s is None else [moment_s]
        for number in range(pairs * TRIES):
            if len(found) == pairs or not known:
                break
            at_s = statistics.median(known)
            both = ((f"{number}-before", at_s - OFF_S, number), (f"{number}-after", at_s + OFF_S, number))
            before, after = (
                told(name, trial)
                for (name, *_), trial in zip(both, pool.map(lambda each: one(*each), both), strict=True)
            )
            if after is not None and after.armed_s is not None:
                known.append(after.armed_s)
            if before is not None and after is not None and Pair(before=before, after=after).counts:
                found.append(Pair(before=before, after=after))
    sys.stdout.write(json.dumps(dict(figures(found, known)), indent=1) + "\n")


def figures(found: list[Pair], known: list[float]) -> Iterator[tuple[str, object]]:
    yield "rearmed_s", [round(one, 2) for one in known]
    yield "pairs", len(found)
    yield "as_said", sum(pair.is_as_said for pair in found)
    for name in ("before", "after"):
        kills: list[SecondKill] = [getattr(pair, name) for pair in found]
        yield name, [{**asdict(kill), "survived": kill.survived} for kill in kills]


if __name__ == "__main__":
    main(*(int(given) for given in [*sys.argv[1:], *("5", "1", "2")[len(sys.argv) - 1 :]]))
