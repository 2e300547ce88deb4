"""What share of a core the agent takes on kind, while a campaign is playing there.

Run as root, `python benchmarks/agent_on_kind.py [SECONDS]`, beside `failover run --on kind`: 30 s unless told. kind's
nodes are containers of this machine, so that the agent's processes are in its /proc: those that run chaos.agent in a
pod's cgroup. Their CPU time, user and system, is what the kernel counts in /proc/PID/task/*/schedstat. Begin it once
the clients run, since the time before them costs less. Prints one JSON object. Wanted: at most 0.25 of a core for the
load of each shipped scenario. Seen on two cores: 0.12 for redis-operator, 0.13 for statefulset.
"""

import json
import sys
import time
from pathlib import Path


def agents() -> list[Path]:
    """The processes that run chaos.agent in a pod. The node helpers run another module."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"chaos.agent" in words and "kubepods" in (process / "cgroup").read_text():
                found.append(process)
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
            continue  # it is no process, or it has just ended
    return found


def cpu_s(process: Path) -> float:
    """All its threads' time on a core."""
    return sum(int(task.read_text().split()[0]) for task in process.glob("task/*/schedstat")) / 1e9


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    found = agents()
    if not found:
        sys.exit("no agent runs on kind: start it beside `failover run --on kind`, when the baseline has begun")
    begun_s, before = time.monotonic(), {process: cpu_s(process) for process in found}
    time.sleep(seconds)
    took_s = time.monotonic() - begun_s
    shares = {process.name: round((cpu_s(process) - before[process]) / took_s, 4) for process in found}
    sys.stdout.write(json.dumps({"seconds": round(took_s, 1), "share of a core, by process": shares}) + "\n")


if __name__ == "__main__":
    main()
