"""Events: a line each, readable at any moment, from whichever thread they came."""

import json
import threading
from pathlib import Path

import pytest

from chaos.errors import RecordingError
from chaos.model import Event
from chaos.record.event_files import EventWriter, Tail, read_events


@pytest.fixture
def writer(tmp_path: Path):
    writer = EventWriter(tmp_path / "events" / "agent.jsonl", "agent")
    yield writer
    writer.close()


def test_the_first_line_says_whose_clock_it_is(writer: EventWriter):
    (first,) = read_events(writer.path)
    assert (first.kind, first.domain) == ("clock.domain", "agent")
    assert set(first.fields) == {"boot_id", "timens", "mono_ns", "wall_ns"}


def test_what_is_written_is_read_at_once(writer: EventWriter):
    writer.write("role", at_ns=20, since_ns=10, member="rfr-0", offset=5)
    writer.write("log.opened", domain="node/a", file="x")
    _, role, opened = read_events(writer.path)
    fields = {"member": "rfr-0", "offset": 5}
    assert role == Event(kind="role", domain="agent", at_ns=20, since_ns=10, fields=fields)
    assert (opened.domain, opened.since_ns) == ("node/a", None)
    assert opened.at_ns > 0


def test_a_line_is_flat_and_plain_json(writer: EventWriter):
    writer.write("sentinel.event", at_ns=1, payload="näme\u2028\udc80")
    line = writer.path.read_bytes().splitlines()[-1]
    assert json.loads(line) == {"kind": "sentinel.event", "domain": "agent", "at_ns": 1, "payload": "näme\u2028\udc80"}


def test_listeners_hear_events_in_the_order_of_the_file(writer: EventWriter):
    heard: list[Event] = []
    writer.subscribe(heard.append)

    def write(text: str) -> None:
        for _ in range(50):
            writer.write("note", text=text)

    threads = [threading.Thread(target=write, args=(text,)) for text in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert heard == list(read_events(writer.path))[1:]
    assert len(heard) == 100


def test_a_listener_may_write(writer: EventWriter):
    writer.subscribe(lambda event: writer.write("note", text="heard") if event.kind == "pod" else None)
    writer.write("pod", name="x")
    assert [event.kind for event in read_events(writer.path)][1:] == ["pod", "note"]


def test_a_record_is_written_once(writer: EventWriter):
    with pytest.raises(RecordingError, match="exists already"):
        EventWriter(writer.path, "agent")


def test_a_last_line_that_was_cut_off_is_left_out(writer: EventWriter):
    writer.write("note", text="whole")
    whole = writer.path.read_bytes()
    for cut in range(1, 30):
        writer.path.write_bytes(whole[:-cut])
        assert [event.kind for event in read_events(writer.path)][:1] == ["clock.domain"]


@pytest.mark.parametrize("line", ["{", "[]", '"x"', '{"kind": "note"}', "null"])
def test_any_other_broken_line_is_refused_with_its_number(line: str, writer: EventWriter):
    with writer.path.open("a") as file:
        file.write(line + '\n{"kind":"note","domain":"agent","at_ns":1}\n')
    with pytest.raises(RecordingError, match=r"agent\.jsonl:2: not an event"):
        list(read_events(writer.path))
    with pytest.raises(RecordingError, match="not an event"):
        Tail(writer.path).new()


def test_tail_gives_what_is_new_by_whole_lines(tmp_path: Path):
    path = tmp_path / "agent.jsonl"
    tail = Tail(path)
    assert tail.new() == []
    line = b'{"kind":"note","domain":"agent","at_ns":%d}\n'
    path.write_bytes(line % 1 + line % 2 + (line % 3)[:10])
    assert [event.at_ns for event in tail.new()] == [1, 2]
    assert tail.new() == []
    path.write_bytes(line % 1 + line % 2 + line % 3 + line % 4)
    assert [event.at_ns for event in tail.new()] == [3, 4]
    assert tail.new() == []
