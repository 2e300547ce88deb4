"""What is kept of a watch: files that roll are read once and removed, and what is still so is said again."""

import asyncio
from pathlib import Path

import pytest

from chaos.model import Outcome
from chaos.record.event_files import RollingEvents, read_events
from chaos.record.events import Event, Note, Role, Stamped, TargetAsked
from chaos.record.layout import NOBODY, ROW, Row
from chaos.record.ops_files import RollingRows, read_rows
from chaos.watch.entries import Entry, Recent, Transport

S = 1_000_000_000
HEADER = {"format": 2, "clients": []}


def row(seq: int, outcome: Outcome = Outcome.OK) -> Row:
    return Row(0, 0, seq, seq * S, 1, 2, outcome, 0, NOBODY, NOBODY, 0)


def packed(one: Row) -> bytes:
    return ROW.pack(*one)


def role(member: str, what: str, at_ns: int) -> Stamped[Event]:
    event = Role(member=member, address=member, run_id="x", role=what, master=None, link=None, syncing=False, offset=0)
    return Stamped(event=event, domain="agent", at_ns=at_ns)


async def test_rows_that_roll_are_read_once_and_in_order_and_their_files_go(tmp_path: Path) -> None:
    rows = RollingRows(tmp_path / "ops" / "meters.rows", HEADER, 0.3)
    transport = Transport(tmp_path)
    found: list[int] = []
    in_flight = rows.put(row(0, Outcome.IN_FLIGHT))
    rows.put(row(1))
    assert [one.seq for _, one in transport.rows()] == []  # the first is not decided yet
    rows.finish(in_flight, 5, Outcome.OK, 0, NOBODY)
    for seq in range(2, 9):
        rows.put(row(seq))
        await asyncio.sleep(0.12)  # rolls after two or three
        found += [one.seq for _, one in transport.rows()]
    assert len(list((tmp_path / "ops").glob("*.rows"))) <= 3
    rows.close()
    found += [one.seq for _, one in transport.rows(to_the_end=True)]
    assert found == list(range(9))
    assert list((tmp_path / "ops").glob("*.rows")) == []


async def test_events_that_roll_are_read_once_and_all_files_but_the_last_go(tmp_path: Path) -> None:
    events = RollingEvents(tmp_path / "events" / "agent.jsonl", "agent", 0.05)
    transport = Transport(tmp_path)
    found: list[Event] = []
    for number in range(8):
        events.write(Note(text=str(number)))
        await asyncio.sleep(0.02)
        found += [one.event for one in transport.events()]
    events.close()
    found += [one.event for one in transport.events()]
    assert [one.text for one in found if isinstance(one, Note)] == [str(number) for number in range(8)]
    assert len(list((tmp_path / "events").glob("*.jsonl"))) == 1


def test_what_is_still_so_is_said_again_at_the_beginning_of_an_entry(tmp_path: Path) -> None:
    recent = Recent(10 * S)
    recent.take_event(Stamped(event=TargetAsked(index=0, address="10.0.0.1:6379"), domain="agent", at_ns=1 * S))
    recent.take_event(role("r0", "master", 2 * S))
    recent.take_event(role("r0", "slave", 3 * S))
    recent.take_event(Stamped(event=Note(text="long past"), domain="agent", at_ns=4 * S))
    for seq in range(60):
        recent.take_row(row(seq), packed(row(seq)))
    recent.take_event(role("r0", "master", 57 * S))
    recent.forget(60 * S)
    assert recent.gone == {0: 50}
    entry = Entry(tmp_path / "trial-000", 0, 55 * S)
    entry.begin(recent, b"")
    entry.close()
    said = list(read_events(tmp_path / "trial-000" / "events" / "agent.jsonl"))
    assert [(type(one.event), one.at_ns // S) for one in said] == [(TargetAsked, 55), (Role, 55), (Role, 57)]
    assert [one.event.role for one in said if isinstance(one.event, Role)] == ["slave", "master"]
    data = (tmp_path / "trial-000" / "ops" / "meters.rows").read_bytes()
    assert [Row._make(fields).seq for fields in ROW.iter_unpack(data)] == list(range(55, 60))


def test_memory_of_a_calm_time_is_that_of_the_last_seconds_however_long_it_is() -> None:
    recent = Recent(10 * S)
    for seq in range(20_000):
        recent.take_row(row(seq), packed(row(seq)))
        recent.take_event(role(f"r{seq % 3}", "master", seq * S))
        recent.forget(seq * S)
    assert len(list(recent.rows(0))) == 11
    assert len(list(recent.events(0))) <= 11 + 3


def test_a_row_that_was_written_by_a_rolling_file_can_be_read_as_any(tmp_path: Path) -> None:
    rows = RollingRows(tmp_path / "meters.rows", HEADER, 60)
    slot = rows.put(row(0, Outcome.IN_FLIGHT))
    rows.ask(slot, 7, 3, 1)
    rows.sent(slot, 11)
    rows.finish(slot, 12, Outcome.FAILED, 1, 2)
    rows.close()
    [read] = read_rows(tmp_path / "meters.000000.rows")
    assert read == replace_row(row(0), connection=7, sent_us=11, done_us=12)


def replace_row(one: Row, **changes: int) -> Row:
    return one._replace(outcome=Outcome.FAILED, error=1, node=2, target=3, flags=1, **changes)


def test_a_file_of_rows_is_never_written_twice(tmp_path: Path) -> None:
    RollingRows(tmp_path / "meters.rows", HEADER, 60).close()
    with pytest.raises(Exception, match="exists already"):
        RollingRows(tmp_path / "meters.rows", HEADER, 60)
