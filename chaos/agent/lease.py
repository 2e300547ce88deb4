"""Faults as leases: what is held on a node, until when, and how it is undone without anybody's help.

A fault is undone when its lease was not renewed in time, when it has lasted its longest, when the helper is told to
undo it, and when the helper ends. After a crash the next helper undoes it, because a state file says what was held.
What was undone can still be read as `healed`.
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
    """How long a fault may last: `lease_s` since its last renewal, and `longest_s` in all."""

    lease_s: float
    longest_s: float


@dataclass(frozen=True, slots=True)
class Hold:
    """One fault in force, with what undoes it, as data that outlives the process that made it.

    `what` is the kind of the fault. `namespace` is the inode of the network namespace that it changed, if any, and
    `undo` what else its undoing has to know, as JSON.
    """

    container: str
    namespace: int | None
    what: str = "pause"
    undo: str = ""


@dataclass(frozen=True, slots=True)
class Healed:
    """A fault that was undone, why, and the stamps just before and after."""

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
    """The faults in force on a node. Use it from one event loop. `directory` outlives the process, but not the pod."""

    directory: Path
    clock: Callable[[], int] = mono_ns
    healed: list[Healed] = field(default_factory=list)
    _held: dict[Hold, _Held] = field(default_factory=dict)

    def take(self, hold: Hold, term: Term, undo: Callable[[], object]) -> None:
        """Take a lease before the fault is made, so that it is undone even after a crash in between.

        `undo` must be harmless at any time. The lease replaces an equal one, and any other cut of the same network
        namespace, because to undo that one would undo this one.
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
        """Forget a fault that was undone by a request of its own."""
        if self._held.pop(hold, None):
            self._save()

    def renew(self) -> None:
        """Begin every lease again, since the host is alive. No fault lasts longer than its longest for that."""
        now_ns = self.clock()
        for held in self._held.values():
            held.renewed_ns = now_ns

    def expire(self) -> None:
        """Undo what is overdue. Raises as `heal` does."""
        now_ns = self.clock()
        overdue = {hold: held.overdue(now_ns) for hold, held in self._held.items()}
        self._undo({hold: because for hold, because in overdue.items() if because})

    def heal(self, because: str) -> None:
        """Undo everything. Raises FaultError for what cannot be undone, which stays held."""
        self._undo(dict.fromkeys(self._held, because))

    def status(self) -> dict[str, Any]:
        return {"held": [asdict(hold) for hold in self._held], "healed": [asdict(healed) for healed in self.healed]}

    def left_behind(self) -> Iterator[Hold]:
        """Yield what the process before this one held when it ended."""
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
        """Write the state file in one step, so that the next process reads all of it."""
        write_whole(self.directory / STATE, json.dumps([asdict(hold) for hold in self._held]))
