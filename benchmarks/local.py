"""Crashes on the local cluster, side by side: how long a campaign and a trial take, and what one system costs.

Run as `python benchmarks/local.py [TRIALS [AT_ONCE [EXPERIMENT]]]`; 16 of kill-master, 8 at once, unless told.
Wanted of 299 trials on two cores: 12 minutes, at most 2 % inconclusive, each promoted at 5.2 to 6.5 s and 20 s long
at most; of a system with its worker and agent under 200 MB; of 100 trials of no-fault: no window. Prints one JSON
object; the memory is that of a trial by itself, before the others.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from chaos.analysis.result import CampaignResult
from chaos.analysis.summary import load
from chaos.record.event_files import read_events
from chaos.record.events import Event, Step

PROC = Path("/proc")
EVERY_S = 0.5


def play(out: Path, experiment: str, trials: int, at_once: int) -> tuple[float, float, CampaignResult, Path]:
    """Seconds, most MB of a trial's processes at one moment, the result, the campaign's directory."""
    command = [sys.executable, "-m", "chaos", "run", "sentinel", "--on", "local", "--experiment", experiment]
    more = ["--trials", str(trials), "--parallel", str(at_once), "--set", "limits.watch=0s", "--quiet"]
    begun = time.monotonic()
    with subprocess.Popen([*command, *more, "--out", str(out)], stdout=sys.stderr) as campaign:
        most_kb, watching = [0], threading.Event()
        thread = threading.Thread(target=watch, args=(campaign.pid, most_kb, watching))
        thread.start()
        campaign.wait()
        watching.set()
        thread.join()
    [directory] = out.iterdir()
    result = load(directory / "summary.json")
    return time.monotonic() - begun, most_kb[0] / 1024, result, directory


def watch(campaign: int, most_kb: list[int], ended: threading.Event) -> None:
    while not ended.wait(EVERY_S):
        workers = list(children(campaign))
        below = [one for worker in workers for one in [worker, *descendants(worker)]]
        most_kb[0] = max(most_kb[0], sum(map(memory_kb, below)))


def children(process: int) -> Iterator[int]:
    for file in PROC.glob(f"{process}/task/*/children"):
        yield from map(int, read(file).split())


def descendants(process: int) -> Iterator[int]:
    for child in children(process):
        yield child
        yield from descendants(child)


def memory_kb(process: int) -> int:
    """What is its own, and its share of what it shares."""
    lines = read(PROC / str(process) / "smaps_rollup").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def read(file: Path) -> str:
    """Empty where its process has ended."""
    try:
        return file.read_text()
    except OSError:
        return ""


def spread(values: list[float]) -> str:
    return f"{min(values):.2f} · {statistics.median(values):.2f} · {max(values):.2f}" if values else "none"


def stamps(directory: Path) -> tuple[float, float]:
    """Of one trial: how long until it was healthy, and how long in all."""
    events = list(read_events(directory / "events" / "host.jsonl"))
    healthy = next(one for one in events if is_end(one.event, "healthy"))
    return (healthy.at_ns - events[0].at_ns) / 1e9, (events[-1].at_ns - events[0].at_ns) / 1e9


def is_end(event: Event, step: str) -> bool:
    return isinstance(event, Step) and event.name == step and event.state == "ended"


def main() -> None:
    parser = argparse.ArgumentParser(description="Crashes on the local cluster, side by side.")
    parser.add_argument("trials", nargs="?", type=int, default=16)
    parser.add_argument("at_once", nargs="?", type=int, default=8)
    parser.add_argument("experiment", nargs="?", default="kill-master")
    options = parser.parse_args()
    trials, at_once, experiment = options.trials, options.at_once, options.experiment
    with tempfile.TemporaryDirectory() as folder:
        _, megabytes, _, _ = play(Path(folder, "one"), "kill-master", 1, 1)
        seconds, _, result, directory = play(Path(folder, "many"), experiment, trials, at_once)
        healthy, whole = zip(*map(stamps, sorted(directory.glob("trial-*"))), strict=True)
    promoted = [at_s.most for trial in result.trials if (at_s := trial.milestones["promoted"].at_s)]
    figures = {
        "trials": f"{len(result.trials)} of {experiment}, {at_once} at once, in {seconds:.0f} s: {result.verdict}",
        "inconclusive": sum(trial.verdict == "inconclusive" for trial in result.trials),
        "windows": sum(bool(path.windows) for trial in result.trials for path in trial.paths.values()),
        "healthy_s": spread(list(healthy)),
        "trial_s": spread(list(whole)),
        "promoted_s": spread([at for at in promoted if at is not None]),
        "system_mb": round(megabytes),
    }
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
