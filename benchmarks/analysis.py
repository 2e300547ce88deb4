"""Analysis and report of a campaign of ten trials with the usual load: how long each takes.

Run as `python benchmarks/analysis.py [TRIALS]`. Prints one JSON object. The trials are written for it, and writing them
is not counted; nor is importing, which is the same for one trial as for a hundred.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from chaos.analysis.campaign import analyse
from chaos.report.files import write
from tests.recordings import kill_master, write_campaign

METERS = 4
"""A path and way of connecting, as the default scenario has them."""


def measured(directory: Path) -> dict[str, float]:
    begun_s = time.perf_counter()
    result = analyse(directory)
    analysed_s = time.perf_counter()
    page = write(directory, result)
    reported_s = time.perf_counter()
    return {
        "analysis_s": round(analysed_s - begun_s, 2),
        "report_s": round(reported_s - analysed_s, 2),
        "report_kib": round(page.stat().st_size / 1024),
    }


def main(trials: int = 10) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = write_campaign(Path(name), [kill_master(number, meters=METERS) for number in range(trials)])
        rows_mib = sum(path.stat().st_size for path in directory.rglob("*.rows")) / 2**20
        figures = {"trials": trials, "rows_mib": round(rows_mib, 1), **measured(directory)}
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
