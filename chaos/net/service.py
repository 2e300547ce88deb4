"""A Kubernetes Service as data, and the nftables messages that take the place of kube-proxy.

The rules apply to one network namespace and to connections that begin there. As with kube-proxy, a new connection goes
to a random endpoint, and an established one stays there; connection tracking does this. The namespace needs a route for
the Service's address. Without one, a client is told at once that the network is unreachable. A cut of an endpoint's
address in this namespace drops only answers, because at that point packets to the endpoint still have the Service's
address. To cut both directions, cut at the endpoint, or cut the Service's address.

A Service without endpoints refuses connections as on a real node: the kernel sends ICMP errors to a client, at most six
at once and then one a second (inet_peer_xrlim_allow), and drops all other packets, which the client sees as a timeout.
The kernel does not apply this limit within a namespace, so a rule does. The count restarts when the Services are
replaced.
"""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from pyroute2.netlink import nlmsg
from pyroute2.netlink.nfnetlink.nftsocket import NFPROTO_IPV4, Meta

from chaos.net.messages import (
    FIRST,
    NETWORK_HEADER,
    NF_DROP,
    NFT_JUMP,
    OUTPUT,
    SECOND,
    TRANSPORT_HEADER,
    Expression,
    Hook,
    OwnTable,
    equals,
    expression,
    load,
    meta,
    payload,
    verdict,
)

TABLE = OwnTable("failover_services", NFPROTO_IPV4)

FORWARD, LACKING, REFUSE = "forward", "lacking", "refuse"
HOOKS = {FORWARD: Hook("nat", OUTPUT, -100), LACKING: Hook("filter", OUTPUT, 0)}
"""The hooks with the priorities of dstnat and filter. A forwarded packet no longer has the Service's address in the
second, so it is not refused."""

REFUSALS_A_SECOND, REFUSALS_AT_ONCE = 1, 6
"""The limit of ICMP errors to one peer: the default of net.ipv4.icmp_ratelimit, and XRLIM_BURST_FACTOR in icmp.c."""

DESTINATION_ADDRESS, DESTINATION_PORT = (NETWORK_HEADER, 16, 4), (TRANSPORT_HEADER, 2, 2)
RANDOM, DNAT = 1, 1
ICMP_UNREACHABLE, PORT_UNREACHABLE = 0, 3


@dataclass(frozen=True, slots=True)
class Service:
    """An IPv4 address and TCP port that lead to any of `endpoints`, each an (address, port)."""

    address: str
    port: int
    endpoints: tuple[tuple[str, int], ...]


def applying(services: Sequence[Service]) -> list[nlmsg]:
    """Return the messages of one transaction that replaces all Services of the namespace."""
    chains = [TABLE.chain(REFUSE), *(TABLE.chain(name, hook) for name, hook in HOOKS.items())]
    rules = [rule for service in services for rule in _rules(service)]
    return [*TABLE.clearing(), TABLE.adding(), *chains, *_refusing(), *rules]


def _rules(service: Service) -> Iterator[nlmsg]:
    """Yield the rules of a Service.

    Of n endpoints the first takes 1/n of the connections, the second 1/(n-1) of the others, and the last all that are
    left.
    """
    if not service.endpoints:
        yield TABLE.rule(LACKING, *_to(service), verdict(NFT_JUMP, REFUSE))
    for left, endpoint in zip(range(len(service.endpoints), 0, -1), service.endpoints, strict=True):
        chance = _one_in(left) if left > 1 else []
        yield TABLE.rule(FORWARD, *_to(service), *chance, *_forwarding(*endpoint))


def _refusing() -> list[nlmsg]:
    """Return the rules that refuse connections: six at once, then one a second, by an ICMP error; the rest in silence.

    The limit is one for all Services.
    """
    limit = expression("limit", RATE=REFUSALS_A_SECOND, UNIT=1, BURST=REFUSALS_AT_ONCE, TYPE=0, FLAGS=0)
    reject = expression("reject", TYPE=ICMP_UNREACHABLE, ICMP_CODE=PORT_UNREACHABLE)
    return [TABLE.rule(REFUSE, limit, reject), TABLE.rule(REFUSE, verdict(NF_DROP))]


def _to(service: Service) -> list[Expression]:
    """Return what matches a packet to the Service, as in `ip daddr ADDRESS tcp dport PORT`."""
    return [
        payload(*DESTINATION_ADDRESS),
        equals(IPv4Address(service.address).packed),
        meta(Meta.NFT_META_L4PROTO),
        equals(bytes([socket.IPPROTO_TCP])),
        payload(*DESTINATION_PORT),
        equals(_network_order(service.port)),
    ]


def _one_in(count: int) -> list[Expression]:
    """Return what matches one packet of COUNT by chance, as in `numgen random mod COUNT 0`."""
    return [expression("numgen", "NG", DREG=FIRST, MODULUS=count, TYPE=RANDOM, OFFSET=0), equals(bytes(4))]


def _forwarding(address: str, port: int) -> list[Expression]:
    """Return what sends a connection on to an address, as in `dnat to ADDRESS:PORT`."""
    return [
        load(FIRST, IPv4Address(address).packed),
        load(SECOND, _network_order(port)),
        expression("nat", TYPE=DNAT, FAMILY=NFPROTO_IPV4, REG_ADDR_MIN=FIRST, REG_PROTO_MIN=SECOND),
    ]


def _network_order(port: int) -> bytes:
    return port.to_bytes(2, "big")
