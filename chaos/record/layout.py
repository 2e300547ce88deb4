"""Names and shapes of what a trial's directory holds, and the error if it cannot be written.

docs/file-formats.md says the same to readers.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from chaos.errors import NoCampaignError, RecordingError

FORMAT = 2
MAGIC = b"FHOPS\x00\x00\x02"
"""Eight bytes at the start of an ops file; the last is the format's version."""

ROW = struct.Struct("<HHIqIIBBBBI")
"""client · connection · seq · intended ns · sent µs after · done µs after · outcome · error · node · target · flags"""

HEADER_PREFIX = struct.Struct("<8sI")
"""Magic, and the length of the whole header, a multiple of the row's size. JSON follows, padded with spaces."""

NOBODY = 255
"""The `node` of an operation that no server answered, and the `target` of one that had nobody to ask."""


class Row(NamedTuple):
    """One operation. `sent_us` and `done_us` count from `intended_ns`; both are 0 while there is nothing to say."""

    client: int
    connection: int
    seq: int
    intended_ns: int
    sent_us: int
    done_us: int
    outcome: int
    error: int
    node: int
    target: int
    flags: int


MANIFEST = "manifest.json"
SETTINGS = "settings.json"
JOURNAL = "journal.json"
CLOSED = "closed"
CAMPAIGN = "campaign.json"
OPS = "ops"
EVENTS = "events"
LOGS = "logs"
AUDIT = "audit"


class OptionsPart(TypedDict, total=False):
    """What campaign.json says of the options; of what else a campaign was asked only `--resume` makes use."""

    variants: dict[str, Any] | None
    experiments: list[str] | None
    out: str


class CampaignFile(TypedDict, total=False):
    """campaign.json. Nothing of it has to be there: a report says what it can."""

    format: Any
    name: str
    version: str
    command: str
    scenario: str
    cluster: Any
    cluster_why: str
    machine: str
    experiments: list[str]
    left_out: list[str]
    trials: int
    claim: str
    seed: int
    started: str
    options: OptionsPart


class ExperimentPart(TypedDict, total=False):
    """What manifest.json says of the experiment."""

    name: str
    description: str
    expects: str
    stands_for: str | None


class ClusterPart(TypedDict, total=False):
    """What manifest.json says of the cluster."""

    kind: str
    platform: dict[str, Any]
    images: dict[str, Any]


class _Numbered(TypedDict):
    number: int


class ClientPart(_Numbered, total=False):
    """A client, as manifest.json and every file of operations say it."""

    kind: str
    path: str
    connection: str
    address: str
    rate_hz: float
    via_sentinel: bool
    library: str
    settings: dict[str, Any]
    gate: bool
    audited: bool


class ManifestFile(TypedDict, total=False):
    """manifest.json of a trial."""

    campaign: str
    trial: int
    experiment: ExperimentPart
    scenario: dict[str, Any]
    cluster: ClusterPart
    seed: int | None
    versions: dict[str, Any]
    clients: list[ClientPart]
    deadline_s: float | None
    variant: str
    system: str | None


class ClosedFile(TypedDict, total=False):
    """The file `closed` of a trial."""

    ended: str
    step: int | None
    error: str | None


class OpsHeader(TypedDict, total=False):
    """The header of a file of operations."""

    domain: str
    boot_id: str
    timens: str
    clients: list[ClientPart]


SettingsFile = dict[str, dict[str, dict[str, Any]]]
"""settings.json of a trial: the settings of each member of each component."""


def no_campaign(directory: Path, lacks: str) -> NoCampaignError:
    """Return the error for a directory that was named and lacks a file. It advises only what would help."""
    if not directory.is_dir():
        what = "is a file" if directory.exists() else "is not there"
        return NoCampaignError(f"{directory} {what}: name the directory of a campaign, such as one under reports/")
    recorded = [one for one in (directory, *sorted(directory.glob("*/"), reverse=True)) if (one / CAMPAIGN).is_file()]
    if recorded and lacks == CAMPAIGN:
        return NoCampaignError(f"{directory} holds campaigns and is none: name one of them, such as {recorded[0]}")
    if recorded:
        return NoCampaignError(f"{recorded[0] / lacks} is not there; `failover analyse {recorded[0]}` makes it")
    return NoCampaignError(f"{directory} holds no campaign: there is no {CAMPAIGN} in it, nor in a directory in it")


@contextmanager
def kept(path: Path) -> Iterator[None]:
    """Turn an OSError of writing to `path`, most often a full disk, into a RecordingError."""
    try:
        yield
    except OSError as error:
        raise RecordingError(
            f"{path} cannot be written: {error.strerror}; what was recorded is kept, and `failover analyse` reads it"
        ) from error
