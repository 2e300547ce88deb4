"""What a worker tells its campaign while a trial runs: one JSON object a line on the worker's standard output.

The campaign passes each on to the terminal or the log of pytest. No figure is computed from them: figures come from the
files, later.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self


class Tell(StrEnum):
    """What a message is about. The docstring of each names the keys of its `data`."""

    CAMPAIGN = "campaign"
    """A campaign opens: version, scenario, on, why, trials, variants, at_once, experiments, seed, directory.

    `why` is what kept kind from being chosen; it is empty otherwise.
    """
    STEP = "step"
    """A step of setting up ended: name, text, seconds."""
    WAITING = "waiting"
    """Still waiting: name, text (what for), seconds (how long so far)."""
    TRIAL = "trial"
    """A trial opens: experiment, number, of, seed."""
    EFFECT = "effect"
    """t = 0 is known: t0 (UTC, RFC 3339), text."""
    SEEN = "seen"
    """Something became known after t = 0: at_s, name (a milestone or `first failed operation`), text."""
    NOTE = "note"
    """A sentence the user should not miss: text."""
    PROGRESS = "progress"
    """How far trials side by side are: done, of, under_way, seconds."""
    CLOSED = "closed"
    """The trial's directory is closed: directory."""
    FAILED = "failed"
    """The harness failed: error (class name), text, exit_code."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `trial` is the number of its trial if several are played at once. A worker leaves it out."""

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
