"""Rows: what is written is read, in the state in which it was left."""

import multiprocessing
import signal
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from chaos.errors import RecordingError
from chaos.model import ErrorCode, Outcome
from chaos.record.layout import HEADER_PREFIX, MAGIC, NOBODY, ROW, Row
from chaos.record.ops_files import CHUNK_BYTES, RowWriter, pack_header, read_header, read_rows, settled

HEADER = {"format": 1, "agent": "agent", "clients": [{"number": 0, "path": "service"}]}


def in_flight(seq: int = 0) -> Row:
    return Row(3, 0, seq, 1_000_000_000, 0, 0, Outcome.IN_FLIGHT, ErrorCode.NONE, NOBODY, NOBODY, 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ops" / "meters.rows"


def test_an_operation_is_completed_in_place(path: Path):
    writer = RowWriter(path, HEADER)
    first, second = writer.put(in_flight(0)), writer.put(in_flight(1))
    writer.ask(first, connection=7, target=2, flags=3)
    writer.sent(first, 120)
    writer.finish(first, 450, Outcome.OK, ErrorCode.NONE, node=1)
    writer.close()
    assert read_header(path)[0] == HEADER
    assert list(read_rows(path)) == [Row(3, 7, 0, 1_000_000_000, 120, 450, Outcome.OK, 0, 1, 2, 3), in_flight(1)]
    assert (first, second) == (0, 1)


def test_a_row_is_32_bytes_and_a_header_whole_rows(path: Path):
    writer = RowWriter(path, HEADER)
    writer.put(in_flight())
    writer.close()
    _, first = read_header(path)
    assert ROW.size == 32
    assert first % 32 == 0
    assert path.stat().st_size == first + 32


def test_the_file_grows_beyond_a_chunk(path: Path):
    rows = CHUNK_BYTES // ROW.size + 10
    writer = RowWriter(path, HEADER)
    slots = [writer.put(in_flight(seq)) for seq in range(rows)]
    writer.finish(slots[-1], 5, Outcome.FAILED, ErrorCode.REFUSED, NOBODY)
    writer.close()
    read = list(read_rows(path))
    assert [row.seq for row in read] == list(range(rows))
    assert read[-1].error == ErrorCode.REFUSED


def test_rows_are_read_while_the_file_still_grows(path: Path):
    writer = RowWriter(path, HEADER)
    writer.put(in_flight(0))
    assert [row.seq for row in read_rows(path)] == [0]
    writer.put(in_flight(1))
    assert [row.seq for row in read_rows(path)] == [0, 1]
    writer.close()


def write_and_hang(path: Path, ready: Event) -> None:
    writer = RowWriter(path, HEADER)
    for seq in range(1000):
        writer.finish(writer.put(in_flight(seq)), 1, Outcome.OK, 0, 0)
    writer.put(in_flight(1000))
    ready.set()
    signal.pause()


def test_what_was_put_survives_the_death_of_its_writer(path: Path):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=write_and_hang, args=(path, ready))
    process.start()
    assert ready.wait(60)
    process.kill()
    process.join(60)
    rows = list(read_rows(path))
    assert len(rows) == 1001
    assert [row.outcome for row in rows[-2:]] == [Outcome.OK, Outcome.IN_FLIGHT]


def test_a_record_is_written_once(path: Path):
    RowWriter(path, HEADER).close()
    with pytest.raises(RecordingError, match="exists already"):
        RowWriter(path, HEADER)


def test_settled_is_what_never_changes_again(path: Path):
    writer = RowWriter(path, HEADER)
    slots = [writer.put(in_flight(seq)) for seq in range(3)]
    _, first = read_header(path)
    assert settled(path.read_bytes()) == first
    writer.finish(slots[0], 1, Outcome.OK, 0, 0)
    writer.finish(slots[2], 1, Outcome.OK, 0, 0)
    assert settled(path.read_bytes()) == first + ROW.size
    writer.finish(slots[1], 1, Outcome.MISSED, 0, 0)
    assert settled(path.read_bytes()) == first + 3 * ROW.size
    assert settled(path.read_bytes()[first:]) == 3 * ROW.size
    writer.close()
    assert settled(path.read_bytes()[:-1]) == first + 2 * ROW.size
    assert settled(b"") == 0


BAD = {
    "cut off in its header": [b"", MAGIC, pack_header(HEADER)[:-1], HEADER_PREFIX.pack(MAGIC, 33) + bytes(64)],
    "not a file of operations": [b"PK\x03\x04" + bytes(60)],
    "its format is 9": [HEADER_PREFIX.pack(MAGIC[:-1] + b"\x09", 32) + bytes(20)],
    "its header:1 is not JSON": [HEADER_PREFIX.pack(MAGIC, 32) + b"{not json".ljust(20)],
}


@pytest.mark.parametrize(("says", "content"), [(says, one) for says, many in BAD.items() for one in many])
def test_a_bad_file_is_refused_with_its_name(says: str, content: bytes, tmp_path: Path):
    path = tmp_path / "bad.rows"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=says) as caught:
        list(read_rows(path))
    assert "bad.rows" in str(caught.value)


def test_a_row_that_was_cut_off_is_left_out(path: Path):
    writer = RowWriter(path, HEADER)
    for seq in range(3):
        writer.put(in_flight(seq))
    writer.close()
    path.write_bytes(path.read_bytes()[:-7])
    assert [row.seq for row in read_rows(path)] == [0, 1]
