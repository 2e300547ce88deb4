"""When trouble begins and is over: by rows and events of clients and Sentinels, and not by stalls of ours."""

from typing import Any

import pytest

from chaos.client.spec import ClientSpec
from chaos.model import ErrorCode, Outcome
from chaos.record.events import Event, Gap, Hiccup, Role, RoleLost, SentinelSaid, Stamped
from chaos.record.layout import NOBODY, Row
from chaos.watch.trouble import STILL_NS, Trouble

MS = 1_000_000
S = 1_000 * MS
STABLE_NS = 5 * S
MASTER = "master mymaster 10.0.0.1 6379"


def clients() -> list[ClientSpec]:
    ways: tuple[Any, ...] = ("new", "kept")
    return [
        ClientSpec(number=n, kind="meter", path="sentinel", connection=way, address="s:26379", rate_hz=20.0)
        for n, way in enumerate(ways)
    ]


def row(at_ns: int, client: int = 0, *, took_ns: int = MS, error: ErrorCode = ErrorCode.NONE) -> Row:
    outcome = Outcome.OK if error is ErrorCode.NONE else Outcome.UNKNOWN
    return Row(client, 0, at_ns // (50 * MS), at_ns, 100, took_ns // 1000, outcome, error, NOBODY, NOBODY, 0)


def said(channel: str, payload: str = MASTER, *, by: str = "a", at_ns: int = 0) -> Stamped[Event]:
    event = SentinelSaid(sentinel=by, channel=channel, payload=payload)
    return Stamped(event=event, domain="agent", at_ns=at_ns, since_ns=at_ns - 20 * MS)


@pytest.fixture
def trouble() -> Trouble:
    """Both clients have had a good operation."""
    found = Trouble(clients(), "mymaster", 100 * MS)
    for client in (0, 1):
        assert found.take_row(row(S, client)) == ""
    return found


def test_a_bad_operation_begins_it_between_the_last_good_one_and_itself(trouble: Trouble) -> None:
    assert trouble.take_row(row(S + 50 * MS, error=ErrorCode.REFUSED)) == "failed: sentinel/new, refused"
    assert trouble.since is not None
    assert (trouble.since.since_ns, trouble.since.at_ns) == (S + MS // 10, S + 50 * MS + MS // 10)
    assert trouble.take_row(row(S + 100 * MS, error=ErrorCode.REFUSED)) == ""
    assert trouble.take_row(row(S + 150 * MS)) == "back: sentinel/new"


def test_it_is_over_only_when_everybody_is_back_and_some_time_has_passed(trouble: Trouble) -> None:
    trouble.take_row(row(2 * S, error=ErrorCode.REFUSED))
    assert not trouble.is_over(STABLE_NS, 60 * S)
    trouble.take_row(row(3 * S))
    assert not trouble.is_over(STABLE_NS, 6 * S)
    assert trouble.is_over(STABLE_NS, 8 * S)


def test_an_operation_that_our_own_stall_made_late_is_no_trouble_and_a_refusal_always_is(trouble: Trouble) -> None:
    trouble.take_event(Stamped(event=Hiccup(late_ns=300 * MS), domain="agent", at_ns=2 * S + 200 * MS))
    trouble.take_row(row(2 * S, took_ns=250 * MS, error=ErrorCode.REPLY_TIMEOUT))
    trouble.take_row(row(2 * S, 1, took_ns=250 * MS))
    assert trouble.since is None
    trouble.take_row(row(2 * S, 1, took_ns=250 * MS, error=ErrorCode.REFUSED))
    assert trouble.since is not None


def test_a_short_stall_explains_no_late_operation(trouble: Trouble) -> None:
    trouble.take_event(Stamped(event=Hiccup(late_ns=20 * MS), domain="agent", at_ns=2 * S + 10 * MS))
    trouble.take_row(row(2 * S, took_ns=100 * MS, error=ErrorCode.REPLY_TIMEOUT))
    assert trouble.since is not None


def test_a_path_that_never_worked_is_no_trouble() -> None:
    trouble = Trouble(clients(), "mymaster", 100 * MS)
    trouble.take_row(row(S, error=ErrorCode.NAME_NOT_FOUND))
    assert trouble.since is None


def test_a_machine_that_slept_leaves_a_gap_until_each_client_was_good_again(trouble: Trouble) -> None:
    gap = Gap(source="agent/asleep", text="this machine was asleep for 3600 s")
    trouble.take_event(Stamped(event=gap, domain="agent", at_ns=2 * S, since_ns=S))
    assert trouble.slept
    for client in (0, 1):
        trouble.take_row(row(2 * S, client, error=ErrorCode.UNREACHABLE))
    assert trouble.since is None
    trouble.take_row(row(3 * S))
    trouble.take_row(row(3 * S + 50 * MS, error=ErrorCode.REFUSED))
    trouble.take_row(row(3 * S + 50 * MS, 1, error=ErrorCode.REFUSED))
    assert trouble.since is not None
    assert trouble.since.event.what.startswith("sentinel/new")


def test_sdown_of_the_master_begins_it_and_that_of_a_replica_does_not(trouble: Trouble) -> None:
    trouble.take_event(said("+sdown", "slave 10.0.0.2:6379 10.0.0.2 6379 @ mymaster 10.0.0.1 6379", at_ns=2 * S))
    assert trouble.since is None
    assert trouble.take_event(said("+sdown", at_ns=3 * S)) == "+sdown by a"
    assert trouble.since is not None
    assert not trouble.is_over(STABLE_NS, 30 * S)
    trouble.take_event(said("-sdown", at_ns=31 * S))
    assert trouble.is_over(STABLE_NS, 37 * S)


def test_a_sentinel_alone_that_calls_a_serving_master_down_holds_nothing_up_for_ever(trouble: Trouble) -> None:
    trouble.take_event(said("+sdown", at_ns=3 * S))
    assert trouble.is_over(STABLE_NS, 4 * S + STILL_NS)


def test_a_failover_of_another_master_of_the_same_sentinel_is_not_ours(trouble: Trouble) -> None:
    other = SentinelSaid(sentinel="a", channel="+sdown", payload="master theirs 10.0.9.1 6379")
    switch = SentinelSaid(sentinel="a", channel="+switch-master", payload="theirs 10.0.9.1 6379 10.0.9.2 6379")
    replica = SentinelSaid(sentinel="a", channel="+slave-reconf-sent", payload="slave x 1 2 @ theirs 10.0.9.1 6379")
    assert not any(map(trouble.is_ours, (other, switch, replica)))
    ours = SentinelSaid(sentinel="a", channel="+switch-master", payload="mymaster 10.0.0.1 6379 10.0.0.2 6379")
    assert trouble.is_ours(ours)


def test_a_failover_is_counted_once_whoever_tells_of_it(trouble: Trouble) -> None:
    trouble.take_event(said("+try-failover", at_ns=3 * S))
    assert not trouble.is_over(STABLE_NS, 20 * S)
    switch = "mymaster 10.0.0.1 6379 10.0.0.2 6379"
    told = [trouble.take_event(said("+switch-master", switch, by=by, at_ns=4 * S)) for by in "abc"]
    assert [bool(one) for one in told] == [True, False, False]
    assert trouble.failovers == ["10.0.0.2:6379"]
    assert trouble.is_over(STABLE_NS, 10 * S)


def test_while_two_redis_say_that_they_are_master_it_is_not_over(trouble: Trouble) -> None:
    def role(member: str, what: str, at_ns: int) -> Stamped[Event]:
        event = Role(
            member=member, address=member, run_id=member, role=what, master=None, link=None, syncing=False, offset=0
        )
        return Stamped(event=event, domain="agent", at_ns=at_ns)

    trouble.take_event(role("r0", "master", S))
    trouble.take_row(row(2 * S, error=ErrorCode.REFUSED))
    trouble.take_row(row(2 * S + 50 * MS))
    trouble.take_event(role("r1", "master", 3 * S))
    assert not trouble.is_over(STABLE_NS, 12 * S)
    lost = RoleLost(member="r0", address="r0", error="closed")
    trouble.take_event(Stamped(event=lost, domain="agent", at_ns=13 * S))
    assert not trouble.is_over(STABLE_NS, 14 * S)
    assert trouble.is_over(STABLE_NS, 18 * S + MS)
