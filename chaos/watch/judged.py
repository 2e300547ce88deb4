"""Analyses one entry of a watch in a process of its own, and says in a few words what it was."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import Any

from chaos.errors import HarnessError

JUDGED_S = 300.0
"""How many seconds the analysis of an entry may take. It takes some seconds, and a minute on a crowded machine."""


def judged(directory: Path) -> dict[str, Any]:
    """Return what an entry was.

    `anything` is true if there was an outage or a failover. `failovers` counts those that were not aborted.
    """
    from chaos.analysis import wording
    from chaos.analysis.result import State
    from chaos.analysis.trial import analyse_trial

    trial = analyse_trial(directory)
    out = {path.name: path for path in trial.paths.values() if path.windows}
    seen = any(it.state is State.SEEN for name, it in trial.milestones.items() if name in ("sdown", "try_failover"))
    lines = [f"{name} was out for {wording.span(path.outage_s)}" for name, path in out.items() if path.outage_s]
    lines += [trial.cause] if trial.cause else []
    return {
        "anything": bool(out) or bool(trial.failovers) or seen,
        "failovers": sum(not one.aborted for one in trial.failovers),
        "because": "; ".join(doubt.text for doubt in trial.doubts),
        "lines": [wording.breakable(line) for line in lines],
    }


async def judged_apart(directory: Path, within_s: float = JUDGED_S) -> dict[str, Any]:
    """Return what an entry was, from a process that ends then, so that what it loads does not stay for days.

    Raises TimeoutError if that takes longer than `within_s`, as on a machine that has no core for it, and HarnessError
    if the analysis fails.
    """
    command = (sys.executable, "-m", "chaos.watch.judged", str(directory))
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    try:
        async with asyncio.timeout(within_s):
            told, complained = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise HarnessError(f"{directory.name} cannot be analysed: {complained.decode(errors='replace').strip()[-500:]}")
    found: dict[str, Any] = json.loads(told)
    return found


if __name__ == "__main__":
    print(json.dumps(judged(Path(sys.argv[1]))))  # noqa: T201
