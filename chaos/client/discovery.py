"""Asks Sentinel where the master is, for one operation. The time that this takes counts towards its deadline."""

from collections.abc import Callable

import hiredis

from chaos.client.bench import Bench
from chaos.client.link import Link, link_to
from chaos.client.spec import ClientSpec
from chaos.clock import mono_ns
from chaos.model import ErrorCode, split_address
from chaos.record.events import DiscoveryAnswered

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
            self._tell(*reply)
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

    def _tell(self, host: str, port: str) -> None:
        address = f"{host}:{port}"
        self._sentinel.say(self._began_ns, address, "")
        self.close()
        self._sentinel.bench.names.follow(address)
        self._found(address)

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
