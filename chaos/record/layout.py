"""Names and shapes of what a trial's directory holds, and the error if it cannot be written.

docs/file-formats.md says the same to readers.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from chaos.errors import RecordingError

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


@contextmanager
def kept(path: Path) -> Iterator[None]:
    """Turn an OSError of writing to `path`, most often a full disk, into a RecordingError."""
    try:
        yield
    except OSError as error:
        raise RecordingError(
            f"{path} cannot be written: {error.strerror}; what was recorded is kept, and `failover analyse` reads it"
        ) from error
