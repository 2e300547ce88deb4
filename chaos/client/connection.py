"""One connection of a meter to the master, the operations on it, and the question to Sentinel where the master is.

The time that Sentinel takes counts towards the deadline of the operation.
"""

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import hiredis

from chaos.client.bench import Bench
from chaos.client.link import Link, link_to
from chaos.client.outcome import OK, OTHER_REPLY, Decision, of_reply, unanswered
from chaos.client.spec import ClientSpec
from chaos.clock import mono_ns
from chaos.model import ErrorCode, RowFlag, split_address
from chaos.record.events import ConnectionClosed, ConnectionOpened, DiscoveryAnswered
from chaos.record.layout import NOBODY
from chaos.timers import Call

Found = Callable[[str], None]
"""Called with the master's address, as host:port."""
Failed = Callable[[ErrorCode], None]


class Sentinel:
    """The Sentinels that one client asks. An answer is an event only if it differs from the one before.

    A Sentinel that answers is asked again. If it does not answer, the next one is asked, as libraries do.
    """

    def __init__(self, spec: ClientSpec, bench: Bench) -> None:
        self.spec = spec
        self.bench = bench
        self.addresses = (spec.address, *spec.others)
        self.address = spec.address
        self._last: tuple[str | None, str] | None = None

    def ask_another(self) -> None:
        """Ask the next Sentinel from now on."""
        self.address = self.addresses[(self.addresses.index(self.address) + 1) % len(self.addresses)]

    def say(self, began_ns: int, address: str | None, error: str) -> None:
        if (address, error) == self._last:
            return
        self._last = (address, error)
        event = DiscoveryAnswered(
            client=self.spec.number,
            sentinel=self.address,
            address=address,
            took_us=(mono_ns() - began_ns) // 1000,
            error=error,
        )
        self.bench.events.write(event, since_ns=began_ns)


class Discovery:
    """One question to Sentinel, on a connection of its own.

    It calls `found` or `failed` once, unless it is ended before.
    """

    def __init__(self, sentinel: Sentinel, found: Found, failed: Failed) -> None:
        self._sentinel = sentinel
        self._found = found
        self._failed = failed
        self._began_ns = mono_ns()
        self._parser = hiredis.Reader(encoding="utf-8", errors="replace")
        self._link: Link | None = None
        self._left = len(sentinel.addresses) - 1
        self._replies_due = sentinel.bench.wire.ask_replies

    def begin(self) -> None:
        """Connect to the Sentinel.

        `failed` is called within this call if the name of the last Sentinel is not found.
        """
        bench, name = self._sentinel.bench, self._sentinel.address
        address = bench.names.address(name)
        if address is None:
            self._fail(ErrorCode.NAME_NOT_FOUND, "name not found")
        else:
            self._link = link_to(bench.links, address, self, bench.wire.sentinel_tls, split_address(name)[0])
            if self._link.is_open:
                self.opened()

    def opened(self) -> None:
        assert self._link is not None
        self._link.write(self._sentinel.bench.wire.ask_master)

    def received(self, data: bytes) -> None:
        self._parser.feed(data)
        try:
            reply = self._parser.gets()
            while self._replies_due > 1 and reply is not False and not isinstance(reply, hiredis.ReplyError):
                self._replies_due -= 1  # logged in
                reply = self._parser.gets()
        except hiredis.ProtocolError as error:
            self._fail(ErrorCode.DISCOVERY_FAILED, f"not RESP: {error}")
            return
        if reply is None:
            self._fail(ErrorCode.NO_MASTER, "no such master")
        elif isinstance(reply, list) and len(reply) == 2:
            address = ":".join(reply)
            self._sentinel.say(self._began_ns, address, "")
            self.close()
            self._sentinel.bench.names.follow(address)
            self._found(address)
        elif reply is not False:
            self._fail(ErrorCode.DISCOVERY_FAILED, str(reply))

    def lost(self, error: ErrorCode) -> None:
        self._fail(ErrorCode.DISCOVERY_FAILED, error.name)

    def end(self, because: str) -> None:
        """Give up, because the operation has timed out."""
        self._sentinel.say(self._began_ns, None, because)
        self._sentinel.ask_another()
        self.close()

    def close(self) -> None:
        if self._link is not None:
            self._link.close()

    def _fail(self, code: ErrorCode, text: str) -> None:
        self._sentinel.say(self._began_ns, None, text)
        self.close()
        self._sentinel.ask_another()
        if self._left:
            self._left -= 1
            self._parser = hiredis.Reader(encoding="utf-8", errors="replace")
            self._replies_due = self._sentinel.bench.wire.ask_replies
            self.begin()
        else:
            self._failed(code)


