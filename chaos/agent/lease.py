"""Leases of faults: which faults are in force on a node, until when, and how each is undone if the host falls silent.

A fault is undone when its lease was not renewed in time, when it has reached its longest duration, when the helper is
told to undo it, and when the helper ends. If the helper crashes, the next helper undoes the faults that the state file
lists. Undone faults stay readable in `healed`.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chaos.clock import mono_ns
from chaos.errors import FaultError
from chaos.linux import write_whole

STATE = "held.json"


@dataclass(frozen=True, slots=True)
class Term:
    """How long a fault may last: `lease_s` seconds since its last renewal, and `longest_s` seconds in total."""

    lease_s: float
    longest_s: float


@dataclass(frozen=True, slots=True)
class Hold:
    """One fault in force, as plain data, so that another process can undo it after a crash.

    `what` is the kind of the fault. `namespace` is the inode of the network namespace that the fault changed, or None.
    `undo` is JSON with what else is needed to undo the fault.
    """

    container: str
    namespace: int | None
    what: str = "pause"
    undo: str = ""


@dataclass(frozen=True, slots=True)
class Healed:
    """A fault that was undone, the reason, and the times just before and after."""

    what: str
    container: str
    because: str
    before_ns: int
    after_ns: int


@dataclass(slots=True)
class _Held:
    undo: Callable[[], object]
    term: Term
    taken_ns: int
    renewed_ns: int

    def overdue(self, now_ns: int) -> str | None:
        if now_ns - self.taken_ns >= self.term.longest_s * 1e9:
            return f"it had lasted its longest, {self.term.longest_s:g} s"
        if now_ns - self.renewed_ns >= self.term.lease_s * 1e9:
            return f"no renewal for {self.term.lease_s:g} s"
        return None


@dataclass(slots=True)
class Leases:
    """The faults in force on a node. Use it from one event loop. `directory` must outlive the process."""

    directory: Path
    clock: Callable[[], int] = mono_ns
    healed: list[Healed] = field(default_factory=list)
    _held: dict[Hold, _Held] = field(default_factory=dict)

    def take(self, hold: Hold, term: Term, undo: Callable[[], object]) -> None:
        """Take a lease. Call this before the fault is made, so that a crash in between leaves no fault without a lease.

        Calling `undo` must be harmless at any time. The new lease replaces an equal one. A new cut also replaces an
        older cut of the same network namespace, because undoing the older cut would undo the new one too.
        """
        now_ns = self.clock()
        for other in list(self._held):
            if other == hold or (hold.what == "cut" == other.what and other.namespace == hold.namespace):
                del self._held[other]
        self._held[hold] = _Held(undo, term, now_ns, now_ns)
        self._save()

    def holds(self) -> list[Hold]:
        return list(self._held)

    def release(self, hold: Hold) -> None:
        """Drop the lease of a fault that was already undone."""
        if self._held.pop(hold, None):
            self._save()

    def renew(self) -> None:
        """Restart the `lease_s` of every fault, because the host is alive. `longest_s` is not extended."""
        now_ns = self.clock()
        for held in self._held.values():
            held.renewed_ns = now_ns

    def expire(self) -> None:
        """Undo every overdue fault. Raises FaultError as `heal` does."""
        now_ns = self.clock()
        overdue = {hold: held.overdue(now_ns) for hold, held in self._held.items()}
        self._undo({hold: because for hold, because in overdue.items() if because})

    def heal(self, because: str) -> None:
        """Undo every fault. Raises FaultError if some cannot be undone; these stay held."""
        self._undo(dict.fromkeys(self._held, because))

    def status(self) -> dict[str, Any]:
        return {"held": [asdict(hold) for hold in self._held], "healed": [asdict(healed) for healed in self.healed]}

    def left_behind(self) -> Iterator[Hold]:
        """Yield the faults that the previous process held when it ended."""
        state = self.directory / STATE
        if state.exists():
            yield from (Hold(**raw) for raw in json.loads(state.read_text()))

    def _undo(self, overdue: dict[Hold, str]) -> None:
        failures = []
        for hold, because in overdue.items():
            before_ns = self.clock()
            try:
                self._held[hold].undo()
            except OSError as error:
                failures.append(f"{hold.what} of {hold.container[:12]}: {error}")
                continue
            del self._held[hold]
            self.healed.append(Healed(hold.what, hold.container, because, before_ns, self.clock()))
        if overdue:
            self._save()
        if failures:
            raise FaultError(f"not undone: {'; '.join(failures)}")

    def _save(self) -> None:
        """Write the state file atomically, so that the next process never reads a part of it."""
        write_whole(self.directory / STATE, json.dumps([asdict(hold) for hold in self._held]))
