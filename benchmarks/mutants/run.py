"""How many realistic mistakes the tests catch: `nox -s mutants`, or `-- --only windows` for some of them.

Each entry of list.toml is a mistake. The tests are loaded once. For each mistake a fork of that puts the changed file's
functions and constants in place of the right ones, and runs the tests that concern the file until one fails. A mutant
that no test catches survives; the entry says why where that is known. No file is changed.
"""

import argparse
import functools
import importlib
import os
import resource
import sys
import tomllib
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("list.toml")
CPU_S = 120
"""What one run may use of a core. A mutant that makes the tests run for ever is caught."""
NEAREST = {
    "chaos/analysis/allowed.py": "analysis/allowed analysis/several_doubts",
    "chaos/analysis/applications.py": "analysis/applications findings/clients analysis/several_doubts",
    "chaos/analysis/analyse.py": "analysis/campaign",
    "chaos/analysis/cause.py": "analysis/cause analysis/campaign analysis/several_trials",
    "chaos/analysis/clocks.py": "analysis/clocks analysis/logs analysis/several analysis/oracle",
    "chaos/analysis/doubts.py": "analysis/doubts analysis/several_doubts",
    "chaos/analysis/headline.py": "analysis/campaign analysis/several_trials",
    "chaos/analysis/history.py": "analysis/paths analysis/milestones analysis/several analysis/oracle",
    "chaos/analysis/interval.py": "analysis/interval analysis/verdict analysis/several analysis/oracle",
    "chaos/analysis/lateness.py": "analysis/lateness analysis/verdict analysis/several analysis/oracle",
    "chaos/analysis/logs.py": "analysis/logs analysis/milestones analysis/clocks",
    "chaos/analysis/losses.py": "analysis/losses analysis/several analysis/oracle",
    "chaos/analysis/measured.py": "analysis/verdict analysis/milestones analysis/several_failovers analysis/several",
    "chaos/analysis/milestones.py": "analysis/milestones analysis/phases analysis/several_failovers",
    "chaos/analysis/operations.py": "analysis/losses analysis/paths analysis/doubts analysis/several analysis/oracle",
    "chaos/analysis/paths.py": "analysis/paths analysis/applications analysis/verdict analysis/several analysis/oracle",
    "chaos/analysis/phases.py": "analysis/phases analysis/milestones analysis/several_failovers analysis/oracle",
    "chaos/analysis/result.py": "analysis/applications analysis/cause analysis/campaign analysis/several_trials",
    "chaos/analysis/sentinels.py": "analysis/sentinels analysis/milestones analysis/several_failovers",
    "chaos/analysis/statistics.py": "analysis/statistics analysis/campaign analysis/several_trials",
    "chaos/analysis/summary.py": "analysis/summary analysis/several",
    "chaos/analysis/targets.py": "analysis/verdict analysis/lateness analysis/several_failovers analysis/oracle",
    "chaos/analysis/trial.py": "analysis/milestones analysis/verdict analysis/several_failovers analysis/several",
    "chaos/analysis/verdict.py": "analysis/verdict analysis/campaign analysis/several analysis/oracle",
    "chaos/analysis/windows.py": "analysis/windows analysis/paths analysis/several analysis/oracle",
    "chaos/analysis/wording.py": "analysis/wording",
    "chaos/fault/inject.py": "fault/inject fault/catalogue",
    "chaos/findings/applications.py": "findings/clients findings/several",
    "chaos/findings/pods.py": "findings/clients findings/several",
    "chaos/findings/refused_writes.py": "findings/clients findings/masters findings/several",
    "chaos/findings/masters.py": "findings/masters findings/several",
    "chaos/findings/replicas.py": "findings/masters findings/sentinels findings/several",
    "chaos/record/event_files.py": "record/events",
    "chaos/record/live.py": "record/live",
    "chaos/record/reader.py": "record/reader analysis/losses",
    "chaos/record/ops_files.py": "record/ops_files record/live",
    "chaos/record/parquet.py": "record/parquet",
    "chaos/cluster/health.py": "cluster/health",
    "chaos/experiment/recovery.py": "experiment/recovery trial/waiting",
    "chaos/experiment/observed.py": "experiment/seen",
    "chaos/client/outcome.py": "client/outcome",
    "chaos/campaign.py": "variants campaign",
    "chaos/operators/spotahome/room.py": "analysis/covariates",
    "chaos/trial/pool.py": "trial/pool",
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
    def applies(self) -> bool:
        path = ROOT / self.file
        return path.is_file() and path.read_text().count(self.old) == 1

    @property
    def tests(self) -> list[str]:
        """Those of a finding that is not listed above are in the files of all findings."""
        findings = "findings/sentinels findings/masters findings/clients findings/several"
        nearest = NEAREST.get(self.file, findings) if "/findings/" in self.file else NEAREST[self.file]
        return [
            f"tests/{folder}{slash}test_{name}.py"
            for folder, slash, name in (n.rpartition("/") for n in nearest.split())
        ]


NOTHING = Mutant(name="nothing is changed", file="chaos/analysis/interval.py", old="", new="")
"""With it every test has to pass; else a test that fails anyway would catch every mutant."""


def listed() -> list[Mutant]:
    return [Mutant(**each) for each in tomllib.loads(LIST.read_text())["mutant"]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="mutants whose file or name contains this")
    parser.add_argument("--without", action="append", default=[], help="a test file that is not run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    chosen = [one for one in listed() if given.only in one.file or given.only in one.name]
    stale = [one for one in chosen if not one.applies]
    if stale or not chosen:
        say("\n".join(f"not once in {one.file}: {one.old}" for one in stale) or "no mutant is called so")
        return 2
    tests = [path for path in dict.fromkeys(path for one in chosen for path in one.tests) if path not in given.without]
    runs = Runs(chosen, given.jobs)
    pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests], plugins=[runs])
    done = [one for one in chosen if one in runs.caught_by]
    survivors = [one for one in done if not runs.caught_by[one]]
    say(
        f"\n{len(done) - len(survivors)} of {len(done)} mutants are caught: {1 - len(survivors) / (len(done) or 1):.1%}"
    )
    if len(done) < len(chosen):
        say(f"  {len(chosen) - len(done)} were not tried: the tests could not be run")
    for one in survivors:
        say(f"  survives: {one.name} ({one.file}): {one.survives or 'no reason is known'}")
    return 1 if len(done) < len(chosen) or any(not one.survives for one in survivors) else 0


