"""Addresses are compared by whom they reach, and not by how they are written."""

from pathlib import Path

import pytest

from chaos.analysis.history import History
from chaos.clock import HOST
from chaos.model import canonical
from chaos.record.event_files import EventWriter
from chaos.record.events import MembersKnown


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("[fd00:0::1]:6379", "fd00::1:6379"),
        ("[FD00::1]:6379", "fd00::1:6379"),
        ("0:0:0:0:0:0:0:1:6379", "::1:6379"),
        ("Redis-A:6379", "redis-a.:6379"),
        ("10.0.0.1:6379", "10.0.0.1:6379"),
    ],
)
def test_an_address_has_one_text(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


def test_a_member_is_found_by_every_address_that_it_goes_by(tmp_path: Path) -> None:
    events = EventWriter(tmp_path / "events" / "host.jsonl", HOST)
    common = {"kind": "redis", "port": 6379, "node": "", "domain": "agent", "uid": "", "container": ""}
    members = [
        {**common, "name": "redis-0:6379", "address": "redis-0", "aliases": ["10.0.0.1:6379", "redis-0:6379"]},
        {**common, "name": "redis-1:6379", "address": "redis-1", "aliases": ["10.0.0.2:6379"]},
    ]
    events.write(MembersKnown(members=members))
    events.close()
    history = History.load(tmp_path)
    assert history.node("10.0.0.1:6379").name == history.node("Redis-0:6379").name == "redis-0:6379"
    assert history.same("10.0.0.1:6379", "redis-0:6379")
    assert history.is_at(history.node("10.0.0.1:6379"), "redis-0:6379")
    assert not history.same("10.0.0.1:6379", "redis-1:6379")
    assert not history.same("10.0.0.1:6379", "10.0.0.1:6380")
    assert not history.has("10.0.0.3:6379")
