"""What the meters of one run share: the numbers of nodes and addresses, the commands, and what they work with.

A password is in the bytes that `Wire` holds and in the kernel, and nowhere else.
"""

from dataclasses import dataclass

from chaos.access import Accesses
from chaos.client.link import Links
from chaos.client.names import Names
from chaos.client.spec import Load, key_of
from chaos.record.event_files import EventWriter
from chaos.record.events import NodeSeen, TargetAsked
from chaos.record.layout import NOBODY
from chaos.record.ops_files import RollingRows, RowWriter
from chaos.resp import pack
from chaos.timers import Timers


class Tables:
    """Numbers the addresses that were asked and the nodes that answered, so that a row needs a byte for each.

    Events explain the numbers, which are given in the order of first sight. All numbers after the 255th are NOBODY,
    which names no one.
    """

    def __init__(self, events: EventWriter) -> None:
        self._events = events
        self._targets: dict[str, int] = {}
        self._nodes: dict[str, int] = {}

    def target(self, address: str) -> int:
        index = self._targets.get(address)
        if index is None:
            index = self._targets[address] = min(len(self._targets), NOBODY)
            self._events.write(TargetAsked(index=index, address=address))
        return index

    def node(self, info: bytes, address: str) -> int:
        """Return the number of the node that answered `INFO server`, by its run id.

        `address` is where that node listens, or empty if a Service was asked.
        """
        run_id = _field(info, b"run_id:")
        if not run_id:
            return NOBODY
        index = self._nodes.get(run_id)
        if index is None:
            index = self._nodes[run_id] = min(len(self._nodes), NOBODY)
            version = _field(info, b"redis_version:")
            self._events.write(NodeSeen(index=index, run_id=run_id, version=version, address=address))
        return index


def _field(info: bytes, name: bytes) -> str:
    at = info.find(name)
    return info[at + len(name) : info.find(b"\r", at)].decode() if at >= 0 else ""


class Wire:
    """The commands that a meter sends. What is the same in all operations is packed once."""

    def __init__(self, load: Load, accesses: Accesses) -> None:
        redis, sentinel = accesses.redis.login, accesses.sentinel.login
        preamble = [login for login in (redis, *([("SELECT", str(load.database))] if load.database else [])) if login]
        self.redis_tls, self.sentinel_tls = accesses.redis.tls, accesses.sentinel.tls
        self._load = load
        key, value = b"k", b"x" * load.value_bytes
        command = ("GET", key) if load.read_only else ("SET", key, value, "PX", load.ttl_s * 1000)
        self._begin, self._end = pack(*command).split(b"$1\r\nk")
        self.opening = b"".join(pack(*command) for command in [*preamble, ("INFO", "server")])
        """The commands with which every connection begins.

        The reply to the last one, `INFO server`, says which node answers.
        """
        self.opening_replies = len(preamble) + 1
        question = "SENTINEL", "GET-MASTER-ADDR-BY-NAME", load.master
        self.ask_master = b"".join(pack(*command) for command in (sentinel, question) if command)
        """The commands that a Sentinel is asked. Its last reply is the answer."""
        self.ask_replies = 2 if sentinel else 1
        self.read_only = load.read_only

    def operation(self, client: int, seq: int) -> bytes:
        """Return the bytes of one write, or of one read if we only read. Each operation has a key of its own."""
        key = key_of(self._load, client, seq).encode()
        return b"%s$%d\r\n%s%s" % (self._begin, len(key), key, self._end)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """What a meter works with. All meters of a run share one."""

    timers: Timers
    links: Links
    rows: RowWriter | RollingRows
    events: EventWriter
    names: Names
    tables: Tables
    wire: Wire
    deadline_ns: int