def say(text: str) -> None:
    sys.__stdout__.write(f"{text}\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


class Runs:
    """A plugin of pytest, which runs the tests that were collected once for each mutant, in a fork."""

    def __init__(self, mutants: list[Mutant], jobs: int) -> None:
        self.mutants = mutants
        self.jobs = jobs
        self.caught_by: dict[Mutant, str] = {}
        """The first test that failed, or what else happened; empty where all of them passed."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        capture: Any = session.config.pluginmanager.getplugin("capturemanager")
        capture.suspend_global_capture(in_=True)
        by_file: dict[str, list[pytest.Item]] = {}
        for item in session.items:
            by_file.setdefault(str(item.path.relative_to(ROOT)), []).append(item)
        running: dict[int, tuple[Mutant, int]] = {}
        for mutant in [NOTHING, *self.mutants]:
            items = [item for path in mutant.tests for item in by_file.get(path, [])]
            items = session.items if mutant is NOTHING else items
            told, tell = os.pipe()
            pid = os.fork()
            if not pid:
                capture.resume_global_capture()
                _end(session, mutant, items, tell)
            os.close(tell)
            running[pid] = mutant, told
            while len(running) >= self.jobs:
                self._ended(running)
        while running:
            self._ended(running)
        return True

    def _ended(self, running: dict[int, tuple[Mutant, int]]) -> None:
        pid, status = os.wait()
        mutant, told = running.pop(pid)
        with os.fdopen(told) as file:
            text = file.read()
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) > 1:
            raise RuntimeError(f"{mutant.name}: {text}")
        if mutant is NOTHING:
            assert not text, f"without any mistake fails {text}"
            return
        self.caught_by[mutant] = text or ("" if status == 0 else "the tests did not end")
        word = "caught" if self.caught_by[mutant] else "SURVIVES"
        say(f"{word:9}{mutant.file}: {mutant.name}  [{self.caught_by[mutant] or 'by nothing'}]")


def _end(session: pytest.Session, mutant: Mutant, items: list[pytest.Item], tell: int) -> None:
    """In the fork: make the mistake, run the tests until one fails, tell which, and end. It never returns."""
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
        session.config.pluginmanager.unregister(name="terminalreporter")
        if mutant is not NOTHING:
            make(mutant)
        for item, following in zip(items, [*items[1:], None], strict=True):
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                os.write(tell, item.nodeid.encode())
                os._exit(1)
        os._exit(0 if items else 2)
    except BaseException as error:  # noqa: BLE001  # it is told to the parent, whose cleaning up is not ours to do
        os.write(tell, repr(error).encode())
    finally:
        os._exit(2)


def make(mutant: Mutant) -> None:
    """Put the changed file's functions and constants in the place of the loaded ones, wherever they are known."""
    module = importlib.import_module(mutant.file.removesuffix(".py").replace("/", "."))
    text = (ROOT / mutant.file).read_text().replace(mutant.old, mutant.new)
    fresh = types.ModuleType(module.__name__)
    fresh.__dict__.update({name: getattr(module, name) for name in ("__file__", "__package__", "__spec__")})
    exec(compile(text, mutant.file, "exec"), fresh.__dict__)
    for name, value in vars(fresh).items():
        known = vars(module).get(name)
        if isinstance(value, type) and value.__module__ == module.__name__:
            for each, mine in vars(value).items():
                _replace(vars(known).get(each), mine)
        elif list(_functions(value)) and getattr(value, "__module__", "") == module.__name__:
            _replace(known, value)
        elif not name.startswith("__") and not isinstance(value, types.ModuleType | types.FunctionType | type):
            _rebind(name, known, value)


def _functions(value: object) -> Iterator[types.FunctionType]:
    """The functions that a function, a method, a property or a cache is made of."""
    if isinstance(value, types.FunctionType):
        yield value
    elif isinstance(value, classmethod | staticmethod):
        yield from _functions(value.__func__)
    elif isinstance(value, property):
        yield from _functions(value.fget)
    elif isinstance(value, functools.cached_property):
        yield from _functions(value.func)
    elif hasattr(value, "__wrapped__"):
        yield from _functions(value.__wrapped__)


def _replace(known: object, value: object) -> None:
    for old, new in zip(_functions(known), _functions(value), strict=False):
        if len(old.__code__.co_freevars) == len(new.__code__.co_freevars):
            old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__


def _rebind(name: str, known: object, value: object) -> None:
    """A constant, in its own module and in those that imported it."""
    for module in list(sys.modules.values()):
        if module.__name__.startswith(("chaos", "tests")) and vars(module).get(name, value) is known:
            setattr(module, name, value)


if __name__ == "__main__":
    sys.exit(main())
