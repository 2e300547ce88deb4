"""A cut as data, and the nftables messages that make it. Nothing here touches the kernel.

The table drops every packet from and to each peer, in both directions, whatever the state of the flow. To drop packets
in one direction only would let acknowledgements through, and would be another experiment. A cut of a peer's address has
no effect on a pod that reaches this peer through a Service, since that pod's namespace sees the ClusterIP instead.
"""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from pyroute2.netlink import nlmsg
from pyroute2.netlink.nfnetlink.nftsocket import NFPROTO_INET, Meta, nft_rule_msg

from chaos.net.messages import (
    INPUT,
    NETWORK_HEADER,
    NF_DROP,
    OUTPUT,
    Expression,
    Hook,
    OwnTable,
    equals,
    expression,
    meta,
    payload,
    verdict,
)

TABLE = OwnTable("failover_harness", NFPROTO_INET)

PRIORITY = -300
"""The priority of `raw`: before connection tracking, so that a dropped packet leaves no trace there."""


@dataclass(frozen=True, slots=True)
class Side:
    """A hook of the namespace, and where the peer's address is in the header of a packet that passes it."""

    chain: str
    hook: int
    offset_v4: int
    offset_v6: int


SIDES = (Side("input", INPUT, 12, 8), Side("output", OUTPUT, 16, 24))


@dataclass(frozen=True, slots=True)
class Cut:
    """Addresses that the namespace exchanges no packet with."""

    peers: tuple[str, ...]


def applying(cut: Cut) -> list[nlmsg]:
    """The messages of one transaction that replaces our table, or makes it."""
    chains = [TABLE.chain(side.chain, Hook("filter", side.hook, PRIORITY)) for side in SIDES]
    return [*TABLE.clearing(), TABLE.adding(), *chains, *_rules(cut.peers)]


def dropped_by(rule: bytes) -> int:
    """How many packets one rule of a listing has dropped so far."""
    message = nft_rule_msg(rule)
    message.decode()
    counts = [
        expression.get_attr("NFTA_EXPR_DATA").get_attr("NFTA_COUNTER_PACKETS")
        for expression in message.get_attr("NFTA_RULE_EXPRESSIONS")
        if expression.get_attr("NFTA_EXPR_NAME") == "counter"
    ]
    return sum(counts)


def _rules(peers: Sequence[str]) -> Iterator[nlmsg]:
    for side in SIDES:
        for peer in peers:
            yield TABLE.rule(side.chain, *_dropping(peer, side))


def _dropping(peer: str, side: Side) -> list[Expression]:
    """`meta nfproto ipvN, ip saddr|daddr PEER, counter, drop`. The counter proves that the cut has bitten."""
    address = ip_address(peer)
    six = isinstance(address, IPv6Address)
    family = socket.AF_INET6 if six else socket.AF_INET
    return [
        meta(Meta.NFT_META_NFPROTO),
        equals(bytes([family])),
        payload(NETWORK_HEADER, side.offset_v6 if six else side.offset_v4, len(address.packed)),
        equals(address.packed),
        expression("counter"),
        verdict(NF_DROP),
    ]
