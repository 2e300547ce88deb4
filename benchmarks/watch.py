"""`failover watch` beside what is known of the same fault otherwise: `python benchmarks/watch.py`, which prints JSON.
`--help` has the options, and `--only` plays one of its parts.

crashes: a command kills a master that this program starts, N times (20). Every outage is found, and a prober of ours
agrees within the printed error in all of them.
beside: N trials (20) of `failover run` on local at loopback addresses, with a watch of the same system: +sdown and
recovery of both are within 50 ms of each other in all of them.
calm: a watch of a system to which nothing happens (60 min) has no window. Played at `faster` times the usual rate (24),
an hour is as many operations as a day: the memory of the watch and of its agent grows by less than 20 MB meanwhile, and
what it keeps on disk is less than 50 MB. What is measured over a shorter time is scaled to a day's operations: the
slope of the memory once it has settled, with the slopes of the first and of the second half beside it.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

from chaos.analysis.history import History
from chaos.analysis.interval import Interval
from chaos.analysis.result import TrialResult
from chaos.record.events import SentinelAddress
from tests.rig import LOOPBACK, REDIS, SENTINELS, running
from tests.watch.watched import Prober, Watched, watching

DAY_S = 86_400
USUAL_HZ = 20
NEAR_S = 0.05
SETTLED_S, LOOK_S = 90.0, 2.0
"""After this much of a calm watch its memory is looked at, and then this often. It keeps the last 30 s in memory, and
begins to keep them once it has chosen a deadline, which takes up to 16 s. Imports and buffers are there by then too.
"""


def trials(watched: Watched) -> tuple[TrialResult, ...]:
    return watched.result.trials


def crashes(many: int, deadline: str) -> dict[str, Any]:
    """Kill a master by the command, and compare with what the prober saw."""
    found, agreed, told = 0, 0, []
    for _ in range(many):
        with tempfile.TemporaryDirectory() as directory, running(Path(directory)) as rig:
            port = rig.processes[SENTINELS[0]].port
            kill = ("--until", "1", "--deadline", deadline, "--", "kill", "-9", str(rig.pid(REDIS[0])))
            reports = Path(directory) / "reports"
            with Prober(port) as prober, watching(reports, "--sentinel", f"{LOOPBACK}:{port}", *kill) as watched:
                watched.over(300)
            seen = [path.outage_s for trial in trials(watched) for path in trial.paths.values()]
            least, most = prober.outage()
            found += len(seen) == 2 and None not in seen
            agreed += all(one is not None and one.overlaps(Interval(least, most)) for one in seen)
            told.append({"prober": [least, most], "watch": [[one.least, one.most] for one in seen if one]})
    return {"crashes": many, "found": found, "agreed": agreed, "each": told}


def beside(many: int) -> dict[str, Any]:
    """Play a crash on local, with a watch of the same system, and compare both on this machine's clock."""
    near, told = 0, []
    for _ in range(many):
        with tempfile.TemporaryDirectory() as directory:
            out = Path(directory)
            both = _beside(out)
            near += max(abs(both["sdown_s"]), abs(both["recovery_s"])) <= NEAR_S
            told.append(both)
    return {"trials": many, "within_50_ms": near, "each": told}


def _beside(out: Path) -> dict[str, float]:
    environment = {**os.environ, "FAILOVER_LEVEL": "loopback"}
    command = [sys.executable, "-m", "chaos", "run", "sentinel", "--on", "local", "--experiment", "kill-master"]
    longer = ["--set", "limits.baseline=12s", "--set", "clients.sentinel.rate_each=50/s", "--quiet", "--out"]
    with subprocess.Popen([*command, *longer, str(out / "run")], env=environment, stdout=sys.stderr) as run:
        address = _sentinel_of(out / "run")
        asked = ("--sentinel", address, "--until", "1", "--rate", "50/s")
        with watching(out / "watch", *asked) as watched:
            run.wait()
            if watched.popen.poll() is None:
                watched.interrupt()
            watched.over()
    [played] = (out / "run").iterdir()
    [ours], [theirs] = _moments(played), _moments(watched.directory)
    return {name: theirs[name] - ours[name] for name in ours}


def _sentinel_of(reports: Path) -> str:
    """The address of Sentinel's Service of the system that is being made there, which its own clients ask too."""
    limit = time.monotonic() + 120
    while time.monotonic() < limit:
        for path in reports.glob("*/trial-000/events/platform.jsonl"):
            for line in path.read_text().rpartition("\n")[0].splitlines():
                said = json.loads(line)
                if said["kind"] == "service" and said["service"] == "sentinel" and said["cluster_ip"]:
                    return f"{said['cluster_ip']}:26379"
        time.sleep(0.2)
    raise SystemExit("no system came up on local")