@dataclass(slots=True, eq=False)
class Operation:
    """One slot that was not missed. `row` is its place in the file of rows, and `timer` ends it at its deadline."""

    seq: int
    row: int
    due_ns: int
    flags: int = 0
    sent: bool = False
    timer: Call = field(init=False)
    connection: "MeterConnection" = field(init=False)

    def late(self, _when_ns: int) -> None:
        """End the operation at its deadline."""
        self.connection.time_out(self)


Decide = Callable[[Operation, Decision, int], None]
"""Called once for each operation, with its decision and the index of the node that answered."""


class MeterConnection:
    """A connection that begins with its first operation. Any error ends it, and the meter then makes another.

    Operations wait until the master is found and connected to. Then they are sent in one write after the opening
    commands, and later operations are pipelined. When the connection ends, an operation that was sent has an unknown
    outcome, and one that was not sent has surely failed.
    """

    __slots__ = (
        "_address",
        "_bench",
        "_connecting_ns",
        "_decide",
        "_discovery",
        "_link",
        "_node",
        "_number",
        "_open",
        "_openings_due",
        "_parser",
        "_pending",
        "_refusal",
        "_sentinel",
        "_spec",
        "_target",
        "_trouble",
        "_waiting",
        "ended",
    )

    def __init__(self, spec: ClientSpec, bench: Bench, sentinel: Sentinel | None, number: int, decide: Decide) -> None:
        self._spec = spec
        self._bench = bench
        self._sentinel = sentinel
        self._number = number & 0xFFFF
        self._decide = decide
        self._waiting: deque[Operation] = deque()
        self._pending: deque[Operation] = deque()
        self._discovery: Discovery | None = None
        self._link: Link | None = None
        self._parser = hiredis.Reader()
        self._openings_due = bench.wire.opening_replies
        self._refusal: Decision | None = None
        self._trouble = ""
        self._address = ""
        self._target = NOBODY
        self._node = NOBODY
        self._connecting_ns = 0
        self._open = False
        self.ended = False

    def submit(self, operation: Operation) -> None:
        """Send an operation now, or as soon as the connection is open.

        The operation may be decided within this call.
        """
        operation.connection = self
        first = self._discovery is None and self._link is None
        if first:
            operation.flags = RowFlag.OPENED | (RowFlag.DISCOVERED if self._sentinel else 0)
        self._assign(operation)
        if self._open:
            self._send([operation])
            return
        self._waiting.append(operation)
        if first and self._sentinel:
            self._discovery = Discovery(self._sentinel, self._connect, self._not_found)
            self._discovery.begin()
        elif first:
            self._connect(self._spec.address)

    def time_out(self, operation: Operation) -> None:
        """End an operation at its deadline, and the connection with it."""
        stage = ErrorCode.CONNECT_TIMEOUT if self._link else ErrorCode.DISCOVERY_TIMEOUT
        error = ErrorCode.REPLY_TIMEOUT if operation.sent else stage
        (self._pending if operation.sent else self._waiting).remove(operation)
        self.end(ErrorCode.CLOSED, because=error.name)
        self._decide(operation, unanswered(operation.sent, error), NOBODY)

    def end(self, error: ErrorCode, because: str) -> None:
        """Close the connection, and decide its operations that are not decided yet."""
        if self.ended:
            return
        self.ended = True
        if self._link is not None:
            self._link.close()
        elif self._discovery is not None:
            self._discovery.end(because)
        if self._open:
            self._say(ConnectionClosed, because=because)
        for operation in [*self._pending, *self._waiting]:
            self._decide(operation, unanswered(operation.sent, error), NOBODY)

    # Finding the master.

    def _not_found(self, error: ErrorCode) -> None:
        self._discovery = None
        self.end(error, because=error.name)

    def _connect(self, name: str) -> None:
        address = self._bench.names.address(name)
        if address is None:
            self._not_found(ErrorCode.NAME_NOT_FOUND)
            return
        self._address = f"{address[0]}:{address[1]}"
        self._target = self._bench.tables.target(self._address)
        self._connecting_ns = mono_ns()
        self._link = link_to(self._bench.links, address, self, self._bench.wire.redis_tls, split_address(name)[0])
        for operation in self._waiting:
            self._assign(operation)
        if self._link.is_open:
            self.opened()

    def _assign(self, operation: Operation) -> None:
        self._bench.rows.ask(operation.row, self._number, self._target, operation.flags)

    # What the link says.

    def opened(self) -> None:
        self._open = True
        waiting, self._waiting = self._waiting, deque()
        self._send(waiting, opening=self._bench.wire.opening)

    def received(self, data: bytes) -> None:
        self._parser.feed(data)
        try:
            while not self.ended and (reply := self._parser.gets()) is not False:
                if self._openings_due:
                    self._opening_reply(reply)
                else:
                    self._reply(reply)
        except hiredis.ProtocolError:
            self.lost(ErrorCode.OTHER)
        if self._trouble:
            self.end(ErrorCode.CLOSED, because=self._trouble)

    def lost(self, error: ErrorCode) -> None:
        self.end(error, because=error.name)

    # Operations.

    def _send(self, operations: Collection[Operation], opening: bytes = b"") -> None:
        assert self._link is not None
        wire, rows, client = self._bench.wire, self._bench.rows, self._spec.number
        data = opening + b"".join(wire.operation(client, operation.seq) for operation in operations)
        now_ns = mono_ns()
        for operation in operations:
            operation.sent = True
            rows.sent(operation.row, max(1, (now_ns - operation.due_ns) // 1000))
        self._pending.extend(operations)
        self._link.write(data)

    def _opening_reply(self, reply: Any) -> None:  # noqa: ANN401  a reply is any of RESP's types
        self._openings_due -= 1
        if isinstance(reply, hiredis.ReplyError):
            self._refusal = self._refusal or (of_reply(str(reply)) if self._openings_due else None)
        elif not self._openings_due:
            self._node = self._bench.tables.node(reply, self._address if self._sentinel else "")
        if not self._openings_due:
            self._say(ConnectionOpened, because="")

    def _reply(self, reply: Any) -> None:  # noqa: ANN401
        if not self._pending:
            self.lost(ErrorCode.OTHER)
            return
        decision = self._refusal or judge(reply, read_only=self._bench.wire.read_only)
        self._decide(self._pending.popleft(), decision, self._node)
        if decision is not OK:
            self._trouble = decision.error.name

    def _say(self, kind: type[ConnectionOpened | ConnectionClosed], because: str) -> None:
        if self._spec.connection == "new":
            return
        node = None if self._node == NOBODY else self._node
        since_ns = self._connecting_ns if kind is ConnectionOpened else None
        event = kind(client=self._spec.number, connection=self._number, target=self._target, node=node, because=because)
        self._bench.events.write(event, since_ns=since_ns)


def judge(reply: Any, *, read_only: bool = False) -> Decision:  # noqa: ANN401
    """Return the decision for the reply to a write, or to a read of a key that does not exist."""
    if isinstance(reply, hiredis.ReplyError):
        return of_reply(str(reply))
    return OK if reply == (None if read_only else b"OK") else OTHER_REPLY
