"""Names and shapes of what a trial's directory holds; docs/file-formats.md says the same to readers."""

import struct
from typing import NamedTuple

FORMAT = 2
MAGIC = b"FHOPS\x00\x00\x02"
"""Eight bytes at the start of an ops file; the last is the format's version."""

ROW = struct.Struct("<HHIqIIBBBBI")
"""client · connection · seq · intended ns · sent µs after · done µs after · outcome · error · node · target · flags"""

HEADER_PREFIX = struct.Struct("<8sI")
"""Magic, and the header's whole length: a multiple of the row's size. Its JSON follows, padded with spaces."""

NOBODY = 255
"""`node` of an operation that no server answered, `target` of one that had nobody to ask."""


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
OPS = "ops"
EVENTS = "events"
LOGS = "logs"
AUDIT = "audit"
