"""A campaign, from its directory to its result: every trial, then what they say together.

Trials of different kinds of cluster are no campaign: a modelled system's figures must not be pooled with a real one's.
"""

from pathlib import Path
from typing import Any

from chaos.analysis.each import each
from chaos.analysis.headline import headline
from chaos.analysis.result import VERSION, CampaignResult, TrialResult
from chaos.analysis.statistics import groups
from chaos.analysis.trial import analyse_trial
from chaos.analysis.verdict import of_campaign
from chaos.analysis.wording import modelled
from chaos.errors import RecordingError
from chaos.record.reader import campaign_manifest, cluster_kind, trials


def analyse(directory: Path) -> CampaignResult:
    """What a campaign's directory says. Raises RecordingError where it holds none, or a file that is not as it says."""
    manifest, cluster = opened(directory)
    return gather(manifest, cluster, each(analyse_trial, trials(directory)))


def opened(directory: Path) -> tuple[dict[str, Any], str]:
    """Its manifest, and the kind of cluster that all its trials were on."""
    manifest = campaign_manifest(directory)
    kinds = {kind: trial.name for trial in reversed(trials(directory)) if (kind := cluster_kind(trial))}
    if len(kinds) > 1:
        told = ", ".join(f"{name} is of {kind}" for kind, name in sorted(kinds.items()))
        raise RecordingError(f"{directory} holds trials of different kinds of cluster ({told}): analyse them apart")
    return manifest, next(iter(kinds), str(manifest.get("cluster", "")))


def gather(manifest: dict[str, Any], cluster: str, found: list[TrialResult]) -> CampaignResult:
    verdict, rule = of_campaign(found)
    lines = headline(found, verdict, rule)
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
