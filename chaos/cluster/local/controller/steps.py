"""The alphabet of a reconcile: generators that yield what is to be done and are sent what came of it. Pure.

The operator's own order of calls and writes is what a reconcile is about, so it is written down once and without any
input or output: a test answers for the whole system, and `resync` answers with the real one.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from chaos.cluster.local.controller.board import Address, Label, Pod, Role
from chaos.resp import info_fields

T = TypeVar("T")


class Failed(Exception):
    """An error as the operator has it: it ends the reconcile where no step goes on after it. Its text is logged."""


@dataclass(frozen=True, slots=True)
class Call:
    """One command to a Redis or a Sentinel; answered with its reply, or with Failed."""

    address: Address
    words: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """List the pods as they are now, in the order of their names: every step of the operator's asks anew."""


@dataclass(frozen=True, slots=True)
class Note:
    level: Literal["info", "warning", "error"]
    text: str


Action = Call | Label | Look | Note
Steps = Generator[Action, Any, T]


def pods_of(component: str, *, at_work: bool = True) -> Steps[list[Pod]]:
    """The pods that run and are not terminating, or all there are (check.go: GetRedisesIPs, GetSentinelsIPs)."""
    pods: tuple[Pod, ...] = yield Look()
    return [pod for pod in pods if pod.component == component and (pod.at_work or not at_work)]


def call(address: Address, *words: str | int) -> Steps[Any]:
    """The reply; raises Failed."""
    return (yield Call(address, words))


def is_master(redis: Address) -> Steps[bool]:
    """client.go: IsMaster."""
    return info_fields((yield from call(redis, "INFO", "replication"))).get("role") == "master"


def followed_by(redis: Address) -> Steps[Address | None]:
    """Whom this one follows; None for a master (client.go: GetSlaveOf).

    With its port, unlike there: here more than one Redis may have the same address.
    """
    fields = info_fields((yield from call(redis, "INFO", "replication")))
    return (fields["master_host"], int(fields["master_port"])) if "master_host" in fields else None


def label(pod: Pod, role: Role) -> Steps[None]:
    """check.go: setMasterLabelIfNecessary, setSlaveLabelIfNecessary."""
    if pod.role != role:
        yield Label(pod.name, role)
