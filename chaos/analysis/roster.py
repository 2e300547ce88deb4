"""Who was there, and who had which address: members by the platform's word, run ids by their own."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from chaos.analysis.result import Node


class Roster:
    """Built from `members`, `pod` and `role` events, in their order; a later word on an address is the better one."""

    def __init__(
        self, members: Iterable[dict[str, Any]], pods: Iterable[dict[str, Any]], roles: Iterable[dict[str, Any]]
    ) -> None:
        self._nodes: dict[str, Node] = {}
        self._ordinals: dict[str, int | None] = {}
        for member in members:
            self._ordinals[member["name"]] = member.get("ordinal")
            self._put(member["name"], f"{member['address']}:{member['port']}")
        for pod in pods:
            if pod.get("ip"):
                self._put(pod["name"], pod["ip"])
        for role in roles:
            self._put(role["member"], role["address"], role.get("run_id") or "")

    def node(self, address: str) -> Node:
        """Who has `ip:port`; by its ip alone where only that was told; named by its address where nobody is known."""
        known = self._nodes.get(address) or self._nodes.get(host(address))
        return replace(known, address=address) if known else Node(name=host(address), ordinal=None, address=address)

    def ran(self, run_id: str) -> Node | None:
        """Who ran under this id. A Service hides the address of who answered; the id is the server's own word."""
        return next((node for node in self._nodes.values() if run_id and node.run_id == run_id), None)

    def _put(self, name: str, address: str, run_id: str = "") -> None:
        node = Node(name=name, ordinal=self._ordinals.get(name), address=address, run_id=run_id)
        self._nodes[address] = node


def host(address: str) -> str:
    """An address without its port."""
    return address.rpartition(":")[0] or address


def is_at(node: Node | None, address: object) -> bool:
    """Whether an `ip:port` is that node's."""
    return node is not None and str(address) == node.address
