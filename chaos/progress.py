"""Messages of a worker to its campaign while a trial runs, as lines of JSON on the worker's standard output.

The campaign shows them in the terminal or in pytest's log. No figure is computed from them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self


class Tell(StrEnum):
    """The kind of a message. The docstring of each lists the keys of its `data`."""

    CAMPAIGN = "campaign"
    """A campaign opens: version, scenario, on, why, trials, variants, at_once, experiments, seed, directory.

    `why` is what kind lacks here, if local was chosen for that. Otherwise it is empty."""
    STEP = "step"
    """A step of the setup has ended: name, text, seconds."""
    WAITING = "waiting"
    """The campaign still waits: name, text (for what), seconds (how long so far)."""
    TRIAL = "trial"
    """A trial opens: experiment, number, of, seed."""
    EFFECT = "effect"
    """t = 0 is known: t0 (UTC, RFC 3339), text."""
    SEEN = "seen"
    """Something happened after t = 0: at_s, name (a milestone or `first failed operation`), text."""
    NOTE = "note"
    """A sentence for the user: text."""
    PROGRESS = "progress"
    """The progress of trials that run at the same time: done, of, under_way, seconds."""
    CLOSED = "closed"
    """The trial's directory is closed: directory."""
    FAILED = "failed"
    """The harness failed: error (class name), text, exit_code."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `trial` is the number of its trial if several run at once. Workers leave it out."""

    tell: Tell
    data: dict[str, Any] = field(default_factory=dict)
    trial: int | None = None

    def line(self) -> str:
        return json.dumps({"tell": self.tell, "data": self.data}, separators=(",", ":"))

    @classmethod
    def parse(cls, line: str) -> Self:
        raw = json.loads(line)
        return cls(Tell(raw["tell"]), raw["data"])


Tells = Callable[[Message], None]
"""Shows a message, or passes it on."""
