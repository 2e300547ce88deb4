"""The names and types of the files in a trial's directory, and the error if one cannot be written.

docs/file-formats.md describes the same for readers.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self, TypedDict

from chaos.errors import NoCampaignError, RecordingError
from chaos.record.shape import READ_IN_PART

FORMAT = 2
MAGIC = b"FHOPS\x00\x00\x02"
"""The first eight bytes of an ops file. The last one is the version of the format."""

ROW = struct.Struct("<HHIqIIBBBBI")
"""client · connection · seq · intended ns · sent µs after · done µs after · outcome · error · node · target · flags"""

HEADER_PREFIX = struct.Struct("<8sI")
"""The magic, and the length of the whole header, a multiple of the row's size. JSON follows, padded with spaces."""

NOBODY = 255
"""The `node` of an operation that no server answered, and the `target` of one that asked no server."""


class Row(NamedTuple):
    """One operation. `sent_us` and `done_us` count from `intended_ns`, and are 0 until they are known."""

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
    """The options in campaign.json. Other options that may be there are used by `--resume` only."""

    variants: dict[str, Any] | None
    experiments: list[str] | None
    out: str


class CampaignFile(TypedDict, total=False):
    """campaign.json. Every key is optional: a report shows what there is."""

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
    """The experiment in manifest.json."""

    name: str
    description: str
    expects: str
    stands_for: str | None


class ClusterPart(TypedDict, total=False):
    """The cluster in manifest.json."""

    kind: str
    platform: dict[str, Any]
    images: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedClient:
    """A client in manifest.json, and in the header of a file of operations, which may say more of it.

    `settings`, `gate` and `audited` concern only application clients.
    """

    number: int
    kind: str = ""
    path: str = ""
    connection: str = ""
    address: str = ""
    rate_hz: float = 0.0
    via_sentinel: bool = False
    library: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    gate: bool = False
    audited: bool = True

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Self:
        return cls(**{name: raw[name] for name in cls.__slots__ if name in raw})

    @property
    def name(self) -> str:
        """The path that is judged, as in `service/new`."""
        return f"{self.path}/{self.connection}"

    @property
    def is_meter(self) -> bool:
        return self.kind == "meter"


READ_IN_PART.add(RecordedClient)


class ManifestFile(TypedDict, total=False):
    """manifest.json of a trial."""

    campaign: str
    trial: int
    experiment: ExperimentPart
    scenario: dict[str, Any]
    cluster: ClusterPart
    seed: int | None
    versions: dict[str, Any]
    clients: list[RecordedClient]
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
    clients: list[RecordedClient]


SettingsFile = dict[str, dict[str, dict[str, Any]]]
"""settings.json of a trial: maps a component to its members, and each member to its settings."""


def no_campaign(directory: Path, lacks: str) -> NoCampaignError:
    """Return the error for a directory that lacks the file `lacks`, with advice that fits."""
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
    """Turn an OSError while `path` is written, most often a full disk, into a RecordingError."""
    try:
        yield
    except OSError as error:
        raise RecordingError(
            f"{path} cannot be written: {error.strerror}; what was recorded is kept, and `failover analyse` reads it"
        ) from error
