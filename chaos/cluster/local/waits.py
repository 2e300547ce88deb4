"""How long each member waited for a core while it had work: the machine's doing, which is not the system's fault.

Linux counts it for every thread, in ns, as the second figure of /proc/<pid>/schedstat; read is the main thread, on
which a server answers. A wait is counted when it is over: one that lasted longer than a look began before that look.
Whether the kernel counts at all is said once.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from chaos.clock import HOST, mono_ns
from chaos.record.events import Event, Stamped, Waited, Waits

PROC = Path("/proc")
EVERY_S = 0.1
LEAST_NS = 10_000_000
"""Within one look; below it, it is not told. Two systems side by side on two cores reached it twice in two trials."""

Members = Callable[[], Iterable[tuple[str, int]]]


class WaitsForACore:
    """`members` are those whose process lives, each with its pid."""

    def __init__(self, members: Members, say: Callable[[Stamped[Event]], None], proc: Path = PROC) -> None:
        self._members = members
        self._say = say
        self._proc = proc
        self._before: dict[tuple[str, int], int] = {}
        self._looked_ns = mono_ns()

    async def watch(self) -> None:
        """For ever, where the kernel counts."""
        counted = (self._proc / "self/schedstat").exists()
        self._say(Stamped(event=Waits(counted=counted), domain=HOST, at_ns=mono_ns()))
        while counted:
            self.look()
            await asyncio.sleep(EVERY_S)

    def look(self) -> None:
        """Tell of each member what it waited since the last look at the same process."""
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
        """None where it has ended."""
        try:
            return int((self._proc / str(pid) / "schedstat").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            return None
