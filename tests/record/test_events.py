"""Events: a line each, readable at any moment, from whichever thread they came."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from chaos.errors import RecordingError
from chaos.record.event_files import EventWriter, Tail, read_events
from chaos.record.events import KINDS, Note, SentinelSaid, Stamped, from_line, to_line
from tests.record import event_table
from tests.saying import event, said, stamped


@pytest.fixture
def writer(tmp_path: Path):
    writer = EventWriter(tmp_path / "events" / "agent.jsonl", "agent")
    yield writer
    writer.close()


def test_the_first_line_says_whose_clock_it_is(writer: EventWriter):
    (first,) = read_events(writer.path)
    assert (first.event.kind, first.domain) == ("clock.domain", "agent")
    assert set(said(first)) == {"boot_id", "timens", "mono_ns", "wall_ns"}


def test_what_is_written_is_read_at_once(writer: EventWriter):
    writer.write(event("role", member="rfr-0", offset=5), at_ns=20, since_ns=10)
    writer.write(event("log.opened", file="x"), domain="node/a")
    _, role, opened = read_events(writer.path)
    assert role == stamped("role", "agent", 20, 10, member="rfr-0", offset=5)
    assert (opened.domain, opened.since_ns) == ("node/a", None)
    assert opened.at_ns > 0


def test_a_line_is_flat_and_plain_json(writer: EventWriter):
    writer.write(SentinelSaid(sentinel="s", channel="+tilt", payload="näme\u2028\udc80"), at_ns=1)
    line = writer.path.read_bytes().splitlines()[-1]
    stamps = {"kind": "sentinel.event", "domain": "agent", "at_ns": 1}
    said = {"sentinel": "s", "channel": "+tilt", "payload": "näme\u2028\udc80"}
    assert json.loads(line) == stamps | said


def test_listeners_hear_events_in_the_order_of_the_file(writer: EventWriter):
    heard: list[Stamped[Any]] = []
    writer.subscribe(heard.append)

    def write(text: str) -> None:
        for _ in range(50):
            writer.write(Note(text=text))

    threads = [threading.Thread(target=write, args=(text,)) for text in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert heard == list(read_events(writer.path))[1:]
    assert len(heard) == 100


def test_a_listener_may_write(writer: EventWriter):
    writer.subscribe(lambda event: writer.write(Note(text="heard")) if event.event.kind == "pod" else None)
    writer.write(event("pod", name="x"))
    assert [event.event.kind for event in read_events(writer.path)][1:] == ["pod", "note"]


def test_a_record_is_written_once(writer: EventWriter):
    with pytest.raises(RecordingError, match="exists already"):
        EventWriter(writer.path, "agent")


def test_a_last_line_that_was_cut_off_is_left_out(writer: EventWriter):
    writer.write(Note(text="whole"))
    whole = writer.path.read_bytes()
    for cut in range(1, 30):
        writer.path.write_bytes(whole[:-cut])
        assert [event.event.kind for event in read_events(writer.path)][:1] == ["clock.domain"]


@pytest.mark.parametrize(
    "line", ["{", "[]", '"x"', '{"kind": "note"}', "null", '{"kind":"nite","domain":"agent","at_ns":1,"text":""}']
)
def test_any_other_broken_line_is_refused_with_its_number(line: str, writer: EventWriter):
    with writer.path.open("a") as file:
        file.write(line + '\n{"kind":"note","domain":"agent","at_ns":1,"text":""}\n')
    with pytest.raises(RecordingError, match=r"agent\.jsonl:2: not an event"):
        list(read_events(writer.path))
    with pytest.raises(RecordingError, match="not an event"):
        Tail(writer.path).new()


def test_tail_gives_what_is_new_by_whole_lines(tmp_path: Path):
    path = tmp_path / "agent.jsonl"
    tail = Tail(path)
    assert tail.new() == []
    line = b'{"kind":"note","domain":"agent","at_ns":%d,"text":""}\n'
    path.write_bytes(line % 1 + line % 2 + (line % 3)[:10])
    assert [event.at_ns for event in tail.new()] == [1, 2]
    assert tail.new() == []
    path.write_bytes(line % 1 + line % 2 + line % 3 + line % 4)
    assert [event.at_ns for event in tail.new()] == [3, 4]
    assert tail.new() == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read_back_as_it_was_written(kind: str):
    one = stamped(kind, "agent", 20, 10)
    assert from_line(to_line(one)) == one


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"kind":"rule","domain":"agent","at_ns":1}', "'rule' is no kind of event"),
        ('{"kind":"note","domain":"agent","at_ns":1,"txt":"x"}', "note: .*'txt'"),
        ('{"kind":"note","domain":"agent","at_ns":1}', "note: .*'text'"),
    ],
)
def test_a_misspelt_kind_or_field_is_refused(line: str, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        from_line(line)


def test_the_page_shows_every_kind_of_event_as_its_class_declares_it():
    """When this fails, `nox -s formats` writes the page anew."""
    page = event_table.PAGE.read_text()
    assert event_table.rewritten(page) == page


def test_a_page_that_lacks_a_kind_is_noticed():
    page = event_table.rewritten(event_table.PAGE.read_text())
    without = page.replace("| sentinel.lost |", "| sentinel.lots |")
    assert without != page == event_table.rewritten(without)


def test_a_page_without_the_markers_is_refused():
    with pytest.raises(ValueError, match="must hold the lines"):
        event_table.rewritten("# File formats")
