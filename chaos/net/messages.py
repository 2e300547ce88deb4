"""The netlink messages of an nftables table, and the expressions that rules are made of. Nothing touches the kernel.

Tables of ours are removed by their name, so that nobody else's rules are ever touched.
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
"""Of every netlink message, and of an answer after that."""

Attributes = list[list[Any]]
Expression = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hook:
    """Where the packets of a chain come from. `kind` is filter or nat."""

    kind: str
    number: int
    priority: int


@dataclass(frozen=True, slots=True)
class OwnTable:
    """A table of ours. `family` is one of NFPROTO_*."""

    name: str
    family: int

    def clearing(self) -> list[nlmsg]:
        """Remove the table. It is added first, so that the removal does not fail if there is none."""
        return [self.adding(), self._message(nft_table_msg, NFT_MSG_DELTABLE, [["NFTA_TABLE_NAME", self.name]])]

    def adding(self) -> nlmsg:
        return self._message(nft_table_msg, NFT_MSG_NEWTABLE, [["NFTA_TABLE_NAME", self.name]])

    def chain(self, name: str, hook: Hook | None = None) -> nlmsg:
        """Return a chain that accepts what no rule decides. Without a hook it is a chain that rules jump to."""
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
        """Return a request for every rule of the table; its answer ends with NLMSG_DONE."""
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
    """One atomic transaction: the kernel commits all of `messages` or none, and acknowledges the last one.

    They are numbered from 1, so that the last one has the number `len(messages)`. An error is answered with the number
    of the message that failed.
    """
    framed = [_border(BATCH_BEGIN), *messages, _border(BATCH_END)]
    messages[-1]["header"]["flags"] |= NLM_F_ACK
    for number, message in enumerate(framed):
        message["header"]["sequence_number"] = number
        message.encode()
    return b"".join(bytes(message.data) for message in framed)


def split(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(type, sequence number, bytes) of each netlink message that was received."""
    offset = 0
    while offset < len(data):
        length, kind, _, number, _ = HEADER.unpack_from(data, offset)
        yield kind, number, data[offset : offset + length]
        offset += (length + 3) & ~3


def failure_in(kind: int, message: bytes) -> int:
    """The error number that the kernel answered with; 0 for an acknowledgement, and for a message of another kind."""
    return -int(ERROR.unpack_from(message, HEADER.size)[0]) if kind == NLMSG_ERROR else 0


def _border(number: int) -> nlmsg:
    message = nfgen_msg()
    message["res_id"] = NFNL_SUBSYS_NFTABLES
    message["header"]["type"] = number
    message["header"]["flags"] = NLM_F_REQUEST
    return message


def meta(key: Meta) -> Expression:
    """Load what the kernel knows of a packet into the first register."""
    return expression("meta", DREG=FIRST, KEY=key)


def payload(header: int, offset: int, length: int) -> Expression:
    """Load bytes of a packet into the first register."""
    return expression("payload", DREG=FIRST, BASE=header, OFFSET=offset, LEN=length)


def equals(value: bytes) -> Expression:
    """Go on with the rule only if the first register holds `value`."""
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
    """Return an expression of a rule. `prefix` begins the names of its attributes, if that is not the kind."""
    begin = f"NFTA_{prefix or kind.upper()}_"
    data = {"attrs": [[begin + key, value] for key, value in attributes.items()]}
    return {"attrs": [["NFTA_EXPR_NAME", kind], ["NFTA_EXPR_DATA", data]]}
