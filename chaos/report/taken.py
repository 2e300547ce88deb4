"""What the reports take from every trial's recording, whichever is told in full: it is read once, and let go again."""

from dataclasses import dataclass
from pathlib import Path

from chaos.analysis.history import History
from chaos.record.reader import Recording
from chaos.report.failures import Group, as_csv, failures, groups
from chaos.report.rows import Row, flat


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """`csv` are the lines of failed-operations.csv without its first; `settings` are (who, setting, value)."""

    trial: int
    csv: bytes
    failed: int
    groups: list[Group]
    settings: list[Row]
    versions: list[Row]


def taken(asked: tuple[Path, int]) -> Taken:
    """Of the trial in that directory, by that number."""
    directory, number = asked
    history = History.load(directory)
    failed = failures(history, number)
    return Taken(
        trial=number,
        csv=as_csv(failed),
        failed=len(failed),
        groups=groups(failed),
        settings=_settings(history.recording),
        versions=_versions(history.recording),
    )


def _settings(recording: Recording) -> list[Row]:
    each = [
        (f"{kind} {name}", values) for kind, members in recording.settings.items() for name, values in members.items()
    ]
    return [(who, name, value) for who, values in each for name, value in flat(values)]


def _versions(recording: Recording) -> list[Row]:
    cluster = recording.manifest.get("cluster", {})
    parts = (recording.manifest.get("versions", {}), cluster.get("platform", {}), cluster.get("images", {}))
    return [line for part in parts for line in flat(part)]
