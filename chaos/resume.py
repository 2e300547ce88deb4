"""Resume a campaign that ended, for whatever reason, before all of its trials were played.

All options come from `campaign.json`, with the seed that determines the order and every random wait. Completed trials
are kept. A trial that was cut off is set aside, and played again under the same number.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import count
from pathlib import Path
from typing import Any

from chaos import __version__
from chaos.errors import RecordingError, ScenarioError
from chaos.linux import machine
from chaos.options import RUN, Options, options
from chaos.record.layout import CAMPAIGN
from chaos.scenario import Scenario
from chaos.trial.pool import LOG, UNDO_S
from chaos.undo import is_free
from chaos.until import until


def asked(given: Options) -> Options:
    """Return the options of the campaign in `--resume`. Raises ScenarioError if other options are given too."""
    assert given.resume is not None
    flags = {name: f"--{one.flag}" for name, one in options(RUN).items() if name not in ("resume", "dry_run")}
    more = [flag for name, flag in flags.items() if getattr(given, name) != getattr(Options(), name)]
    if more:
        raise ScenarioError(
            f"--resume takes every option from the campaign that it goes on with: leave out {', '.join(more)}"
        )
    from chaos.record.reader import campaign_manifest  # loads numpy, which a new campaign does not need yet

    manifest = campaign_manifest(given.resume)
    lacking = [name for name in ("version", "seed", "cluster", "options") if name not in manifest]
    if lacking:
        raise RecordingError(f"{given.resume / CAMPAIGN}: {lacking[0]} was expected, and is missing: play it again")
    if manifest["version"] != __version__:
        raise ScenarioError(f"{given.resume} was begun by version {manifest['version']}, and this is {__version__}")
    if manifest.get("machine", machine()) != machine():
        raise ScenarioError(
            f"{given.resume} was begun on another machine ({manifest['machine']}), and this is {machine()}: times of "
            f"unlike machines are no samples of one system"
        )
    return replace(options_of(manifest), seed=manifest["seed"], resume=given.resume)


def options_of(manifest: dict[str, Any]) -> Options:
    """Return the options of a campaign from its campaign.json, with the place where it was played."""
    before: dict[str, Any] = manifest["options"]
    known = {one.name for one in fields(Options)}
    return replace(
        Options(**{name: value for name, value in before.items() if name in known}),
        on=manifest["cluster"],
        out=Path(before.get("out", "reports")),
        experiments=None if before.get("experiments") is None else tuple(before["experiments"]),
    )


async def played(directory: Path, scenarios: Mapping[str, Scenario], at_once: int) -> tuple[dict[int, Path], list[str]]:
    """Return the completed trials by number, and a sentence on each trial that was cut off and is set aside.

    `scenarios` maps variants to their scenarios. A trial may have been played on any of the `at_once` systems beside
    each other. The worker of a trial may still be undoing its fault; the trial is set
    aside after that. Raises SetupError if this takes too long, and ScenarioError if the scenario has changed.
    """
    from chaos.record.reader import closed, manifest, trials

    done: dict[int, Path] = {}
    told: list[str] = []
    for trial in trials(directory):
        if (closed(trial) or {}).get("ended") == "complete":
            about = manifest(trial)
            scenario = scenarios.get(about.get("variant", ""))
            if scenario is None:
                raise ScenarioError(f"{trial} was played with a variant that the campaign has not, {about['variant']}")
            systems = [scenario.beside(nth).model_dump(mode="json") for nth in range(at_once)]
            if about.get("scenario") not in systems:
                raise ScenarioError(f"the scenario {scenario.name} is not what it was when {trial} was played")
            done[int(trial.name.rpartition("-")[2])] = trial
            continue
        await _left_alone(trial)
        name = f"cut-off-{trial.name.rpartition('-')[2]}"
        names = (trial.with_name(f"{name}-{again}" if again > 1 else name) for again in count(1))
        aside = next(path for path in names if not path.exists())
        trial.rename(aside)
        told.append(f"{trial.name} was cut off and is played again; what it recorded is in {aside.name}")
    return done, told


async def _left_alone(trial: Path) -> None:
    """Wait until the worker of a trial and all its processes have ended. They hold a lock on its log."""

    async def free() -> bool:
        log = trial / LOG
        return not log.exists() or is_free(log)

    await until(free, within_s=UNDO_S, because=f"a worker whose campaign is gone still undoes {trial}", every_s=0.2)
