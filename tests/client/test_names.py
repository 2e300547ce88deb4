"""Names and addresses, without a DNS server: the resolver is the loop's, and the loop is told what it would say."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos.client.names import Names
from chaos.model import ErrorCode, Outcome, is_literal, service_in, split_address
from chaos.record.event_files import EventWriter, read_events
from chaos.record.events import Stamped
from tests.client.play import new_and_kept, outcomes_in_time, playing, seconds
from tests.saying import said

EVERY_S = 0.02


class Resolver:
    """What `getaddrinfo` of a loop is asked to say: addresses, or an error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.says: list[str] | int = []
        monkeypatch.setattr(socket, "getaddrinfo", self._answer)

    def _answer(self, host: str, port: int | None, *_: object, **__: object) -> list[tuple[object, ...]]:
        if isinstance(self.says, int):
            raise socket.gaierror(self.says, "as told")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in self.says]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    return Resolver(monkeypatch)


@pytest.fixture
def events(tmp_path: Path) -> Iterator[EventWriter]:
    writer = EventWriter(tmp_path / "e.jsonl", "agent")
    yield writer
    writer.close()


def resolved(path: Path) -> list[Stamped[Any]]:
    return [event for event in read_events(path) if event.event.kind == "resolved"]


async def test_a_change_is_an_event_since_when_it_was_otherwise(events: EventWriter, resolver: Resolver):
    resolver.says = ["10.0.0.2", "10.0.0.1"]
    async with Names(["redis.test"], events, EVERY_S):
        await seconds(5 * EVERY_S)
        resolver.says = ["10.0.0.3"]
        await seconds(5 * EVERY_S)
    first, second = resolved(events.path)
    assert first.since_ns is None
    assert said(first) == {"name": "redis.test", "addresses": ["10.0.0.1", "10.0.0.2"], "error": ""}
    assert second.event.addresses == ["10.0.0.3"]
    assert second.since_ns is not None
    assert first.at_ns < second.since_ns < second.at_ns


async def test_several_addresses_are_given_in_turn(events: EventWriter, resolver: Resolver):
    resolver.says = ["10.0.0.1", "10.0.0.2"]
    async with Names(["redis.test"], events, EVERY_S) as names:
        await seconds(5 * EVERY_S)
        given = [names.address("redis.test:6379") for _ in range(4)]
    assert given[:2] == given[2:]
    assert set(given) == {("10.0.0.1", 6379), ("10.0.0.2", 6379)}


async def test_not_found_takes_the_address_away_and_a_silent_resolver_does_not(events: EventWriter, resolver: Resolver):
    resolver.says = ["10.0.0.1"]
    async with Names(["redis.test"], events, EVERY_S) as names:
        await seconds(5 * EVERY_S)
        resolver.says = socket.EAI_AGAIN
        await seconds(5 * EVERY_S)
        assert names.address("redis.test:6379") == ("10.0.0.1", 6379)
        resolver.says = socket.EAI_NONAME
        await seconds(5 * EVERY_S)
        assert names.address("redis.test:6379") is None
    assert [event.event.error for event in resolved(events.path)] == ["", "as told", "as told"]


async def test_a_name_may_be_followed_later(events: EventWriter, resolver: Resolver):
    resolver.says = ["10.0.0.1"]
    async with Names([], events) as names:
        assert names.address("redis.test:6379") is None
        names.follow("redis.test:6379")
        await seconds(0.1)
        assert names.address("redis.test:6379") == ("10.0.0.1", 6379)


async def test_an_operation_to_a_name_that_is_not_found_fails(tmp_path: Path, resolver: Resolver):
    resolver.says = socket.EAI_NONAME
    async with playing(tmp_path, new_and_kept("nowhere.test:6379")) as play:
        await seconds(0.2)
    assert outcomes_in_time(play.rows) == {(Outcome.FAILED, ErrorCode.NAME_NOT_FOUND)}


@pytest.mark.parametrize(
    ("name", "host", "port"),
    [
        ("a.b:6379", "a.b", 6379),
        ("10.0.0.1:80", "10.0.0.1", 80),
        ("[::1]:6379", "::1", 6379),
        ("::1:6379", "::1", 6379),
        ("bare", "bare", 0),
    ],
)
def test_split(name: str, host: str, port: int):
    assert split_address(name) == (host, port)


@pytest.mark.parametrize(
    ("address", "service"),
    [("redis:6379", "redis"), ("redis.ours.svc:6379", "redis"), ("10.0.0.1:6379", "10.0.0.1"), ("[::1]:6379", "::1")],
)
def test_the_service_that_an_address_names(address: str, service: str):
    assert service_in(address) == service


def test_literals_need_no_resolver():
    assert is_literal("10.0.0.1")
    assert is_literal("fd00::1")
    assert not is_literal("redis")


async def test_where_all_names_are_given_no_resolver_is_asked(events: EventWriter, resolver: Resolver):
    resolver.says = ["10.0.0.9"]
    async with Names(["here:6379", "elsewhere:6379"], events, EVERY_S, hosts={"here": "10.0.0.1"}) as names:
        await seconds(5 * EVERY_S)
        assert names.address("here:6379") == ("10.0.0.1", 6379)
        assert names.address("elsewhere:6379") is None
        assert names.connectable("here:6379") == "10.0.0.1:6379"
        assert names.connectable("elsewhere:6379") == "elsewhere:6379"
