"""A mirror of the agent's files: whole after every round, right after a break, and closed to strangers."""

import asyncio
import base64
import json
from pathlib import Path

import pytest

from chaos.agent.keeper import PIECE_BYTES, Mirror, handlers, is_carried
from chaos.errors import RecordingError
from chaos.model import Outcome
from chaos.pipe import answered
from chaos.record.layout import ROW, Row
from chaos.record.ops_files import RowWriter, read_rows


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    for folder in ("ops", "events", "audit"):
        (tmp_path / "remote" / folder).mkdir(parents=True)
    return tmp_path / "remote"


@pytest.fixture
def local(tmp_path: Path) -> Path:
    return tmp_path / "local"


def ask(remote, request):
    """The keeper's answer."""
    return json.loads(asyncio.run(answered(handlers(remote), json.dumps(request).encode())))


def pull(mirror, remote):
    """One round: ask until there is no more. Returns what each answer brought."""
    brought = [mirror.accept(ask(remote, mirror.request()))]
    while not mirror.complete:
        brought.append(mirror.accept(ask(remote, mirror.request())))
    return brought


def row(seq, outcome=Outcome.OK):
    return Row(0, 0, seq, 10**9 + seq, 5, 0 if outcome == Outcome.IN_FLIGHT else 400, outcome, 0, 0, 0, 0)


def piece(data, offset=0):
    return {"offset": offset, "data": base64.b64encode(data).decode()}


def test_what_was_appended_is_all_that_travels(remote, local):
    mirror = Mirror(local)
    events = remote / "events/agent.jsonl"
    events.write_bytes(b"first\n")

    assert pull(mirror, remote) == [6]
    with events.open("ab") as out:
        out.write(b"second\n")
    assert pull(mirror, remote) == [7]
    assert pull(mirror, remote) == [0]
    assert (local / "events/agent.jsonl").read_bytes() == b"first\nsecond\n"


def test_space_that_no_operation_has_used_does_not_travel(remote, local):
    rows = RowWriter(remote / "ops/meters.rows", {})
    rows.put(row(0))
    pull(Mirror(local), remote)

    assert (remote / "ops/meters.rows").stat().st_size > 1000 * ROW.size
    assert (local / "ops/meters.rows").stat().st_size == 2 * ROW.size
    rows.close()


def test_a_row_in_flight_is_fetched_again_until_it_is_settled(remote, local):
    rows = RowWriter(remote / "ops/meters.rows", {})
    mirror = Mirror(local)
    rows.put(row(0))
    slow = rows.put(row(1, Outcome.IN_FLIGHT))
    rows.put(row(2))
    pull(mirror, remote)
    outcomes = [one.outcome for one in read_rows(local / "ops/meters.rows")]
    rows.finish(slow, 99_000, Outcome.UNKNOWN, 0, 0)
    again = pull(mirror, remote)
    rows.close()

    assert outcomes == [Outcome.OK, Outcome.IN_FLIGHT, Outcome.OK]
    assert again == [2 * ROW.size]
    assert [one.outcome for one in read_rows(local / "ops/meters.rows")] == [Outcome.OK, Outcome.UNKNOWN, Outcome.OK]
    assert pull(mirror, remote) == [0]


def test_a_row_in_flight_does_not_hold_up_what_comes_after_it(remote, local):
    """More rows than one answer carries, and the first of them undecided: the round still ends, with all rows."""
    rows = RowWriter(remote / "ops/meters.rows", {})
    rows.put(row(0, Outcome.IN_FLIGHT))
    count = PIECE_BYTES // ROW.size + 1000
    for seq in range(1, count):
        rows.put(row(seq))
    rows.close()
    brought = pull(Mirror(local), remote)

    assert len(brought) == 2
    assert (local / "ops/meters.rows").read_bytes() == (remote / "ops/meters.rows").read_bytes()


def test_many_files_share_the_room_of_one_answer(remote, local):
    for name in ("a", "b", "c"):
        (remote / f"events/{name}.jsonl").write_bytes(name.encode() * (PIECE_BYTES // 2 + 1))
    brought = pull(Mirror(local), remote)

    assert max(brought) <= PIECE_BYTES
    assert sum(brought) == 3 * (PIECE_BYTES // 2 + 1)
    for name in ("a", "b", "c"):
        assert (local / f"events/{name}.jsonl").read_bytes() == (remote / f"events/{name}.jsonl").read_bytes()


def test_an_answer_that_was_lost_on_the_way_costs_nothing(remote, local):
    mirror = Mirror(local)
    (remote / "events/agent.jsonl").write_bytes(b"first\n")
    ask(remote, mirror.request())
    pull(mirror, remote)

    assert (local / "events/agent.jsonl").read_bytes() == b"first\n"


def test_a_mirror_made_anew_over_the_same_directory_catches_up(remote, local):
    (remote / "events/agent.jsonl").write_bytes(b"first\n")
    pull(Mirror(local), remote)
    (remote / "events/agent.jsonl").write_bytes(b"first\nsecond\n")
    pull(Mirror(local), remote)

    assert (local / "events/agent.jsonl").read_bytes() == b"first\nsecond\n"


def test_a_file_that_shrank_is_no_longer_the_same_recording(remote, local):
    mirror = Mirror(local)
    (remote / "events/agent.jsonl").write_bytes(b"first\nsecond\n")
    pull(mirror, remote)
    (remote / "events/agent.jsonl").write_bytes(b"other\n")

    with pytest.raises(RecordingError, match=r"agent.jsonl shrank: 13 bytes were copied, 6 are left"):
        pull(mirror, remote)


def test_a_file_of_operations_must_begin_as_one(local):
    with pytest.raises(RecordingError, match="does not begin as a file of operations"):
        Mirror(local).accept({"files": {"ops/meters.rows": piece(b"\x7fELF" + bytes(60))}, "more": False})


@pytest.mark.parametrize(
    "path", ["../escape", "ops/../../escape", "ops/..", "/etc/passwd", "manifest.json", "ops", "x/y"]
)
def test_nothing_is_written_outside_of_a_recording(local, path):
    with pytest.raises(RecordingError, match="no part of a recording"):
        Mirror(local).accept({"files": {path: piece(b"!")}, "more": False})
    assert not local.exists()


def test_an_error_of_the_keeper_is_raised_with_its_words(local):
    with pytest.raises(RecordingError, match="No space left"):
        Mirror(local).accept({"id": 1, "error": "OSError: [Errno 28] No space left on device"})


def test_logs_at_the_top_and_files_in_three_folders_are_carried():
    paths = ("agent.log", "ops/a.rows", "events/a.jsonl", "audit/0.bits", "audit/10.0.0.1-6379/0.bits")
    assert [path for path in (*paths, "ops/a/b.rows", "audit/../b", "audit/a/..") if is_carried(path)] == [*paths]


def test_the_bits_of_every_master_are_carried(remote, local):
    """The first master's lie in the folder itself."""
    (remote / "audit/10.0.0.1-6379").mkdir()
    (remote / "audit/0.bits").write_bytes(b"\x01")
    (remote / "audit/10.0.0.1-6379/0.bits").write_bytes(b"\x02")
    mirror = Mirror(local)
    mirror.accept(ask(remote, mirror.request()))
    assert (local / "audit/0.bits").read_bytes() == b"\x01"
    assert (local / "audit/10.0.0.1-6379/0.bits").read_bytes() == b"\x02"
