"""Resolves names once a second, beside the operations, so that a resolver that hangs delays no meter's schedule."""

import asyncio
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chaos.clock import mono_ns
from chaos.model import canonical, is_literal, split_address
from chaos.record.event_files import EventWriter
from chaos.record.events import Resolved

EVERY_S = 1.0
NOT_FOUND = (socket.EAI_NONAME, socket.EAI_NODATA)


@dataclass(slots=True)
class Answer:
    """The resolver's last answer. `asked_ns` is when it was asked, or None if it has not answered yet."""

    addresses: tuple[str, ...] = ()
    error: str = ""
    asked_ns: int | None = None
    turn: int = 0


class Names:
    """Resolves names for clients. Use it as `async with Names(...)`.

    `names` are hosts, or host:port as clients are given them. The addresses of a name that has several are used in
    turn, as with a DNS server that rotates its answers. If the resolver fails in any other way than "not found", the
    last addresses stay in use, and an event says so. If `hosts` is given, it maps every name to its address, and no
    resolver is asked. `maps` maps an address that Sentinel tells to the one by which it is reached from here, if that
    differs, as with Docker.
    """

    def __init__(
        self,
        names: Iterable[str],
        events: EventWriter,
        every_s: float = EVERY_S,
        hosts: Mapping[str, str] | None = None,
        maps: Mapping[str, str] | None = None,
    ) -> None:
        self._names = tuple(names)
        self._hosts = hosts
        self._maps = {canonical(told): reached for told, reached in (maps or {}).items()}
        self._every_s = every_s
        self._events = events
        self._answers: dict[str, Answer] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Names":
        for name in self._names:
            self.follow(name)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def follow(self, name: str) -> None:
        """Resolve this name from now on, too."""
        host, _ = split_address(self.reached(name))
        if host not in self._answers and not is_literal(host):
            self._answers[host] = Answer()
            self._tasks.append(asyncio.get_running_loop().create_task(self._resolve_forever(host)))

    def address(self, name: str) -> tuple[str, int] | None:
        """Return where to connect for `host:port`, or None if the name is not followed or has no answer."""
        host, port = split_address(self.reached(name))
        if is_literal(host):
            return host, port
        answer = self._answers.get(host)
        if answer is None or not answer.addresses:
            return None
        answer.turn += 1
        return answer.addresses[answer.turn % len(answer.addresses)], port

    def connectable(self, name: str) -> str:
        """Return `host:port` as another process can use it: with an address in place of a name that is in `hosts`."""
        host, port = split_address(self.reached(name))
        return f"{(self._hosts or {}).get(host, host)}:{port}"

    def reached(self, name: str) -> str:
        """Return the address by which `host:port` is reached from here."""
        return self._maps.get(canonical(name), name) if self._maps else name

    async def _resolve_forever(self, host: str) -> None:
        while True:
            await self._resolve(host)
            await asyncio.sleep(self._every_s)

    async def _resolve(self, host: str) -> None:
        """Resolve a host once. The resolver's own time-outs limit this. The last answer stays in use until then."""
        last = self._answers[host]
        asked_ns = mono_ns()
        if self._hosts is None:
            addresses, error = await look_up(host, last.addresses)
        else:
            addresses, error = ((self._hosts[host],), "") if host in self._hosts else ((), "name not found")
        if last.asked_ns is None or (addresses, error) != (last.addresses, last.error):
            self._events.write(Resolved(name=host, addresses=list(addresses), error=error), since_ns=last.asked_ns)
        last.addresses, last.error, last.asked_ns = addresses, error, asked_ns


async def look_up(host: str, otherwise: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Return the addresses of `host` and the resolver's error. The addresses are `otherwise` if it could not say."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return (() if error.errno in NOT_FOUND else otherwise), str(error.strerror)
    return tuple(sorted({str(address[0]) for *_, address in found})), ""
