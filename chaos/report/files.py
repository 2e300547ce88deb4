"""Writes what is derived from a campaign: the same bytes for the same recording, whoever asks and how often."""

from pathlib import Path

from chaos.analysis.result import CampaignResult
from chaos.analysis.summary import to_json
from chaos.record.kept import kept
from chaos.report.evidence import gather
from chaos.report.html import html
from chaos.report.junit import junit
from chaos.report.markdown import markdown


def write(campaign_dir: Path, result: CampaignResult) -> Path:
    """Write every derived file of the campaign and return the HTML report's path.

    summary.json comes first: it is there for a machine even if a recording cannot be drawn. Raises RecordingError.
    """
    with kept(campaign_dir):
        return _written(campaign_dir, result)


def _written(campaign_dir: Path, result: CampaignResult) -> Path:
    (campaign_dir / "summary.json").write_text(to_json(result), encoding="utf-8")
    (campaign_dir / "summary.md").write_text(markdown(result), encoding="utf-8")
    (campaign_dir / "junit.xml").write_bytes(junit(result))
    gathered = gather(campaign_dir, result)
    with (campaign_dir / "failed-operations.csv").open("wb") as file:
        file.writelines(gathered.csv)
    picture = campaign_dir / "timeline.png"
    picture.write_bytes(gathered.png) if gathered.png else picture.unlink(missing_ok=True)
    report = campaign_dir / "report.html"
    report.write_text(html(result, gathered.page), encoding="utf-8")
    return report
