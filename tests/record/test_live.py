"""What a running trial can know of its operations, as their files grow."""

from pathlib import Path

import pytest

from chaos.errors import RecordingError
from chaos.model import ErrorCode, Outcome
from chaos.record.layout import NOBODY, Row
from chaos.record.live import FRESH_NS, LiveOps
from chaos.record.ops_files import RowWriter, pack_header

MS = 1_000_000
S = 1000 * MS
CLIENTS = [
    {"number": 0, "path": "service", "connection": "new"},
    {"number": 1, "path": "service", "connection": "new"},
    {"number": 2, "path": "sentinel", "connection": "kept"},
]


class Ops:
    """A file of operations under a trial's directory, told in ms."""

    def __init__(self, directory: Path) -> None:
        self.writer = RowWriter(directory / "ops" / "meters.rows", {"clients": CLIENTS})

    def add(self, client: int, at_ms: int, outcome: Outcome = Outcome.OK, error: ErrorCode = ErrorCode.NONE) -> int:
        return self.writer.put(Row(client, 0, 0, at_ms * MS, 100, 400, outcome, error, NOBODY, NOBODY, 0))

    def run(self, client: int, first_ms: int, end_ms: int, outcome: Outcome = Outcome.OK) -> None:
        for at_ms in range(first_ms, end_ms, 20):
            self.add(client, at_ms, outcome, ErrorCode.NONE if outcome is Outcome.OK else ErrorCode.REFUSED)


@pytest.fixture
def ops(tmp_path: Path):
    ops = Ops(tmp_path)
    yield ops
    ops.writer.close()


def test_clients_are_counted_by_path(ops: Ops, tmp_path: Path):
    live = LiveOps(tmp_path)
    ops.run(0, 0, 1000)
    ops.run(2, 0, 500)
    ops.run(2, 500, 1000, Outcome.FAILED)
    live.poll()
    assert {path: [one.number for one in clients] for path, clients in live.paths().items()} == {
        "service/new": [0],
        "sentinel/kept": [2],
    }
    client = live.clients[2]
    assert (client.ok(), client.bad(), client.ok(400 * MS), client.bad(900 * MS)) == (25, 25, 5, 5)
    assert client.first_bad_ns(0) == 500 * MS
    assert client.first_bad_ns(510 * MS) == 520 * MS
    assert client.first_bad_ns(990 * MS) is None
    assert client.errors_since(900 * MS) == {ErrorCode.REFUSED: 5}
    assert client.answered_ns[-1] == 480 * MS + 400_000


def test_an_operation_in_flight_is_waited_for_and_read_when_it_is_completed(ops: Ops, tmp_path: Path):
    live = LiveOps(tmp_path)
    slot = ops.add(0, 0, Outcome.IN_FLIGHT)
    ops.add(0, 20)
    live.poll()
    assert not live.clients
    ops.writer.finish(slot, 90_000, Outcome.UNKNOWN, ErrorCode.REPLY_TIMEOUT, NOBODY)
    live.poll()
    live.poll()
    assert (live.clients[0].ok(), live.clients[0].bad()) == (1, 1)


def test_good_and_stable_since_then_is_recovered(ops: Ops, tmp_path: Path):
    live = LiveOps(tmp_path)
    ops.run(0, 0, 1000)
    ops.run(0, 1000, 2000, Outcome.FAILED)
    ops.run(0, 2000, 4000)
    live.poll()
    now_ns = 4000 * MS
    assert live.recovered(500 * MS, 1 * S, now_ns) == {"service/new": True}
    assert live.recovered(500 * MS, 3 * S, now_ns) == {"service/new": False}, "bad two seconds ago"
    assert live.recovered(3500 * MS, 1 * S, now_ns) == {"service/new": False}, "not looked at for long enough"
    assert live.recovered(500 * MS, 1 * S, now_ns + FRESH_NS + 1) == {"service/new": False}, "silent since"


def test_a_path_is_back_when_all_its_clients_are(ops: Ops, tmp_path: Path):
    live = LiveOps(tmp_path)
    ops.run(0, 0, 4000)
    ops.run(1, 0, 3000, Outcome.FAILED)
    ops.run(2, 0, 4000)
    live.poll()
    assert live.recovered(0, 1 * S, 4 * S) == {"service/new": False, "sentinel/kept": True}


def test_a_client_that_never_was_good_has_not_recovered(ops: Ops, tmp_path: Path):
    live = LiveOps(tmp_path)
    ops.run(0, 0, 4000, Outcome.MISSED)
    live.poll()
    assert live.recovered(0, 1 * S, 4 * S) == {"service/new": False}


def test_nothing_there_yet_is_nothing_known(tmp_path: Path):
    live = LiveOps(tmp_path)
    live.poll()
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "meters.rows").write_bytes(pack_header({"clients": CLIENTS})[:10])
    live.poll()
    assert live.paths() == {}


def test_a_foreign_file_is_refused(tmp_path: Path):
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "x.rows").write_bytes(b"something else altogether, and longer than a row is")
    with pytest.raises(RecordingError, match="not a file of operations"):
        LiveOps(tmp_path).poll()


def test_calm_counts_from_the_last_bad_operation(ops: Ops, tmp_path: Path):
    live = LiveOps(tmp_path)
    ops.run(0, 0, 200, Outcome.FAILED)
    ops.run(0, 200, 4000)
    ops.run(0, 4000, 4200, Outcome.FAILED)
    ops.run(0, 4200, 7000)
    live.poll()
    assert not live.clients[0].recovered(0, 4 * S, 7 * S)
    assert live.clients[0].recovered(0, 2 * S, 7 * S)
