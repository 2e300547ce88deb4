"""Writes all files that are derived from a campaign. The same recording always gives the same bytes."""

from collections.abc import Sequence
from pathlib import Path

from chaos.analysis.analyse import analyse_beside
from chaos.analysis.history import History
from chaos.analysis.result import CampaignResult
from chaos.analysis.summary import to_json
from chaos.record.layout import kept
from chaos.record.reader import campaign_manifest
from chaos.report import figures
from chaos.report.bars import limits_s, strips
from chaos.report.details import flat
from chaos.report.evidence import (
    HEAD,
    TRACES,
    Evidence,
    Taken,
    command,
    grouped,
    lane_rows,
    raw_lines,
    settings_rows,
    taken,
)
from chaos.report.junit import junit
from chaos.report.many import spreads, worst_first
from chaos.report.markdown import markdown
from chaos.report.page import html
from chaos.report.timeline import timeline


def report(campaign_dir: Path) -> tuple[CampaignResult, Path]:
    """Analyse a campaign and write its report. Return the result and the HTML report's path.

    Raises RecordingError if a recording cannot be read.
    """
    result, found = analyse_beside(campaign_dir, taken)
    return result, write(campaign_dir, result, found)


def write(campaign_dir: Path, result: CampaignResult, found: Sequence[Taken]) -> Path:
    """Write every derived file of the campaign and return the HTML report's path.

    `found` is in the order of the trials. summary.json is written first, so that a machine can read it even if a
    recording cannot be drawn. Raises RecordingError.
    """
    page = campaign_dir / "report.html"
    with kept(campaign_dir):
        (campaign_dir / "summary.json").write_text(to_json(result), encoding="utf-8")
        (campaign_dir / "summary.md").write_text(markdown(result), encoding="utf-8")
        (campaign_dir / "junit.xml").write_bytes(junit(result))
        (campaign_dir / TRACES).mkdir(exist_ok=True)
        for trial, one in zip(result.trials, found, strict=True):
            (campaign_dir / TRACES / f"{trial.directory}.json").write_bytes(one.trace)
        evidence, png = gather(campaign_dir, result, found)
        with (campaign_dir / "failed-operations.csv").open("wb") as file:
            file.writelines([HEAD, *(one.csv for one in found)])
        picture = campaign_dir / "timeline.png"
        picture.write_bytes(png) if png else picture.unlink(missing_ok=True)
        page.write_text(html(result, evidence), encoding="utf-8")
    return page


def gather(campaign_dir: Path, result: CampaignResult, found: Sequence[Taken]) -> tuple[Evidence, bytes]:
    """Return what the page shows of the recordings, and timeline.png, which is empty without a time axis.

    The worst trial is read again, to be drawn.
    """
    worst = next(iter(worst_first(result)), None)
    history = History.load(campaign_dir / worst.directory) if worst else None
    picture = timeline(history, worst) if history and worst else None
    vector, png = figures.of_timeline(picture) if picture else ("", b"")
    evidence = Evidence(
        timeline=vector,
        spread=figures.of_spreads(spreads(result), limits_s(result.trials)),
        strips=figures.of_strips(strips(result), limits_s(result.trials)),
        lanes=lane_rows(picture) if picture else (),
        raw=raw_lines(history, worst) if history and worst else (),
        failed=grouped([one.groups for one in found]),
        failed_total=sum(one.failed for one in found),
        settings=settings_rows(found),
        versions=list(dict.fromkeys(row for one in result.trials for row in flat(one.covariates.get("versions", {})))),
        command=command(campaign_manifest(campaign_dir)),
    )
    return evidence, png
