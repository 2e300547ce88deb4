"""A campaign on local that is killed with SIGKILL at random moments, and goes on: the same trials, none twice.

Run as `python benchmarks/resume.py [KILLS [TRIALS [SEED]]]`; 10, 6 and 1 unless told. Wanted: all trials, each once and
complete, in one directory with one report. Prints one JSON object. A kill that found the campaign over counts as none.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from chaos.analysis.summary import load

RUN = [sys.executable, "-m", "chaos", "run"]
LONGEST_S = 40.0
"""A kill comes within this of the start: a trial takes about 20 s."""
FIRST_S = 60.0


def main(kills: int, trials: int, seed: int) -> None:
    draw, begun = random.Random(seed), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "reports"
        asked = ["sentinel", "--on", "local", "--experiment", "kill-master", "--trials", str(trials), "--seed", "7"]
        process = subprocess.Popen([*RUN, *asked, "--out", str(out), "--quiet"], stdout=sys.stderr)
        limit = time.monotonic() + FIRST_S
        while not list(out.glob("*/campaign.json")):
            assert time.monotonic() < limit, "no campaign was begun"
        [directory] = out.iterdir()
        killed = 0
        for _ in range(kills):
            killed += kill(process, draw.uniform(0, LONGEST_S))
            process = subprocess.Popen([*RUN, "--resume", str(directory), "--quiet"], stdout=sys.stderr)
        process.wait()
        result = load(directory / "summary.json")
        numbers = Counter(trial.number for trial in result.trials)
        found = {
            "kills": killed,
            "trials": len(result.trials),
            "complete": sum(trial.ended == "complete" for trial in result.trials),
            "twice": [number for number, times in numbers.items() if times > 1],
            "directories": len(list(out.iterdir())),
            "cut_off": len(list(directory.glob("cut-off-*"))),
            "verdicts": Counter(str(trial.verdict) for trial in result.trials),
            "seconds": round(time.monotonic() - begun),
        }
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


def kill(process: "subprocess.Popen[bytes]", after_s: float) -> bool:
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


if __name__ == "__main__":
    main(*(int(given) for given in [*sys.argv[1:], *("10", "6", "1")[len(sys.argv) - 1 :]]))
