"""The stand-in of a Service: its messages without a kernel, then new and old connections in real namespaces."""

import os
from collections import Counter
from collections.abc import Iterator

import pytest
from pyroute2.netlink.nfnetlink.nftsocket import nft_rule_msg

from chaos.net.cut import Cut
from chaos.net.nft import Services, Table
from chaos.net.service import FORWARD, LACKING, Service, applying
from tests.net.spaces import HERE, THERE, Space, Talker, talking

ADDRESS = "10.96.0.10"
PORTS = (7001, 7002, 7003)
ENDPOINTS = tuple((THERE, port) for port in PORTS)
NAMED = f"""
import selectors, socket
ready = selectors.DefaultSelector()
servers = {{socket.create_server(("{THERE}", port)): port for port in {PORTS}}}
for server in servers:
    ready.register(server, selectors.EVENT_READ, servers[server])
print("ready")
while True:
    for key, _ in ready.select():
        if key.fileobj in servers:
            ready.register(key.fileobj.accept()[0], selectors.EVENT_READ, key.data)
        elif key.fileobj.recv(100):
            key.fileobj.sendall(b"%d\\n" % key.data)
        else:
            ready.unregister(key.fileobj)
            key.fileobj.close()
"""
"""Each connection is told, as often as it asks, which port it came to."""
ASK = f"""
import socket, sys
kept = None
for line in sys.stdin:
    try:
        flow = kept if line == "kept\\n" else socket.create_connection(("{ADDRESS}", 6379), 0.3)
        flow.settimeout(60)
        flow.sendall(b"?")
        print(flow.recv(100).decode().strip())
    except OSError as error:
        print(type(error).__name__)
        continue
    kept = kept or flow
"""
"""Asks on a new connection; on the first of all for the word `kept`. The kernel connects within 0.3 s or never."""


def asks_often(client: Talker, times: int) -> Counter[str]:
    return Counter(client.say() for _ in range(times))


@pytest.fixture
def client(spaces: tuple[Space, Space]) -> Iterator[Talker]:
    """In the first namespace; the endpoints are in the second, and so is the way to everything else."""
    spaces[0].run("ip", "route", "add", "default", "via", THERE)
    with talking(spaces, ASK, NAMED) as client:
        yield client


@pytest.fixture
def services(spaces: tuple[Space, Space]) -> Iterator[Services]:
    namespace = spaces[0].open()
    opened = Services.within(namespace)
    yield opened
    opened.close()
    os.close(namespace)


def service(*endpoints: tuple[str, int], port: int = 6379) -> Service:
    return Service(ADDRESS, port, endpoints)


@pytest.mark.parametrize(("count", "chain"), [(0, LACKING), (1, FORWARD), (3, FORWARD)])
def test_a_service_has_a_rule_for_each_endpoint_or_one_that_refuses(count, chain):
    rules = [message for message in applying([service(*ENDPOINTS[:count])]) if isinstance(message, nft_rule_msg)]
    chains = [rule.get_attr("NFTA_RULE_CHAIN") for rule in rules]

    assert chains == ["refuse", "refuse", *[chain] * max(count, 1)]


def test_an_address_must_be_one_of_version_4():
    with pytest.raises(ValueError, match="4 octets"):
        applying([Service("redis", 6379, ())])
    with pytest.raises(ValueError, match="4 octets"):
        applying([service(("fd00::1", 6379))])


@pytest.mark.netns
def test_the_kernel_understands_what_is_meant(spaces, services):
    services.apply([service(*ENDPOINTS), service(port=26379)])
    rules = spaces[0].run("nft", "-n", "list", "table", "ip", "failover_services")

    assert [line.strip() for line in rules.splitlines() if " dport " in line or "limit" in line] == [
        "limit rate 1/second burst 6 packets reject",
        f"ip daddr {ADDRESS} tcp dport 6379 numgen random mod 3 0 dnat to {THERE}:7001",
        f"ip daddr {ADDRESS} tcp dport 6379 numgen random mod 2 0 dnat to {THERE}:7002",
        f"ip daddr {ADDRESS} tcp dport 6379 dnat to {THERE}:7003",
        f"ip daddr {ADDRESS} tcp dport 26379 jump refuse",
    ]


@pytest.mark.netns
def test_a_new_connection_follows_and_an_established_one_stays(services, client):
    services.apply([service((THERE, 7001))])
    assert client.say() == "7001"
    services.apply([service((THERE, 7002))])
    assert client.say() == "7002"
    assert client.say("kept") == "7001"
    services.apply([service()])
    assert client.say("kept") == "7001"


@pytest.mark.netns
def test_every_endpoint_gets_its_share_of_new_connections(services, client):
    services.apply([service(*ENDPOINTS)])

    shares = asks_often(client, 300)
    assert set(shares) == {"7001", "7002", "7003"}
    assert min(shares.values()) > 60  # 100 each; 60 is five standard deviations away


@pytest.mark.netns
def test_without_an_endpoint_a_client_is_refused_six_times_and_then_once_a_second(services, client):
    services.apply([service()])

    assert asks_often(client, 6) == {"ConnectionRefusedError": 6}
    later = [client.say() for _ in range(12)]  # 0.3 s for each that times out
    assert later[0] == "TimeoutError"
    assert later.count("ConnectionRefusedError") in range(1, 6)


@pytest.mark.netns
def test_an_endpoint_that_comes_back_is_found(services, client):
    services.apply([service()])
    assert client.say() == "ConnectionRefusedError"
    services.apply([service((THERE, 7003))])
    assert client.say() == "7003"


@pytest.mark.netns
def test_applying_again_replaces_all_of_it(spaces, services):
    services.apply([service(*ENDPOINTS), Service("10.96.0.99", 26379, ENDPOINTS)])
    services.apply([service((THERE, 7002))])

    rules = spaces[0].run("nft", "list", "ruleset")
    assert rules.count("table ip") == 1
    assert rules.count(" dport ") == 1
    assert "10.96.0.99" not in rules


@pytest.mark.netns
@pytest.mark.parametrize(("side", "peer"), [(0, ADDRESS), (0, THERE), (1, HERE)])
def test_a_cut_holds_for_a_service_too_and_leaves_it_when_it_ends(spaces, services, client, side, peer):
    """Of the endpoint's address a client's namespace drops the answers only: what is sent has the Service's."""
    namespace = spaces[side].open()
    table = Table.within(namespace)
    services.apply([service((THERE, 7001))])
    table.apply(Cut((peer,)))
    assert client.say() == "TimeoutError"
    services.apply([service((THERE, 7002))])
    assert client.say() == "TimeoutError"
    table.clear()
    assert client.say() == "7002"
    table.close()
    os.close(namespace)
