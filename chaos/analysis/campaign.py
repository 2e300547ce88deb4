"""A campaign, from its directory to its result: every trial, then what they say together."""

from pathlib import Path
from typing import Any

from chaos.analysis import verdict
from chaos.analysis.headline import headline
from chaos.analysis.result import VERSION, CampaignResult, TrialResult
from chaos.analysis.statistics import groups
from chaos.analysis.trial import analyse_trial
from chaos.record.reader import campaign_manifest, trials


def analyse(directory: Path) -> CampaignResult:
    """What a campaign's directory says. Raises RecordingError where it holds none, or a file that is not as it says."""
    return gather(campaign_manifest(directory), [analyse_trial(trial) for trial in trials(directory)])


def gather(manifest: dict[str, Any], found: list[TrialResult]) -> CampaignResult:
    conclusion, rule = verdict.campaign(found)
    return CampaignResult(
        version=VERSION,
        name=str(manifest.get("name", "")),
        scenario=str(manifest.get("scenario", "")),
        cluster=str(manifest.get("cluster", "")),
        verdict=conclusion,
        rule=rule,
        headline=headline(found, conclusion, rule),
        groups=groups(found),
        trials=tuple(found),
        manifest=manifest,
    )
