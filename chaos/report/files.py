"""Writes what is derived from a campaign: the same bytes for the same recording, whoever asks and how often."""

from dataclasses import dataclass
from pathlib import Path

from chaos.analysis.campaign import each
from chaos.analysis.history import History
from chaos.analysis.result import CampaignResult
from chaos.analysis.summary import to_json
from chaos.record.layout import kept
from chaos.record.reader import campaign_manifest
from chaos.report import figures
from chaos.report.bars import limits_s
from chaos.report.evidence import Evidence, command, lane_rows, raw_lines, settings_rows, taken
from chaos.report.failures import HEAD, grouped
from chaos.report.junit import junit
from chaos.report.many import spreads, worst_first
from chaos.report.markdown import markdown
from chaos.report.page import html
from chaos.report.timeline import timeline


def write(campaign_dir: Path, result: CampaignResult) -> Path:
    """Write every derived file of the campaign and return the HTML report's path.

    summary.json comes first: it is there for a machine even if a recording cannot be drawn. Raises RecordingError.
    """
    report = campaign_dir / "report.html"
    with kept(campaign_dir):
        (campaign_dir / "summary.json").write_text(to_json(result), encoding="utf-8")
        (campaign_dir / "summary.md").write_text(markdown(result), encoding="utf-8")
        (campaign_dir / "junit.xml").write_bytes(junit(result))
        gathered = gather(campaign_dir, result)
        with (campaign_dir / "failed-operations.csv").open("wb") as file:
            file.writelines(gathered.csv)
        picture = campaign_dir / "timeline.png"
        picture.write_bytes(gathered.png) if gathered.png else picture.unlink(missing_ok=True)
        report.write_text(html(result, gathered.evidence), encoding="utf-8")
    return report


@dataclass(kw_only=True)
class Gathered:
    """What the page shows, failed-operations.csv in parts, and timeline.png, which is empty without a time axis."""

    evidence: Evidence
    csv: list[bytes]
    png: bytes = b""


def gather(campaign_dir: Path, result: CampaignResult) -> Gathered:
    """Read each trial once, and the worst one again, to draw it."""
    found = each(taken, [(campaign_dir / trial.directory, trial.number) for trial in result.trials])
    worst = next(iter(worst_first(result)), None)
    history = History.load(campaign_dir / worst.directory) if worst else None
    picture = timeline(history, worst) if history and worst else None
    vector, png = figures.of_timeline(picture) if picture else ("", b"")
    evidence = Evidence(
        timeline=vector,
        spread=figures.of_spreads(spreads(result), limits_s(result.trials)),
        lanes=lane_rows(picture) if picture else (),
        raw=raw_lines(history, worst) if history and worst else (),
        failed=grouped([one.groups for one in found]),
        failed_total=sum(one.failed for one in found),
        settings=settings_rows(found),
        versions=list(dict.fromkeys(row for one in found for row in one.versions)),
        command=command(campaign_manifest(campaign_dir)),
    )
    return Gathered(evidence=evidence, csv=[HEAD, *(one.csv for one in found)], png=png)
