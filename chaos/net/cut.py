"""A cut as data, and the nftables messages that make it. Nothing here touches the kernel.

The rules decide on every packet to and from each peer, even of an established connection. `way` chooses the direction.
(A cut of one direction still lets the acknowledgements of the other pass, and is a different experiment.) A cut of a
peer's address does not affect a pod that reaches this peer through a Service, because the pod's namespace sees the
ClusterIP instead.
"""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from pyroute2.netlink import nlmsg
from pyroute2.netlink.nfnetlink.nftsocket import NFPROTO_INET, Cmp, Meta, nft_rule_msg

from chaos.model import Way
from chaos.net.messages import (
    FIRST,
    INPUT,
    NETWORK_HEADER,
    NF_DROP,
    OUTPUT,
    TRANSPORT_HEADER,
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
"""The priority of `raw`, which is before connection tracking, so that a dropped packet leaves no trace there."""
NG_RANDOM, HTON, TCP_RESET = 1, 1, 1
"""The kernel's constants for a random number, for network byte order, and for a rejection by TCP reset."""
TCP_FLAGS, RESET = 13, 4
"""The offset of the flags in a TCP header, and the bit of a reset."""


@dataclass(frozen=True, slots=True)
class Side:
    """A hook of the namespace, and the offset of the peer's address in the headers of packets that pass it."""

    chain: str
    hook: int
    way: Way
    offset_v4: int
    offset_v6: int


SIDES = (Side("input", INPUT, "in", 12, 8), Side("output", OUTPUT, "out", 16, 24))


@dataclass(frozen=True, slots=True)
class Cut:
    """Addresses that the namespace exchanges no packets with.

    With `reject`, a connection that sends is reset, instead of its packets being dropped silently. With `percent` below
    100, only that share of the packets is dropped, at random, as on a lossy link.
    """

    peers: tuple[str, ...]
    way: Way = "both"
    reject: bool = False
    percent: int = 100


def applying(cut: Cut) -> list[nlmsg]:
    """Return the messages of one transaction that creates or replaces our table."""
    sides = [side for side in SIDES if cut.way in ("both", side.way)]
    chains = [TABLE.chain(side.chain, Hook("filter", side.hook, PRIORITY)) for side in sides]
    rules = [TABLE.rule(side.chain, *_stopping(peer, side, cut)) for side in sides for peer in cut.peers]
    return [*TABLE.clearing(), TABLE.adding(), *chains, *rules]


def dropped_by(rule: bytes) -> int:
    """Return how many packets one rule has dropped, from the rule's message in a listing."""
    message = nft_rule_msg(rule)
    message.decode()
    counts = [
        expression.get_attr("NFTA_EXPR_DATA").get_attr("NFTA_COUNTER_PACKETS")
        for expression in message.get_attr("NFTA_RULE_EXPRESSIONS")
        if expression.get_attr("NFTA_EXPR_NAME") == "counter"
    ]
    return sum(counts)


def _stopping(peer: str, side: Side, cut: Cut) -> Iterator[Expression]:
    """Yield `meta nfproto ipvN, ip saddr|daddr PEER, counter, drop`.

    The counter proves that the cut has dropped packets.
    """
    address = ip_address(peer)
    six = isinstance(address, IPv6Address)
    yield meta(Meta.NFT_META_NFPROTO)
    yield equals(bytes([socket.AF_INET6 if six else socket.AF_INET]))
    yield payload(NETWORK_HEADER, side.offset_v6 if six else side.offset_v4, len(address.packed))
    yield equals(address.packed)
    if cut.reject:  # the reset that our own rule sends must not be stopped by the other rules
        yield payload(TRANSPORT_HEADER, TCP_FLAGS, 1)
        mask = {"attrs": [["NFTA_DATA_VALUE", bytes([RESET])]]}
        nothing = {"attrs": [["NFTA_DATA_VALUE", bytes(1)]]}
        yield expression("bitwise", SREG=FIRST, DREG=FIRST, LEN=1, MASK=mask, XOR=nothing)
        yield equals(bytes(1))
    if cut.percent < 100:  # the kernel compares byte by byte, so both numbers are in network byte order
        yield expression("numgen", prefix="NG", DREG=FIRST, MODULUS=100, TYPE=NG_RANDOM, OFFSET=0)
        yield expression("byteorder", SREG=FIRST, DREG=FIRST, OP=HTON, LEN=4, SIZE=4)
        below = {"attrs": [["NFTA_DATA_VALUE", cut.percent.to_bytes(4, "big")]]}
        yield expression("cmp", SREG=FIRST, OP=Cmp.NFT_CMP_LT, DATA=below)
    yield expression("counter")
    yield expression("reject", TYPE=TCP_RESET, ICMP_CODE=0) if cut.reject else verdict(NF_DROP)
