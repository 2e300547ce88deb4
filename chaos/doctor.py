"""What `failover doctor` looks at: whether a run could start here, and what to type where it could not.

Each check is bounded and changes nothing. It is no part of a run, which says by itself what it misses.
"""

import asyncio
import platform
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from chaos import __version__
from chaos.cluster.kube.kind import NEEDS_GIB, require_engine, run
from chaos.cluster.local import servers
from chaos.cluster.local.level import usable_level
from chaos.errors import HarnessError, SetupError
from chaos.scenario import load
from chaos.scenario.lookup import experiments, scenarios
from chaos.scenario.model import LocalServer

ASK_S = 20.0
MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer; `text` of a check that failed says what fixes it."""

    ok: bool
    text: str

    def line(self) -> str:
        return f"{'ok' if self.ok else 'no':<5} {self.text}".replace("\n", "\n      ")


def examine(checks: Iterable[Callable[[], str]]) -> list[Finding]:
    """Every check's finding, in order; one that fails does not keep the next from being made."""
    return [_finding(check) for check in checks]


def diagnose() -> list[Finding]:
    """All there is to say; the last finding is whether anything can run here, and where."""
    always, each = examine(ALWAYS), {place: examine(checks) for place, checks in PLACES.items()}
    found = [*always, *(finding for findings in each.values() for finding in findings)]
    there = [place for place, findings in each.items() if _all(findings)]
    if not there or not _all(always):
        return [*found, Finding(False, "nothing can run here: mend a line that says no")]
    missing = "".join(f", not on {place}" for place in each if place not in there)
    return [*found, Finding(True, f"runs on {' and on '.join(there)}{missing}")]


def _all(findings: Iterable[Finding]) -> bool:
    return all(finding.ok for finding in findings)


def _finding(check: Callable[[], str]) -> Finding:
    try:
        return Finding(True, check())
    except HarnessError as error:
        return Finding(False, str(error))


def python() -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("chaostoolkit-lib", "kubernetes", "redis"))
    return f"python {platform.python_version()} ({sys.executable}) · failover {__version__} · {libraries}"


def engine() -> str:
    try:
        asyncio.run(require_engine())
    except SetupError as error:
        raise SetupError(f"{error} (or use --on local)") from error
    docker = asyncio.run(run("docker", "version", "--format", "{{.Server.Version}}", within_s=ASK_S)).strip()
    kind = asyncio.run(run("kind", "version", "--quiet", within_s=ASK_S)).strip()
    return f"container engine: Docker {docker} · kind {kind} ({shutil.which('kind')})"


def memory() -> str:
    free_gib = available_gib(MEMINFO.read_text())
    if free_gib < NEEDS_GIB:
        raise SetupError(f"memory {free_gib:.1f} GiB free: kind needs {NEEDS_GIB}; end something, or use more")
    return f"memory {free_gib:.0f} GiB free (kind needs {NEEDS_GIB})"


def available_gib(meminfo: str) -> float:
    """What the kernel says can be had without swapping."""
    fields = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
    return int(fields["MemAvailable"].split()[0]) / 2**20


def shipped_files() -> str:
    for name in scenarios():
        load(name)
    if not experiments():
        raise SetupError("no experiments are found: install failover-harness again, or stand in a checkout of it")
    return f"scenarios {', '.join(scenarios())} · experiments {', '.join(experiments())}"


def level() -> str:
    return f"local: {usable_level()}"


def server() -> str:
    return f"local: {servers.find(LocalServer())}"


ALWAYS: tuple[Callable[[], str], ...] = (python, shipped_files)
PLACES: dict[str, tuple[Callable[[], str], ...]] = {"kind": (engine, memory), "local": (level, server)}
"""What has to be there for a run, by its place: one of these is enough."""