def _moments(campaign: Path) -> list[dict[str, float]]:
    """When +sdown was said, and when the path `sentinel/new` was back, on this machine's monotonic clock: of each trial
    with a failover. On a busy machine a watch may have an entry of its own for a moment in which operations were late.
    """
    from chaos.analysis.trial import analyse_trial

    found = []
    for directory in sorted(campaign.glob("trial-*")):
        trial, history = analyse_trial(directory), History.load(directory)
        assert history.facts(SentinelAddress)
        t0_s = history.t0_ns / 1e9
        sdown, back = trial.milestones["sdown"].at_s, trial.paths["sentinel/new"].recovered_s
        if sdown and back:
            found.append({"sdown_s": t0_s + sdown.middle, "recovery_s": t0_s + back.middle})
    return found


def calm(seconds: float, faster: float, deadline: str) -> dict[str, Any]:
    """Watch a system to which nothing happens, at a higher rate than usual."""
    with tempfile.TemporaryDirectory() as directory, running(Path(directory)) as rig:
        address = f"{LOOPBACK}:{rig.processes[SENTINELS[0]].port}"
        rate = ("--rate", f"{USUAL_HZ * faster:g}/s", "--deadline", deadline, "--for", f"{seconds:g}s")
        with watching(Path(directory) / "reports", "--sentinel", address, *rate) as watched:
            looks = _memory(watched.popen.pid, watched, seconds)
            watched.over(seconds + 300)
        told = json.loads((watched.directory / "campaign.json").read_text())["watch"]
        operations = int(told["operations"])
        day = DAY_S * USUAL_HZ * 2
        minutes = (watched.directory / "minutes.jsonl").stat().st_size
        windows = sum(len(path.windows) for trial in trials(watched) for path in trial.paths.values())
        who, middle = ("watch", "agent"), len(looks["at"]) // 2
        halves = (slice(None), slice(middle), slice(middle, None))
        kept = sum(one.stat().st_size for one in watched.directory.rglob("*") if one.is_file())
        return {
            "seconds": seconds,
            "operations": operations,
            "of_a_day": operations / day,
            "windows": windows,
            "entries": [trial.experiment for trial in trials(watched)],
            "nothing": told["nothing"],
            "memory_mb": {
                name: [round(mb, 2) for mb in looks[name][:: max(1, len(looks["at"]) // 20)]] for name in who
            },
            "grown_mb": {name: looks[name][-1] - looks[name][0] for name in who},
            "memory_of_a_day_mb": {
                name: [_slope(looks["at"][part], looks[name][part]) * seconds * day / operations for part in halves]
                for name in who
            },
            "disk_bytes": kept,
            "minutes_of_a_day_bytes": minutes * DAY_S / seconds,
        }


def _memory(pid: int, watched: Watched, seconds: float) -> dict[str, list[float]]:
    """The memory of the watch and of its agent, in MB, and when each was looked at: from SETTLED_S to the end."""
    watched.until("watching")
    looks: dict[str, list[float]] = {"at": [], "watch": [], "agent": []}
    begun = time.monotonic()
    at = min(SETTLED_S, seconds / 2)
    while at < seconds - 5:
        threading.Event().wait(max(0.0, begun + at - time.monotonic()))
        assert watched.popen.poll() is None, watched.said
        [agent] = [one for one in _children(pid) if "chaos.agent" in Path(f"/proc/{one}/cmdline").read_text()]
        for name, found in (("at", at), ("watch", _rss_mb(pid)), ("agent", _rss_mb(agent))):
            looks[name].append(found)
        at += LOOK_S
    return looks


def _slope(at_s: list[float], mb: list[float]) -> float:
    """How much the memory grows in a second: the median of the slopes between any two looks.

    So a step counts for little, such as that of an entry, of which a day has few.
    """
    looks = list(zip(at_s, mb, strict=True))
    return median((later[1] - one[1]) / (later[0] - one[0]) for one, later in combinations(looks, 2))


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _rss_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crashes", type=int, default=20)
    parser.add_argument("--beside", type=int, default=20)
    parser.add_argument("--calm", type=float, default=3600.0, metavar="SECONDS")
    parser.add_argument("--faster", type=float, default=24.0)
    parser.add_argument("--deadline", default="500ms", help="Of crashes and calm; a busy machine needs a longer one.")
    parser.add_argument("--only", choices=["crashes", "beside", "calm"])
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "crashes": lambda: crashes(asked.crashes, asked.deadline),
        "beside": lambda: beside(asked.beside),
        "calm": lambda: calm(asked.calm, asked.faster, asked.deadline),
    }
    print(json.dumps({name: part() for name, part in parts.items() if asked.only in (None, name)}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
