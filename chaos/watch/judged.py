"""What an entry was, in a few words, from the analysis of what was recorded. It is done in a process of its own."""

import asyncio
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any


def judged(directory: Path) -> dict[str, Any]:
    """`anything`: whether there was an outage or a failover. `failovers` counts those that were completed."""
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


async def judged_apart(directory: Path) -> dict[str, Any]:
    """What the analysis says of an entry, from a process that ends then: what it loads must not stay for days."""
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return await loop.run_in_executor(process, judged, directory)
