"""How many realistic mistakes the tests catch: `nox -s mutants`, or `-- --only windows` for some of them.

Each entry of list.toml is made in a copy of the tree, and the tests that concern its file are run until one fails. A
mutant that no test catches survives; the entry says why where that is known. The third-party libraries are loaded once,
and each run is a fork of that.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("list.toml")
CPU_S = 300
"""What one run may use of a core. A mutant that makes the tests run for ever is caught."""
PRELOADED = ("pytest", "numpy", "pydantic", "yaml", "asyncio", "click", "pyroute2")
NEAREST = {
    "chaos/analysis/allowed.py": "analysis/allowed",
    "chaos/analysis/applications.py": "analysis/applications findings/clients",
    "chaos/analysis/campaign.py": "analysis/campaign",
    "chaos/analysis/cause.py": "analysis/cause analysis/campaign",
    "chaos/analysis/clocks.py": "analysis/clocks analysis/oracle",
    "chaos/analysis/doubts.py": "analysis/doubts",
    "chaos/analysis/expectation.py": "analysis/verdict analysis/milestones findings/masters",
    "chaos/analysis/headline.py": "analysis/campaign",
    "chaos/analysis/history.py": "analysis/paths analysis/milestones analysis/covariates analysis/oracle",
    "chaos/analysis/interval.py": "analysis/interval analysis/verdict analysis/oracle",
    "chaos/analysis/lateness.py": "analysis/lateness analysis/verdict analysis/oracle",
    "chaos/analysis/logs.py": "analysis/logs analysis/milestones",
    "chaos/analysis/losses.py": "analysis/losses analysis/oracle",
    "chaos/analysis/measured.py": "analysis/verdict analysis/milestones findings/sentinels",
    "chaos/analysis/milestones.py": "analysis/milestones analysis/phases",
    "chaos/analysis/operations.py": "analysis/losses analysis/paths analysis/doubts analysis/oracle",
    "chaos/analysis/paths.py": "analysis/paths analysis/verdict analysis/oracle",
    "chaos/analysis/phases.py": "analysis/phases analysis/milestones analysis/oracle",
    "chaos/analysis/sentinels.py": "analysis/sentinels analysis/milestones",
    "chaos/analysis/statistics.py": "analysis/statistics analysis/campaign",
    "chaos/analysis/summary.py": "analysis/summary",
    "chaos/analysis/targets.py": "analysis/verdict analysis/paths analysis/oracle",
    "chaos/analysis/trial.py": "analysis/milestones analysis/verdict analysis/covariates",
    "chaos/analysis/verdict.py": "analysis/verdict analysis/campaign analysis/oracle",
    "chaos/analysis/windows.py": "analysis/windows analysis/paths analysis/oracle",
    "chaos/analysis/wording.py": "analysis/wording",
    "chaos/findings/applications.py": "findings/clients",
    "chaos/findings/pods.py": "findings/clients",
    "chaos/findings/refused_writes.py": "findings/clients findings/masters",
    "chaos/findings/empty_master.py": "findings/masters",
    "chaos/findings/astray.py": "findings/masters",
    "chaos/findings/two_masters.py": "findings/masters",
    "chaos/record/event_files.py": "record/events",
    "chaos/record/live.py": "record/live",
    "chaos/record/reader.py": "record/reader analysis/losses",
    "chaos/record/rows.py": "record/rows record/live",
    "chaos/record/parquet.py": "record/parquet",
    "chaos/cluster/health.py": "cluster/health",
    "chaos/experiment/recovery.py": "experiment/recovery trial/waiting",
    "chaos/experiment/seen.py": "experiment/seen",
    "chaos/client/outcome.py": "client/outcome",
}
"""The tests that concern a file, the nearest first: of `analysis/paths` those of tests/analysis/test_paths.py."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One mistake: in `file` the text `old` becomes `new`. `survives` says why no test can catch it, or none does."""

    name: str
    file: str
    old: str
    new: str
    survives: str = ""

    @property
    def tests(self) -> list[str]:
        """Those of a finding that is not listed above are in the files of all findings."""
        nearest = NEAREST.get(self.file, "findings/sentinels findings/masters findings/clients")
        return ["tests/{}/test_{}.py".format(*name.split("/")) for name in nearest.split()]


