"""The netlink messages of an nftables table, and the expressions that its rules consist of. Nothing touches the kernel.

Our tables are removed by name, so that the rules of others are never touched.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pyroute2.netlink import NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_ERROR, nlmsg
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_NFTABLES, nfgen_msg
from pyroute2.netlink.nfnetlink.nftsocket import (
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

INPUT, OUTPUT = 1, 3
"""The kernel's numbers of a namespace's hooks."""
NF_DROP, NF_ACCEPT, NFT_JUMP = 0, 1, -3
NETWORK_HEADER, TRANSPORT_HEADER = 1, 2
FIRST, SECOND = Regs.NFT_REG_1, Regs.NFT_REG_2

HEADER, ERROR = struct.Struct("=IHHII"), struct.Struct("=i")
"""The header of every netlink message, and the error number that follows it in an answer."""

Attributes = list[list[Any]]
Expression = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hook:
    """The hook of a chain, which decides which packets pass the chain. `kind` is filter or nat."""

    kind: str
    number: int
    priority: int


@dataclass(frozen=True, slots=True)
class OwnTable:
    """One of our tables. `family` is one of NFPROTO_*."""

    name: str
    family: int

    def clearing(self) -> list[nlmsg]:
        """Return the messages that remove the table. It is added first, so that the removal cannot fail."""
        return [self.adding(), self._message(nft_table_msg, NFT_MSG_DELTABLE, [["NFTA_TABLE_NAME", self.name]])]

    def adding(self) -> nlmsg:
        return self._message(nft_table_msg, NFT_MSG_NEWTABLE, [["NFTA_TABLE_NAME", self.name]])

    def chain(self, name: str, hook: Hook | None = None) -> nlmsg:
        """Return the message that adds a chain with the policy accept. Without a hook, rules can jump to the chain."""
        attributes: Attributes = [["NFTA_CHAIN_TABLE", self.name], ["NFTA_CHAIN_NAME", name]]
        if hook:
            place = [["NFTA_HOOK_HOOKNUM", hook.number], ["NFTA_HOOK_PRIORITY", hook.priority]]
            attributes += [
                ["NFTA_CHAIN_HOOK", {"attrs": place}],
                ["NFTA_CHAIN_POLICY", NF_ACCEPT],
                ["NFTA_CHAIN_TYPE", hook.kind],
            ]
        return self._message(nft_chain_msg, NFT_MSG_NEWCHAIN, attributes)

    def rule(self, chain: str, *expressions: Expression) -> nlmsg:
        attributes = [["NFTA_RULE_TABLE", self.name], ["NFTA_RULE_CHAIN", chain]]
        return self._message(nft_rule_msg, NFT_MSG_NEWRULE, [*attributes, ["NFTA_RULE_EXPRESSIONS", list(expressions)]])

    def listing(self) -> bytes:
        """Return a request for every rule of the table. The answer ends with NLMSG_DONE."""
        message = self._message(nft_rule_msg, NFT_MSG_GETRULE, [["NFTA_RULE_TABLE", self.name]])
        message["header"]["flags"] = NLM_F_REQUEST | NLM_F_DUMP
        message.encode()
        return bytes(message.data)

    def _message(self, kind: type[nlmsg], number: int, attributes: Attributes) -> nlmsg:
        message = kind()
        message["attrs"] = attributes
        message["nfgen_family"] = self.family
        message["header"]["type"] = (NFNL_SUBSYS_NFTABLES << 8) | number
        message["header"]["flags"] = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND
        return message


BATCH_BEGIN, BATCH_END = 0x10, 0x11


def batch(messages: Sequence[nlmsg]) -> bytes:
    """Return one transaction as bytes. The kernel commits all of `messages` or none, and acknowledges the last one.

    The messages are numbered from 1. An error is answered with the number of the message that failed.
    """
    framed = [_border(BATCH_BEGIN), *messages, _border(BATCH_END)]
    messages[-1]["header"]["flags"] |= NLM_F_ACK
    for number, message in enumerate(framed):
        message["header"]["sequence_number"] = number
        message.encode()
    return b"".join(bytes(message.data) for message in framed)


def split(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the type, the sequence number and the bytes of each netlink message in `data`."""
    offset = 0
    while offset < len(data):
        length, kind, _, number, _ = HEADER.unpack_from(data, offset)
        yield kind, number, data[offset : offset + length]
        offset += (length + 3) & ~3


def failure_in(kind: int, message: bytes) -> int:
    """Return the error number in an answer. It is 0 in an acknowledgement, and for a message of another kind."""
    return -int(ERROR.unpack_from(message, HEADER.size)[0]) if kind == NLMSG_ERROR else 0


def _border(number: int) -> nlmsg:
    message = nfgen_msg()
    message["res_id"] = NFNL_SUBSYS_NFTABLES
    message["header"]["type"] = number
    message["header"]["flags"] = NLM_F_REQUEST
    return message


def meta(key: Meta) -> Expression:
    """Return an expression that loads metadata of a packet into the first register."""
    return expression("meta", DREG=FIRST, KEY=key)


def payload(header: int, offset: int, length: int) -> Expression:
    """Return an expression that loads bytes of a packet into the first register."""
    return expression("payload", DREG=FIRST, BASE=header, OFFSET=offset, LEN=length)


def equals(value: bytes) -> Expression:
    """Return an expression that ends the rule unless the first register holds `value`."""
    return expression("cmp", SREG=FIRST, OP=Cmp.NFT_CMP_EQ, DATA={"attrs": [["NFTA_DATA_VALUE", value]]})


def load(register: Regs, value: bytes) -> Expression:
    return expression("immediate", DREG=register, DATA={"attrs": [["NFTA_DATA_VALUE", value]]})


def verdict(code: int, chain: str | None = None) -> Expression:
    attributes: Attributes = [["NFTA_VERDICT_CODE", code]]
    if chain:
        attributes.append(["NFTA_VERDICT_CHAIN", chain])
    data = {"attrs": [["NFTA_DATA_VERDICT", {"attrs": attributes}]]}
    return expression("immediate", DREG=Regs.NFT_REG_VERDICT, DATA=data)


def expression(kind: str, prefix: str | None = None, **attributes: object) -> Expression:
    """Return an expression of a rule. `prefix` begins the names of its attributes, if it differs from the kind."""
    begin = f"NFTA_{prefix or kind.upper()}_"
    data = {"attrs": [[begin + key, value] for key, value in attributes.items()]}
    return {"attrs": [["NFTA_EXPR_NAME", kind], ["NFTA_EXPR_DATA", data]]}
