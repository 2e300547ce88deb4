"""Analyses a campaign's directory: first every trial by itself, and then all trials together.

All trials must be of one kind of cluster, because the figures of a modelled system must not be pooled with real ones.
"""

import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from chaos.analysis.headline import headline
from chaos.analysis.history import History
from chaos.analysis.result import VERSION, CampaignResult, TrialResult, Verdict
from chaos.analysis.statistics import groups
from chaos.analysis.trial import analyse_trial, measured_in, result
from chaos.analysis.verdict import not_there, of_campaign
from chaos.analysis.wording import modelled, numbers, plural
from chaos.errors import RecordingError
from chaos.options import CLAIM
from chaos.record.layout import CAMPAIGN
from chaos.record.reader import campaign_manifest, trials
from chaos.record.reader import manifest as trial_manifest

FEW = 12
"""A process is started for at least this many recordings, because starting it takes a second."""
T = TypeVar("T")
R = TypeVar("R")


def analyse(directory: Path) -> CampaignResult:
    """Return the result of a campaign's directory.

    Raises RecordingError if the directory holds no campaign, or a file that cannot be read.
    """
    manifest, cluster = opened(directory)
    return gather(manifest, cluster, each(analyse_trial, trials(directory)), set_aside(directory))


def analyse_beside(directory: Path, also: Callable[[History, TrialResult], R]) -> tuple[CampaignResult, list[R]]:
    """Return the result of a campaign, and what `also` returns for each trial. Every recording is read once.

    `also` must be defined at the top of a module, as in `each`.
    """
    manifest, cluster = opened(directory)
    found = each(partial(_analysed, also), trials(directory))
    result = gather(manifest, cluster, [trial for trial, _ in found], set_aside(directory))
    return result, [other for _, other in found]


def _analysed(also: Callable[[History, TrialResult], R], directory: Path) -> tuple[TrialResult, R]:
    history = History.load(directory)
    trial = result(measured_in(history))
    return trial, also(history, trial)


def opened(directory: Path) -> tuple[dict[str, Any], str]:
    """Return the manifest of a campaign, and the kind of cluster that all its trials were on.

    Raises RecordingError if the trials were on several kinds of cluster, if two directories hold the same trial, or if
    the claim is not valid.
    """
    manifest = campaign_manifest(directory)
    claim = manifest.get("claim", "")
    if claim and not re.fullmatch(CLAIM, claim):
        place = directory / CAMPAIGN
        raise RecordingError(f"{place}: claim: one such as 15s@95/95 was expected, and this is {claim!r}")
    numbered: dict[object, str] = {}
    kinds: dict[str, str] = {}
    for trial in trials(directory):
        about = trial_manifest(trial)
        number, kind = about.get("trial"), str(about.get("cluster", {}).get("kind", ""))
        if number is not None and numbered.setdefault(number, trial.name) != trial.name:
            raise RecordingError(
                f"{trial} and {numbered[number]} are both trial {number}: take out the one that is a copy"
            )
        if kind:
            kinds.setdefault(kind, trial.name)
    if len(kinds) > 1:
        told = ", ".join(f"{name} is of {kind}" for kind, name in sorted(kinds.items()))
        raise RecordingError(f"{directory} holds trials of different kinds of cluster ({told}): analyse them apart")
    return manifest, next(iter(kinds), str(manifest.get("cluster", "")))


def set_aside(directory: Path) -> str:
    """Return a sentence on the trials that `--resume` set aside and played again, or an empty string."""
    found = [re.fullmatch(r"cut-off-(\d+)(-\d+)?", one.name) for one in directory.glob("cut-off-*/")]
    again = [int(one[1]) for one in found if one]
    if not again:
        return ""
    which = f"trial{'' if len({*again}) == 1 else 's'} {numbers({*again})}"
    return f"{plural(len(again), 'recording')} of {which} did not end as planned, and the trial was played again."


def gather(manifest: dict[str, Any], cluster: str, found: list[TrialResult], aside: str = "") -> CampaignResult:
    """Return the result of a campaign, made of the results of its trials. `aside` is said after the verdict."""
    verdict, rule = of_campaign(found, manifest)
    missing = not_there(found, manifest)
    if manifest.get("claim"):  # what the single trials show comes after the verdict on the claim
        lines = headline(found, *of_campaign(found))
        lines["verdict"] = f"{rule[:1].upper()}{rule[1:]}. {lines['verdict']}"
    else:
        lines = headline(found, verdict, rule)
    if missing and missing not in lines["verdict"]:
        lines["verdict"] += f" {missing[:1].upper()}{missing[1:]}."
    lines["verdict"] = " ".join(filter(None, (lines["verdict"], aside)))
    return CampaignResult(
        version=VERSION,
        name=str(manifest.get("name", "")),
        scenario=str(manifest.get("scenario", "")),
        cluster=cluster,
        verdict=verdict,
        rule=rule,
        headline=lines | {"verdict": modelled(cluster, lines["verdict"])},
        groups=groups(found),
        trials=tuple(found),
        manifest=manifest,
        cluster_why=str(manifest.get("cluster_why", "")),
    )


def each(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return the results of `function` for all items, in order. Many items are spread over several processes.

    `function` must be defined at the top of a module, so that another process can import it. An exception that it
    raises is raised here, and RecordingError if a process was killed. The processes are started anew, never forked, and
    end with this process, so that a Ctrl-C or a kill leaves none behind.
    """
    processes = min(len(os.sched_getaffinity(0)), len(items) // FEW)
    if processes < 2:
        return [function(item) for item in items]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn, initializer=_begin) as pool:
        try:
            return list(pool.map(function, items, chunksize=4))
        except BrokenProcessPool as error:
            raise RecordingError("a process that read recordings was killed: is there memory for it?") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def beside() -> ProcessPoolExecutor:
    """Return a pool of one process that reads recordings while trials are played. Its priority is the lowest."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_beside)


def verdict_of(directory: Path) -> tuple[str, Verdict]:
    """Return a trial's experiment and its verdict. A campaign counts verdicts while it is played."""
    trial = analyse_trial(directory)
    return trial.experiment, trial.verdict


def _begin_beside() -> None:
    os.nice(19)
    _begin()


def _begin() -> None:
    """Let this process ignore Ctrl-C, and end as soon as its parent process has ended or was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