def listed() -> list[Mutant]:
    return [Mutant(**each) for each in tomllib.loads(LIST.read_text())["mutant"]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="mutants whose file or name contains this")
    parser.add_argument("--without", action="append", default=[], help="a test file that is not run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    chosen = [one for one in listed() if given.only in one.file or given.only in one.name]
    for name in PRELOADED:
        __import__(name)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees = [_copy(Path(folder) / str(number)) for number in range(given.jobs)]
        caught_by = dict(_each(chosen, trees, given.without))
    survivors = [one for one in chosen if not caught_by[one]]
    say(f"\n{len(chosen) - len(survivors)} of {len(chosen)} mutants are caught: {_share(chosen, survivors)}")
    for one in survivors:
        say(f"  survives: {one.name} ({one.file}): {one.survives or 'no reason is known'}")
    return 0 if not [one for one in survivors if not one.survives] else 1


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _share(chosen: list[Mutant], survivors: list[Mutant]) -> str:
    return f"{1 - len(survivors) / len(chosen):.1%}" if chosen else "none was chosen"


def _copy(tree: Path) -> Path:
    """The files that git knows or would know; tests make directories of their own."""
    asked = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    names = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)
    return tree


def _each(mutants: list[Mutant], trees: list[Path], left_out: list[str]) -> Iterator[tuple[Mutant, str]]:
    """Each mutant with the test that caught it, empty where none did; as many at a time as there are trees."""
    waiting, running = mutants[::-1], dict[int, tuple[Mutant, Path, float]]()
    free = list(trees)
    while waiting or running:
        while waiting and free:
            mutant, tree = waiting.pop(), free.pop()
            running[_start(mutant, tree, left_out)] = mutant, tree, time.monotonic()
        pid, status = os.wait()
        mutant, tree, began = running.pop(pid)
        shutil.copyfile(ROOT / mutant.file, tree / mutant.file)
        caught = _caught_by(tree / "output.txt", status)
        free.append(tree)
        word, seconds = "caught" if caught else "SURVIVES", time.monotonic() - began
        say(f"{word:9}{mutant.file}: {mutant.name}  [{seconds:.0f} s, {caught or 'by nothing'}]")
        yield mutant, caught


def _start(mutant: Mutant, tree: Path, left_out: list[str]) -> int:
    """Make the change, and run its tests in a child; its process id."""
    path = tree / mutant.file
    path.write_text(path.read_text().replace(mutant.old, mutant.new))
    for stale in path.parent.glob(f"__pycache__/{path.stem}.*"):
        stale.unlink()
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    try:
        os._exit(_run(mutant, tree, left_out))
    finally:  # nothing of a child's may reach the parent's own cleaning up
        os._exit(99)


def _run(mutant: Mutant, tree: Path, left_out: list[str]) -> int:
    output = os.open(tree / "output.txt", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(tree)
    os.environ["PYTHONPATH"] = str(tree)
    sys.path.insert(0, str(tree))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    import pytest

    tests = [path for path in mutant.tests if path not in left_out]
    code = pytest.main(["-x", "-q", "--tb=short", "-p", "no:cacheprovider", *tests])
    sys.stdout.flush()
    return int(code)


def _caught_by(output: Path, status: int) -> str:
    """The first test that failed, or that the tests were endless; empty where all of them passed.

    Raises RuntimeError where the tests were not run at all: that catches nothing.
    """
    if status == 0:
        return ""
    said = output.read_text(errors="replace")
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
    if failed is None and not os.WIFSIGNALED(status):
        raise RuntimeError(f"the tests ended with status {os.waitstatus_to_exitcode(status)}:\n{said[-2000:]}")
    return failed[1] if failed else "the tests did not end"


if __name__ == "__main__":
    sys.exit(main())
