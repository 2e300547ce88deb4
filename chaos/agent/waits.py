"""How long each member waited for a core while it had work to do. The machine causes that, and not the system.

Linux counts it in ns for every thread, as the second figure of /proc/<pid>/schedstat. We read that of the main thread,
on which a server answers. The kernel counts a wait when it is over, so that a wait may have begun before our last look.
One event says whether the kernel counts at all.
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
"""A shorter wait within one look is not recorded. Two systems beside each other on two cores reached it twice in two
trials."""
SCHEDSTAT_BYTES = 128
"""Enough for three figures of at most 20 digits."""
KEPT = 10_000
"""How many events a node keeps for a host that does not ask: those of one member in a quarter of an hour."""

Members = Callable[[], Iterable[tuple[str, int]]]
Wanted = list[dict[str, Any]]
"""Each member's `name` and `container`, and whether `all` processes of the container count or only its main process."""


class WaitsForACore:
    """Records how long each member waits for a core.

    `members` returns the name and the pid of each that runs. One member may have several pids.
    """

    def __init__(self, members: Members, say: Callable[[Stamped[Event]], None], proc: Path = PROC) -> None:
        self._members = members
        self._say = say
        self._proc = proc
        self._before: dict[tuple[str, int], int] = {}
        self._looked_ns = mono_ns()

    async def watch(self) -> None:
        """Look for ever, if the kernel counts."""
        counted = (self._proc / "self/schedstat").exists()
        self._say(Stamped(event=Waits(counted=counted), domain=HOST, at_ns=mono_ns()))
        while counted:
            self.look()
            await asyncio.sleep(EVERY_S)

    def look(self) -> None:
        """Tell how long each member waited since the last look at the same process."""
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
        """Return a process's count, or None if it has ended. Ten times a second, pathlib would be most of the cost."""
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
    """How long the containers of one node waited for a core, kept as events until the host has fetched them.

    The host names the members with every renewal. A container's processes are looked for when it is first named, and
    again as long as there are none, because only the search through /proc costs anything.
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
        """Look for ever."""
        await self._waits.watch()

    def asked(self, wanted: Wanted, seen_ns: int) -> list[dict[str, Any]]:
        """Watch exactly these members from now on. Return the events after `seen_ns`, which the host has not yet."""
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
    """Turn what `NodeWaits.asked` returned into events on the node's clock, as the host records them."""
    return [from_json({**fields, "domain": domain}) for fields in said]
