"""Going on with a campaign that ended before all of its trials were played, whatever ended it.

Everything is as it was asked for: `campaign.json` has it, with the seed from which the order and every wait follow. A
trial that was played to its end is kept. One that was cut off is set aside and played again, under the same number.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import count
from pathlib import Path
from typing import Any

from chaos import __version__
from chaos.errors import RecordingError, ScenarioError
from chaos.options import RUN, Options, options
from chaos.record.layout import CAMPAIGN
from chaos.scenario import Scenario
from chaos.trial.pool import LOG, UNDO_S
from chaos.undo import is_free
from chaos.until import until


def asked(given: Options) -> Options:
    """Return the options that the campaign of `--resume` was begun with. Raises ScenarioError if others are given."""
    assert given.resume is not None
    flags = {name: f"--{one.flag}" for name, one in options(RUN).items() if name not in ("resume", "dry_run")}
    more = [flag for name, flag in flags.items() if getattr(given, name) != getattr(Options(), name)]
    if more:
        raise ScenarioError(
            f"--resume takes every option from the campaign that it goes on with: leave out {', '.join(more)}"
        )
    from chaos.record.reader import campaign_manifest  # with numpy, which no other run loads before its trials

    manifest = campaign_manifest(given.resume)
    lacking = [name for name in ("version", "seed", "cluster", "options") if name not in manifest]
    if lacking:
        raise RecordingError(f"{given.resume / CAMPAIGN}: {lacking[0]} was expected, and is missing: play it again")
    if manifest["version"] != __version__:
        raise ScenarioError(f"{given.resume} was begun by version {manifest['version']}, and this is {__version__}")
    return replace(options_of(manifest), seed=manifest["seed"], resume=given.resume)


def options_of(manifest: dict[str, Any]) -> Options:
    """Read from campaign.json which options a campaign was begun with, and the place where it was played."""
    before: dict[str, Any] = manifest["options"]
    known = {one.name for one in fields(Options)}
    return replace(
        Options(**{name: value for name, value in before.items() if name in known}),
        on=manifest["cluster"],
        out=Path(before.get("out", "reports")),
        experiments=None if before.get("experiments") is None else tuple(before["experiments"]),
    )


async def played(directory: Path, scenarios: Mapping[str, Scenario]) -> tuple[dict[int, Path], list[str]]:
    """The trials that were played to their end, by number; and a sentence for each that was cut off and is set aside.

    `scenarios` are those of the campaign's variants. A worker undoes its fault when its campaign is gone: its trial is
    set aside when that is over. Raises SetupError where it is not over in time, ScenarioError where the scenario is not
    what it was.
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
            if about.get("scenario") != scenario.model_dump(mode="json"):
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
    """Wait until the worker of a trial, and all that it started, have ended. They hold a lock on its log."""

    async def free() -> bool:
        log = trial / LOG
        return not log.exists() or is_free(log)

    await until(free, within_s=UNDO_S, because=f"a worker whose campaign is gone still undoes {trial}", every_s=0.2)
