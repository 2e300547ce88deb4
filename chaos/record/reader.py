"""Read a trial's directory, for the analysis and the reports.

A trial that was cut off can be read too: rows up to the last one written, and events up to the last whole line. Nothing
is judged here, and time stamps are not converted; `chaos.analysis.clocks` does that. Raises RecordingError if a file is
not what its name says.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from chaos.errors import RecordingError
from chaos.model import Outcome
from chaos.record.event_files import read_events
from chaos.record.events import Event, Stamped
from chaos.record.layout import (
    AUDIT,
    CAMPAIGN,
    CLOSED,
    EVENTS,
    FORMAT,
    LOGS,
    MANIFEST,
    OPS,
    ROW,
    SETTINGS,
    CampaignFile,
    ClosedFile,
    ManifestFile,
    SettingsFile,
    no_campaign,
)
from chaos.record.ops_files import read_header
from chaos.record.shape import read_object

Rows = npt.NDArray[np.void]
Bits = npt.NDArray[np.bool_]

ROW_TYPE = np.dtype(
    [
        ("client", "<u2"),
        ("connection", "<u2"),
        ("seq", "<u4"),
        ("intended_ns", "<i8"),
        ("sent_us", "<u4"),
        ("done_us", "<u4"),
        ("outcome", "u1"),
        ("error", "u1"),
        ("node", "u1"),
        ("target", "u1"),
        ("flags", "<u4"),
    ]
)
"""`layout.ROW` as a numpy type."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OpsFile:
    """One file of operations, in the order in which they were sent. `header` names the clock and the clients."""

    header: dict[str, Any]
    rows: Rows


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One recorded trial. `closed` is None if the trial was cut off.

    `audits` has the bits of every master whose keys were read. The master that the Sentinels name comes first.
    """

    directory: Path
    manifest: dict[str, Any]
    settings: dict[str, Any]
    closed: dict[str, Any] | None
    events: tuple[Stamped[Event], ...]
    ops: tuple[OpsFile, ...]
    audits: tuple[dict[int, Bits], ...]

    @classmethod
    def load(cls, directory: Path) -> Self:
        return cls(
            directory=directory,
            manifest=manifest(directory),
            settings=read_object(directory / SETTINGS, SettingsFile) or {},
            closed=closed(directory),
            events=tuple(event for path in _files(directory / EVENTS, "*.jsonl") for event in read_events(path)),
            ops=tuple(read_ops(path) for path in _files(directory / OPS, "*.rows")),
            audits=_audits(directory / AUDIT),
        )

    @cached_property
    def logs(self) -> dict[str, Path]:
        """Maps file names to the paths of container logs, which are not loaded."""
        return {path.name: path for path in _files(self.directory / LOGS, "*.log")}


def _audits(folder: Path) -> tuple[dict[int, Bits], ...]:
    """Return the bits of each audited master.

    The first master's are in the folder itself, each other's in a subfolder.
    """
    found = []
    for one in [folder, *sorted(path for path in folder.glob("*") if path.is_dir())]:
        bits: dict[int, Bits] = {}
        for path in _files(one, "*.bits"):
            if not path.stem.isdecimal():
                raise RecordingError(f"{path}: the number of a client was expected as its name, as in 7.bits")
            bits[int(path.stem)] = read_bits(path)
        found.append(bits)
    return tuple(bits for bits in found if bits)


def read_ops(path: Path) -> OpsFile:
    """Read one file of operations. Rows that were never begun, or were cut off, are left out."""
    header, offset = read_header(path)
    data = path.read_bytes()
    whole = (len(data) - offset) // ROW.size
    rows = np.frombuffer(data, dtype=ROW_TYPE, count=whole, offset=offset)
    return OpsFile(header=header, rows=rows[rows["outcome"] != Outcome.EMPTY])


def read_bits(path: Path) -> Bits:
    """Return which operations of a client left their key: bit n stands for operation n."""
    return np.unpackbits(np.frombuffer(path.read_bytes(), dtype=np.uint8), bitorder="little").astype(bool)


def trials(campaign: Path) -> list[Path]:
    """Return the trials' directories of a campaign, in their order."""
    return sorted(path for path in campaign.glob("trial-*") if path.is_dir())


def manifest(trial: Path) -> dict[str, Any]:
    """Return a trial's manifest. It is empty if the trial ended before it was written."""
    return read_object(trial / MANIFEST, ManifestFile) or {}


def closed(trial: Path) -> dict[str, Any] | None:
    """Return how a trial ended, or None if it was cut off."""
    return read_object(trial / CLOSED, ClosedFile)


def campaign_manifest(campaign: Path) -> dict[str, Any]:
    """Return a campaign's manifest. Raises RecordingError if there is none, or if it has another format."""
    manifest = read_object(campaign / CAMPAIGN, CampaignFile)
    if manifest is None:
        raise no_campaign(campaign, CAMPAIGN)
    if manifest.get("format") != FORMAT:
        raise RecordingError(
            f"{campaign} was recorded in format {manifest.get('format')}, and this version reads format {FORMAT} only: "
            f"analyse it with the version that recorded it, or play it again"
        )
    return manifest


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))
