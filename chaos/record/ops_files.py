"""Write and read ops/*.rows, row by row, with the standard library only. The analysis loads columns with numpy."""

import json
import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chaos.clock import identity, mono_ns
from chaos.errors import RecordingError
from chaos.model import Outcome
from chaos.record.layout import FORMAT, HEADER_PREFIX, MAGIC, ROW, OpsHeader, Row
from chaos.record.shape import parsed

CHUNK_BYTES = 1 << 20
"""How much the file grows at once: 32 768 rows."""

HEADER_LIMIT_BYTES = 1 << 20

_ASKED = struct.Struct("<BI")
_DECIDED = struct.Struct("<IBBB")
_OUTCOME = Row._fields.index("outcome")
_PIECE_BITS = 32
_SLOT = (1 << _PIECE_BITS) - 1
_CONNECTION_AT, _SENT_AT, _DONE_AT, _OUTCOME_AT, _TARGET_AT = 2, 16, 20, 24, 27


class RowWriter:
    """A growing file of rows in shared memory, so that rows survive the death of their writer.

    A slot is a row's number in the file. The outcome of a row is written last, so that a reader of the growing file
    sees a whole row or none. Space is reserved in advance, so that a full disk raises OSError and not SIGBUS. Raises
    RecordingError if the file exists.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        packed = pack_header(header)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = path.open("x+b", buffering=0)
        except FileExistsError:
            raise RecordingError(f"{path} exists already; a record is written once") from None
        self._file.write(packed)
        self._first = len(packed)
        self._end = len(packed)
        self._size = len(packed)
        self._reserve()
        self._map = mmap.mmap(self._file.fileno(), self._size)

    def _reserve(self) -> None:
        os.posix_fallocate(self._file.fileno(), self._size, CHUNK_BYTES)
        self._size += CHUNK_BYTES

    def put(self, row: Row) -> int:
        """Write a row, complete or in flight, and return its slot."""
        at = self._end
        if at + ROW.size > self._size:
            self._reserve()
            self._map.resize(self._size)
        ROW.pack_into(self._map, at, *row[:_OUTCOME], Outcome.EMPTY, *row[_OUTCOME + 1 :])
        self._map[at + _OUTCOME_AT] = row.outcome
        self._end = at + ROW.size
        return (at - self._first) // ROW.size

    def ask(self, slot: int, connection: int, target: int, flags: int) -> None:
        """Fill in, in a row that `put` wrote, which connection and which server (`target`) the operation uses."""
        at = self._first + slot * ROW.size
        struct.pack_into("<H", self._map, at + _CONNECTION_AT, connection)
        _ASKED.pack_into(self._map, at + _TARGET_AT, target, flags)

    def sent(self, slot: int, sent_us: int) -> None:
        struct.pack_into("<I", self._map, self._first + slot * ROW.size + _SENT_AT, sent_us)

    def finish(self, slot: int, done_us: int, outcome: Outcome, error: int, node: int) -> None:
        at = self._first + slot * ROW.size
        _DECIDED.pack_into(self._map, at + _DONE_AT, done_us, Outcome.IN_FLIGHT, error, node)
        self._map[at + _OUTCOME_AT] = outcome

    def close(self) -> None:
        """Truncate the file to the used rows. Rows in flight stay so."""
        self._map.close()
        self._file.truncate(self._end)
        self._file.close()


class RollingRows:
    """Like RowWriter, but begins a new file every `every_s` seconds: `meters.000000.rows`, `meters.000001.rows`, …

    Old files can be moved away while the recording goes on. A file is closed when the second file after it is begun,
    because operations may still be running in it; so `every_s` must be longer than any operation. A slot also contains
    the number of its file.
    """

    def __init__(self, path: Path, header: dict[str, Any], every_s: float) -> None:
        self._path = path
        self._header = header
        self._every_ns = round(every_s * 1e9)
        self._writers: dict[int, RowWriter] = {}
        self._piece = -1
        self._roll()

    def _roll(self) -> None:
        self._piece += 1
        self._until_ns = mono_ns() + self._every_ns
        path = self._path.with_suffix(f".{self._piece:06}{self._path.suffix}")
        self._writers[self._piece] = RowWriter(path, self._header)
        old = self._writers.pop(self._piece - 2, None)
        if old is not None:
            old.close()

    def put(self, row: Row) -> int:
        if mono_ns() >= self._until_ns:
            self._roll()
        return self._piece << _PIECE_BITS | self._writers[self._piece].put(row)

    def ask(self, slot: int, connection: int, target: int, flags: int) -> None:
        self._writers[slot >> _PIECE_BITS].ask(slot & _SLOT, connection, target, flags)

    def sent(self, slot: int, sent_us: int) -> None:
        self._writers[slot >> _PIECE_BITS].sent(slot & _SLOT, sent_us)

    def finish(self, slot: int, done_us: int, outcome: Outcome, error: int, node: int) -> None:
        self._writers[slot >> _PIECE_BITS].finish(slot & _SLOT, done_us, outcome, error, node)

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


def ops_header(domain: str, clients: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the header of an ops file that this process writes."""
    return {"format": FORMAT, "agent": domain, **identity(), "domain": domain, "clients": clients}


def pack_header(header: dict[str, Any]) -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    length = -(-(HEADER_PREFIX.size + len(text)) // ROW.size) * ROW.size
    return HEADER_PREFIX.pack(MAGIC, length) + text.ljust(length - HEADER_PREFIX.size)


def parse_header(data: bytes, name: str) -> tuple[dict[str, Any], int]:
    """Return the header at the start of `data`, and the offset of the first row. Errors name the file as `name`."""
    if len(data) < HEADER_PREFIX.size:
        raise RecordingError(f"{name}: cut off in its header")
    magic, length = HEADER_PREFIX.unpack_from(data)
    if magic[:-1] != MAGIC[:-1]:
        raise RecordingError(f"{name}: not a file of operations")
    if magic != MAGIC:
        raise RecordingError(f"{name}: its format is {magic[-1]}, and this version reads {MAGIC[-1]}")
    if length % ROW.size or len(data) < length:
        raise RecordingError(f"{name}: cut off in its header")
    return parsed(data[HEADER_PREFIX.size : length], Path(f"{name}, its header"), OpsHeader), length


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the header of a file, and the offset of the first row."""
    with path.open("rb") as file:
        return parse_header(file.read(HEADER_LIMIT_BYTES), str(path))


def unpack_rows(data: bytes) -> Iterator[Row]:
    """Yield the rows in `data`, which begins with a row, up to the first one that is empty or cut off."""
    whole = len(data) - len(data) % ROW.size
    for fields in ROW.iter_unpack(data[:whole]):
        row = Row._make(fields)
        if row.outcome == Outcome.EMPTY:
            return
        yield row


def read_rows(path: Path) -> Iterator[Row]:
    """Yield every row of a file, in the order of writing, including those in flight."""
    _, first = read_header(path)
    with path.open("rb") as file:
        file.seek(first)
        yield from unpack_rows(file.read())


def settled(data: bytes) -> int:
    """Return how many bytes come before the first row that is empty or in flight. These bytes never change again.

    `data` begins with a row or with the file's header. The header counts as complete, because it has text where a row
    has its outcome.
    """
    outcomes = data[_OUTCOME_AT :: ROW.size]
    stops = [outcomes.find(Outcome.EMPTY), outcomes.find(Outcome.IN_FLIGHT), len(data) // ROW.size]
    return min(stop for stop in stops if stop >= 0) * ROW.size
