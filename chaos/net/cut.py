"""A cut as data, and the nftables messages that make it. Nothing here touches the kernel.

The table decides on every packet from and to each peer, whatever the state of the flow. To stop packets in one
direction only lets acknowledgements of the other through, and is another experiment: `way` says which. A cut of a
peer's address has no effect on a pod that reaches this peer through a Service, since that pod's namespace sees the
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
"""The priority of `raw`: before connection tracking, so that a dropped packet leaves no trace there."""
NG_RANDOM, HTON, TCP_RESET = 1, 1, 1
"""The kernel's numbers of a random number, of the order of bytes on the wire, and of a rejection by a TCP reset."""
TCP_FLAGS, RESET = 13, 4
"""Where the flags of a TCP packet are in its header, and the one of a reset."""


@dataclass(frozen=True, slots=True)
class Side:
    """A hook of the namespace, and where the peer's address is in the header of a packet that passes it."""

    chain: str
    hook: int
    way: Way
    offset_v4: int
    offset_v6: int


SIDES = (Side("input", INPUT, "in", 12, 8), Side("output", OUTPUT, "out", 16, 24))


@dataclass(frozen=True, slots=True)
class Cut:
    """Addresses that the namespace exchanges no packet with.

    `reject` resets a connection that sends, instead of dropping its packets in silence. Of `percent` below 100 only
    that share of the packets is dropped, at random: a lossy link.
    """

    peers: tuple[str, ...]
    way: Way = "both"
    reject: bool = False
    percent: int = 100


def applying(cut: Cut) -> list[nlmsg]:
    """Return the messages of one transaction that replaces our table, or makes it."""
    sides = [side for side in SIDES if cut.way in ("both", side.way)]
    chains = [TABLE.chain(side.chain, Hook("filter", side.hook, PRIORITY)) for side in sides]
    rules = [TABLE.rule(side.chain, *_stopping(peer, side, cut)) for side in sides for peer in cut.peers]
    return [*TABLE.clearing(), TABLE.adding(), *chains, *rules]


def dropped_by(rule: bytes) -> int:
    """Return how many packets one rule of a listing has dropped so far."""
    message = nft_rule_msg(rule)
    message.decode()
    counts = [
        expression.get_attr("NFTA_EXPR_DATA").get_attr("NFTA_COUNTER_PACKETS")
        for expression in message.get_attr("NFTA_RULE_EXPRESSIONS")
        if expression.get_attr("NFTA_EXPR_NAME") == "counter"
    ]
    return sum(counts)


def _stopping(peer: str, side: Side, cut: Cut) -> Iterator[Expression]:
    """`meta nfproto ipvN, ip saddr|daddr PEER, counter, drop`. The counter proves that the cut has bitten."""
    address = ip_address(peer)
    six = isinstance(address, IPv6Address)
    yield meta(Meta.NFT_META_NFPROTO)
    yield equals(bytes([socket.AF_INET6 if six else socket.AF_INET]))
    yield payload(NETWORK_HEADER, side.offset_v6 if six else side.offset_v4, len(address.packed))
    yield equals(address.packed)
    if cut.reject:  # a reset that a rule of ours has sent passes the other rules
        yield payload(TRANSPORT_HEADER, TCP_FLAGS, 1)
        mask = {"attrs": [["NFTA_DATA_VALUE", bytes([RESET])]]}
        nothing = {"attrs": [["NFTA_DATA_VALUE", bytes(1)]]}
        yield expression("bitwise", SREG=FIRST, DREG=FIRST, LEN=1, MASK=mask, XOR=nothing)
        yield equals(bytes(1))
    if cut.percent < 100:  # per cent; a number is compared byte by byte, and so as on the wire
        yield expression("numgen", prefix="NG", DREG=FIRST, MODULUS=100, TYPE=NG_RANDOM, OFFSET=0)
        yield expression("byteorder", SREG=FIRST, DREG=FIRST, OP=HTON, LEN=4, SIZE=4)
        below = {"attrs": [["NFTA_DATA_VALUE", cut.percent.to_bytes(4, "big")]]}
        yield expression("cmp", SREG=FIRST, OP=Cmp.NFT_CMP_LT, DATA=below)
    yield expression("counter")
    yield expression("reject", TYPE=TCP_RESET, ICMP_CODE=0) if cut.reject else verdict(NF_DROP)
