"""Record how long each member waited for a CPU core while it had work to do: a delay that the machine causes.

Linux counts the wait of every thread in ns, as the second number of /proc/<pid>/schedstat. We read the number of the
main thread, where a server answers its clients. The kernel adds a wait when it is over, so a wait may have begun before
our previous look. A `waits` event says whether this kernel counts waits.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from chaos.agent import reach
from chaos.clock import HOST, mono_ns
from chaos.errors import FaultError
from chaos.record.events import Event, Stamped, Waited, Waits, from_json, to_json

PROC = Path("/proc")
EVERY_S = 0.1
LEAST_NS = 10_000_000
"""A shorter wait within one look is not recorded. Waits this long are rare: two systems side by side on two cores had
two in two trials."""
SCHEDSTAT_BYTES = 128
"""Enough for three figures of at most 20 digits."""
KEPT = 10_000
"""How many events a node keeps until the host fetches them: as many as one member can cause in a quarter of an hour."""

Members = Callable[[], Iterable[tuple[str, int]]]
Wanted = list[dict[str, Any]]
"""The `name` and `container` of each member to watch. `all` says whether to watch every process of the container or
only its main process."""


class WaitsForACore:
    """Records how long each member waits for a core.

    `members` returns the name and the pid of each running process. A member may have several.
    """

    def __init__(self, members: Members, say: Callable[[Stamped[Event]], None], proc: Path = PROC) -> None:
        self._members = members
        self._say = say
        self._proc = proc
        self._before: dict[tuple[str, int], int] = {}
        self._looked_ns = mono_ns()

    async def watch(self) -> None:
        """Record whether the kernel counts waits and, if it does, look every EVERY_S seconds. Never returns then."""
        counted = (self._proc / "self/schedstat").exists()
        self._say(Stamped(event=Waits(counted=counted), domain=HOST, at_ns=mono_ns()))
        while counted:
            self.look()
            await asyncio.sleep(EVERY_S)

    def look(self) -> None:
        """Record for each process how long it waited since the previous look at it."""
        since_ns, self._looked_ns = self._looked_ns, mono_ns()
        known, self._before = self._before, {}
        for who in self._members():
            total_ns = self._waited_ns(who[1])
            if total_ns is None:
                continue
            self._before[who] = total_ns
            waited_ns = total_ns - known.get(who, total_ns)
            if waited_ns >= LEAST_NS:
                began_ns = min(since_ns, self._looked_ns - waited_ns)
                waited = Waited(member=who[0], waited_ns=waited_ns)
                self._say(Stamped(event=waited, domain=HOST, at_ns=self._looked_ns, since_ns=began_ns))

    def _waited_ns(self, pid: int) -> int | None:
        """Return how long a process has waited since it began, or None if it has ended. This runs ten times a second
        for each process, and pathlib would take most of that time.
        """
        try:
            file = os.open(f"{self._proc}/{pid}/schedstat", os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            return int(os.read(file, SCHEDSTAT_BYTES).split()[1])
        except ProcessLookupError:
            return None
        finally:
            os.close(file)


class NodeWaits:
    """Records the waits of the containers on one node, and keeps the events until the host has fetched them.

    The host names the members with every renewal. NodeWaits searches /proc for a container's processes when the host
    first names it, and again while it has none, because this search is slow.
    """

    def __init__(
        self,
        main_process: Callable[[str], int] = reach.main_process,
        every_process: Callable[[str], list[int]] = reach.processes,
    ) -> None:
        self._main_process, self._every_process = main_process, every_process
        self._pids: dict[tuple[str, str], list[int]] = {}
        self._said: deque[Stamped[Event]] = deque(maxlen=KEPT)
        self._waits = WaitsForACore(self.processes, self.say)

    async def watch(self) -> None:
        await self._waits.watch()

    def asked(self, wanted: Wanted, seen_ns: int) -> list[dict[str, Any]]:
        """Watch these members, and no others, from now on. Return the recorded events that are later than `seen_ns`."""
        known, self._pids = self._pids, {}
        for one in wanted:
            key = one["name"], one["container"]
            self._pids[key] = known.get(key) or self._processes_of(one)
        while self._said and self._said[0].at_ns <= seen_ns:
            self._said.popleft()
        return [to_json(event) for event in self._said]

    def say(self, event: Stamped[Event]) -> None:
        self._said.append(event)

    def processes(self) -> Iterable[tuple[str, int]]:
        return [(name, pid) for (name, _), pids in self._pids.items() for pid in pids]

    def _processes_of(self, one: dict[str, Any]) -> list[int]:
        """Return the processes of a member, or none if its container has ended or has not started yet."""
        try:
            return self._every_process(one["container"]) if one["all"] else [self._main_process(one["container"])]
        except FaultError:
            return []


def fetched(said: list[dict[str, Any]], domain: str) -> list[Stamped[Event]]:
    """Turn the answer of `NodeWaits.asked` into events on the node's clock."""
    return [from_json({**fields, "domain": domain}) for fields in said]
