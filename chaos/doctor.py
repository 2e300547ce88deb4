"""`failover doctor`: whether a run could start here, and how to fix it if not.

chaos.cluster.here has the checks of each place, which a run makes too.
"""

import asyncio
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

from chaos import __version__
from chaos.cluster.here import CHECKS, LACKING, Check
from chaos.errors import HarnessError, SetupError
from chaos.scenario import load
from chaos.scenario.lookup import experiments, scenarios


@dataclass(frozen=True, slots=True)
class CheckLine:
    """The answer of one check. If the check failed, `text` says how to fix it. A note needs no fix."""

    ok: bool
    text: str
    note: bool = False

    def line(self) -> str:
        begins = "note" if self.note and self.ok else "ok" if self.ok else "no"
        return f"{begins:<5} {self.text}".replace("\n", "\n      ")


async def python() -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("chaostoolkit-lib", "kubernetes", "redis"))
    return f"python {platform.python_version()} ({sys.executable}) · failover {__version__} · {libraries}"


async def shipped_files() -> str:
    for name in scenarios():
        load(name)
    if not experiments():
        raise SetupError("no experiments are found: install failover-harness again, or stand in a checkout of it")
    return f"scenarios {', '.join(scenarios())} · {len(experiments())} experiments, which `failover run --list` lists"


ALWAYS = (python, shipped_files)
"""The checks for every place."""


def examine(checks: Iterable[Check], *, note: bool = False) -> list[CheckLine]:
    """Make every check in order, and return the answer of each. A failed check does not prevent the next."""
    made = []
    for check in checks:
        try:
            made.append(CheckLine(True, asyncio.run(check()), note))
        except HarnessError as error:
            made.append(CheckLine(False, str(error)))
    return made


def diagnose(
    places: Mapping[str, Iterable[Check]] = CHECKS,
    everywhere: Iterable[Check] = ALWAYS,
    lacking: Mapping[str, Check] = LACKING,
) -> list[CheckLine]:
    """Make all checks. The last line says whether anything can run here, and where."""
    always, each = examine(everywhere), {place: examine(checks) for place, checks in places.items()}
    there = [place for place, lines in each.items() if all(line.ok for line in lines)]
    notes = examine([lacking[place] for place in there if place in lacking], note=True)
    found = [*always, *(line for lines in each.values() for line in lines), *notes]
    if not there or not all(line.ok for line in always):
        return [*found, CheckLine(False, "nothing can run here: mend a line that says no")]
    missing = "".join(f", not on {place}" for place in each if place not in there)
    return [*found, CheckLine(True, f"runs on {' and on '.join(there)}{missing}")]
