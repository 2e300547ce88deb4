"""A cut as data, and the nftables messages that make it. Pure: nothing here touches the kernel.

The table drops every packet from and to each peer, in both directions, whatever the state of the flow: dropping one
direction only lets acknowledgements through and is another experiment. A peer behind a Service is cut by its own
address only where the namespace sees that address; a pod that dials a ClusterIP sees the ClusterIP instead.
"""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any

from pyroute2.netlink import NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REQUEST, nlmsg
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_NFTABLES, nfgen_msg
from pyroute2.netlink.nfnetlink.nftsocket import (
    NFPROTO_INET,
    NFT_MSG_DELTABLE,
    NFT_MSG_GETRULE,
    NFT_MSG_NEWCHAIN,
    NFT_MSG_NEWRULE,
    NFT_MSG_NEWTABLE,
    Cmp,
    Meta,
    Regs,
    nft_chain_msg,
    nft_rule_msg,
    nft_table_msg,
)

TABLE = "failover_harness"
"""Our own table, family inet: removed by its name, so that nobody else's rules are ever touched."""

BATCH_BEGIN, BATCH_END = 0x10, 0x11
NETWORK_HEADER = 1
NF_DROP, NF_ACCEPT = 0, 1
PRIORITY = -300
"""Of raw: before connection tracking, so that a dropped packet leaves no trace in it."""


@dataclass(frozen=True, slots=True)
class Side:
    """A hook of the namespace, and where the peer's address is in the header of a packet that passes it."""

    chain: str
    hook: int
    offset_v4: int
    offset_v6: int


SIDES = (Side("input", 1, 12, 8), Side("output", 3, 16, 24))


@dataclass(frozen=True, slots=True)
class Cut:
    """Addresses that the namespace exchanges no packet with."""

    peers: tuple[str, ...]


def applying(cut: Cut) -> list[nlmsg]:
    """The messages of one transaction that replaces our table, whether it is there or not."""
    return [*clearing(), _table(), *_chains(), *_rules(cut.peers)]


def clearing() -> list[nlmsg]:
    """The messages that remove our table. Adding it first makes the removal good where it is not there."""
    return [_table(), _message(nft_table_msg, NFT_MSG_DELTABLE, [["NFTA_TABLE_NAME", TABLE]])]


def batch(messages: Sequence[nlmsg]) -> bytes:
    """One atomic transaction: the kernel commits all of it or nothing, and acknowledges the last of `messages`.

    They are numbered from 1, so that the last has the number `len(messages)`; a failing one is answered with its own.
    """
    framed = [_border(BATCH_BEGIN), *messages, _border(BATCH_END)]
    messages[-1]["header"]["flags"] |= NLM_F_ACK
    for number, message in enumerate(framed):
        message["header"]["sequence_number"] = number
        message.encode()
    return b"".join(bytes(message.data) for message in framed)


def listing() -> bytes:
    """A request for every rule of our table, with its counter; its answer ends with NLMSG_DONE."""
    message = _message(nft_rule_msg, NFT_MSG_GETRULE, [["NFTA_RULE_TABLE", TABLE]])
    message["header"]["flags"] = NLM_F_REQUEST | NLM_F_DUMP
    message.encode()
    return bytes(message.data)


def dropped_by(rule: bytes) -> int:
    """Packets that one rule of a listing has dropped so far."""
    message = nft_rule_msg(rule)
    message.decode()
    counts = [
        expression.get_attr("NFTA_EXPR_DATA").get_attr("NFTA_COUNTER_PACKETS")
        for expression in message.get_attr("NFTA_RULE_EXPRESSIONS")
        if expression.get_attr("NFTA_EXPR_NAME") == "counter"
    ]
    return sum(counts)


def _table() -> nlmsg:
    return _message(nft_table_msg, NFT_MSG_NEWTABLE, [["NFTA_TABLE_NAME", TABLE]])


def _chains() -> Iterator[nlmsg]:
    for side in SIDES:
        hook = [["NFTA_HOOK_HOOKNUM", side.hook], ["NFTA_HOOK_PRIORITY", PRIORITY]]
        yield _message(
            nft_chain_msg,
            NFT_MSG_NEWCHAIN,
            [
                ["NFTA_CHAIN_TABLE", TABLE],
                ["NFTA_CHAIN_NAME", side.chain],
                ["NFTA_CHAIN_HOOK", {"attrs": hook}],
                ["NFTA_CHAIN_POLICY", NF_ACCEPT],
                ["NFTA_CHAIN_TYPE", "filter"],
            ],
        )


def _rules(peers: Sequence[str]) -> Iterator[nlmsg]:
    for side in SIDES:
        for peer in peers:
            attributes = [["NFTA_RULE_TABLE", TABLE], ["NFTA_RULE_CHAIN", side.chain]]
            yield _message(
                nft_rule_msg, NFT_MSG_NEWRULE, [*attributes, ["NFTA_RULE_EXPRESSIONS", _dropping(peer, side)]]
            )


def _dropping(peer: str, side: Side) -> list[dict[str, Any]]:
    """`meta nfproto ipvN, ip saddr|daddr PEER, counter, drop`. The counter proves that the cut has bitten."""
    address = ip_address(peer)
    six = isinstance(address, IPv6Address)
    family = socket.AF_INET6 if six else socket.AF_INET
    payload = {
        "DREG": Regs.NFT_REG_1,
        "BASE": NETWORK_HEADER,
        "OFFSET": side.offset_v6 if six else side.offset_v4,
        "LEN": len(address.packed),
    }
    verdict = {"attrs": [["NFTA_DATA_VERDICT", {"attrs": [["NFTA_VERDICT_CODE", NF_DROP]]}]]}
    return [
        _expression("meta", DREG=Regs.NFT_REG_1, KEY=Meta.NFT_META_NFPROTO),
        _equals(bytes([family])),
        _expression("payload", **payload),
        _equals(address.packed),
        _expression("counter"),
        _expression("immediate", DREG=Regs.NFT_REG_VERDICT, DATA=verdict),
    ]


def _equals(value: bytes) -> dict[str, Any]:
    data = {"attrs": [["NFTA_DATA_VALUE", value]]}
    return _expression("cmp", SREG=Regs.NFT_REG_1, OP=Cmp.NFT_CMP_EQ, DATA=data)


def _expression(name: str, **attributes: object) -> dict[str, Any]:
    data = {"attrs": [[f"NFTA_{name.upper()}_{key}", value] for key, value in attributes.items()]}
    return {"attrs": [["NFTA_EXPR_NAME", name], ["NFTA_EXPR_DATA", data]]}


def _message(kind: type[nlmsg], number: int, attributes: list[list[Any]]) -> nlmsg:
    message = kind()
    message["attrs"] = attributes
    message["nfgen_family"] = NFPROTO_INET
    message["header"]["type"] = (NFNL_SUBSYS_NFTABLES << 8) | number
    message["header"]["flags"] = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND
    return message


def _border(number: int) -> nlmsg:
    message = nfgen_msg()
    message["res_id"] = NFNL_SUBSYS_NFTABLES
    message["header"]["type"] = number
    message["header"]["flags"] = NLM_F_REQUEST
    return message
