"""What is told while a trial runs, and when a failover counts as over."""

from chaos.experiment.observed import Seen
from chaos.progress import Message
from chaos.record.events import Event
from tests.saying import event

OLD, NEW = "10.0.0.1:6379", "10.0.0.2:6379"


def said(channel: str, payload: str = "master mymaster 10.0.0.1 6379") -> Event:
    return event("sentinel.event", sentinel="a", channel=channel, payload=payload)


def endpoints(service: str, *ips: str) -> Event:
    return event("endpoints", service=service, endpoints=[{"ip": ip, "pod": f"pod-{ip}", "ready": True} for ip in ips])


class Watched:
    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.seen = Seen(self.messages.append)

    @property
    def told(self) -> list[tuple[str, float]]:
        return [(one.data["name"], one.data["at_s"]) for one in self.messages]


def test_what_comes_before_t0_is_known_is_told_once_it_is() -> None:
    """A proof takes longer than the first effects do."""
    watched = Watched()
    watched.seen.arm(OLD)
    watched.seen.apply(said("+sdown"), 6_000_000_000)
    assert watched.told == []

    watched.seen.begin(1_000_000_000)
    watched.seen.apply(said("+sdown"), 7_000_000_000)
    assert watched.told == [("detection", 5.0)]


def test_nothing_counts_before_a_fault() -> None:
    watched = Watched()
    watched.seen.apply(said("+sdown"), 1)
    watched.seen.arm(OLD)
    watched.seen.begin(2)

    assert watched.told == []


def test_a_replica_that_is_down_is_no_detection() -> None:
    watched = Watched()
    watched.seen.arm(OLD)
    watched.seen.begin(0)
    watched.seen.apply(said("+sdown", "slave 10.0.0.3:6379 10.0.0.3 6379 @ mymaster 10.0.0.1 6379"), 1)

    assert watched.told == []


def test_a_failover_is_over_when_it_switched_and_every_replica_was_reconfigured() -> None:
    seen = Watched().seen
    seen.arm(OLD)
    for channel in ("+try-failover", "+switch-master"):
        seen.apply(said(channel), 1)
    assert not seen.over

    seen.apply(said("+failover-end"), 2)
    assert seen.over


def test_an_aborted_failover_is_not_over() -> None:
    seen = Watched().seen
    seen.arm(OLD)
    for channel in ("+try-failover", "-failover-abort-no-good-slave"):
        seen.apply(said(channel), 1)

    assert not seen.over


def test_a_master_that_still_calls_itself_one_is_no_promotion() -> None:
    watched = Watched()
    watched.seen.arm(OLD)
    watched.seen.begin(0)
    watched.seen.apply(event("role", member="zero", address=OLD, role="master"), 1)
    assert watched.told == []

    watched.seen.apply(event("role", member="one", address=NEW, role="master"), 2_000_000_000)
    assert watched.told == [("promotion", 2.0)]


def test_only_services_that_named_the_master_alone_are_watched_for_their_endpoint() -> None:
    """A headless Service names every pod before and after."""
    watched = Watched()
    watched.seen.apply(endpoints("master", "10.0.0.1"), 0)
    watched.seen.apply(endpoints("all", "10.0.0.1", "10.0.0.2"), 0)
    watched.seen.arm(OLD)
    watched.seen.begin(0)
    watched.seen.apply(endpoints("all", "10.0.0.2"), 1)
    watched.seen.apply(endpoints("master"), 2)
    watched.seen.apply(endpoints("master", "10.0.0.2"), 3_000_000_000)

    assert watched.told == [("endpoint", 3.0)]
    assert watched.messages[0].data["text"] == "master → pod-10.0.0.2"


def test_a_failover_that_the_sentinels_were_made_to_forget_is_over() -> None:
    """The operator's resync can send SENTINEL RESET between the promotion and the switch: no end is told then."""
    watched = Watched()
    watched.seen.arm(OLD)
    watched.seen.apply(said("+reset-master"), 1)
    assert not watched.seen.over
    watched.seen.apply(event("role", member="pod-1", role="master", address=NEW), 2)
    watched.seen.apply(said("+reset-master"), 3)
    assert watched.seen.over


def proxy(*up: str) -> Event:
    """Of three servers that are called by the last figure of their first addresses."""
    servers = [
        {"backend": "redis", "server": f"redis-{ip[-1]}", "address": f"{ip}:6379", "up": ip in up}
        for ip in ("10.0.0.1", "10.0.0.2", "10.0.9.1")
    ]
    return event("proxy.servers", proxy="haproxy", servers=servers)


def test_a_proxy_is_told_of_once_it_leads_to_whoever_was_promoted() -> None:
    """Not when the old master's name leads to its new pod while HAProxy still calls that server up."""
    watched = Watched()
    watched.seen.apply(proxy("10.0.0.1"), 0)
    watched.seen.arm(OLD)
    watched.seen.begin(0)
    watched.seen.apply(proxy("10.0.9.1"), 1_000_000_000)
    watched.seen.apply(event("role", member="one", address=NEW, role="master"), 2_000_000_000)
    watched.seen.apply(proxy(), 3_000_000_000)
    watched.seen.apply(proxy("10.0.0.2"), 4_000_000_000)

    assert watched.told == [("promotion", 2.0), ("endpoint", 4.0)]
    assert watched.messages[-1].data["text"] == "haproxy, redis → redis-2"
