"""Analysis and report of ten and of thirty trials with the usual load, and of 299 small ones: how long each takes.

Run as `python benchmarks/analysis.py [ten|thirty|many]`. Prints a JSON object a campaign. The trials are written for
it, and writing them is not counted; nor is importing, but for what the processes of a large campaign import. `cpu_s` is
what all its processes used, which says more than the times on a machine that does something else meanwhile.
"""

import json
import os
import resource
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from chaos.analysis.analyse import analyse_beside
from chaos.report.evidence import taken
from chaos.report.files import write
from tests.recordings import kill_master, write_campaign

CAMPAIGNS = {
    "ten": [partial(kill_master, number, meters=4) for number in range(10)],
    "thirty": [partial(kill_master, number, meters=4) for number in range(30)],
    "many": [
        partial(kill_master, number, meters=2, paths=("service", "sentinel"), back_s=6.8 + number / 150, length_s=22.0)
        for number in range(299)
    ],
}
"""The load of the default scenario; eight clients, and a failover that a Service follows at once."""


def measured(directory: Path) -> dict[str, float]:
    begun_s, used_s = time.perf_counter(), cpu_s()
    result, found = analyse_beside(directory, taken)
    analysed_s = time.perf_counter()
    page = write(directory, result, found)
    reported_s = time.perf_counter()
    return {
        "analysis_s": round(analysed_s - begun_s, 2),
        "report_s": round(reported_s - analysed_s, 2),
        "cpu_s": round(cpu_s() - used_s, 2),
        "report_kib": round(page.stat().st_size / 1024),
    }


def cpu_s() -> float:
    """Of this process and of those that it started and that are over."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main(*names: str) -> None:
    for name in names or CAMPAIGNS:
        with tempfile.TemporaryDirectory() as folder:
            directory = write_campaign(Path(folder), (story() for story in CAMPAIGNS[name]))
            rows_mib = sum(path.stat().st_size for path in directory.rglob("*.rows")) / 2**20
            about = {"trials": len(CAMPAIGNS[name]), "cores": len(os.sched_getaffinity(0))}
            sys.stdout.write(json.dumps(about | {"rows_mib": round(rows_mib, 1)} | measured(directory)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
