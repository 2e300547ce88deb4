"""Trials side by side in the terminal: a line each when it is over, and one line that says how far all are.

What a trial tells meanwhile is kept until then, but for notes: those are said at once, and once where they differ
in figures only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chaos.progress import Message, Tell

_FIGURE = re.compile(r"\d+")
BACK = "recovered, "
"""What a path that is back is told by begins with this."""


@dataclass
class _Trial:
    heading: dict[str, Any] = field(default_factory=dict)
    t0: str = ""
    failed_s: float | None = None
    back: dict[str, float] = field(default_factory=dict)


class Board:
    """Takes the messages that carry a trial's number, and gives the lines that follow from each."""

    def __init__(self) -> None:
        self._trials: dict[int, _Trial] = {}
        self._noted: set[str] = set()

    def take(self, message: Message) -> Iterator[str]:
        assert message.trial is not None
        trial, data = self._trials.setdefault(message.trial, _Trial()), message.data
        if message.tell is Tell.TRIAL:
            trial.heading = data
        elif message.tell is Tell.EFFECT:
            trial.t0 = data["t0"]
        elif message.tell is Tell.SEEN:
            _see(trial, data["name"], data["at_s"])
        elif message.tell is Tell.NOTE and (text := _FIGURE.sub("", data["text"])) not in self._noted:
            self._noted.add(text)
            yield f"  note       trial {message.trial}: {data['text']}"
        elif message.tell is Tell.CLOSED:
            yield _line(message.trial, self._trials.pop(message.trial))


def far(data: dict[str, Any]) -> str:
    """`12 of 299 done, 8 under way, 00:31`; from an hour on with the hours."""
    minutes, seconds = divmod(int(data["seconds"]), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}"
    return f"{data['done']} of {data['of']} done, {data['under_way']} under way, {clock}"


def _see(trial: _Trial, name: str, at_s: float) -> None:
    if name.startswith(BACK):
        trial.back[name.removeprefix(BACK)] = at_s
    elif name == "first failed operation":
        trial.failed_s = at_s


def _line(number: int, trial: _Trial) -> str:
    which = "{experiment} {number}/{of}".format(**trial.heading)
    return f"  {number:>5}  {which:<24} {_effect(trial):<28} {_outage(trial)}".rstrip()


def _effect(trial: _Trial) -> str:
    return f"T0 {trial.t0}" if trial.t0 else "no fault took effect"


def _outage(trial: _Trial) -> str:
    """As it was seen live; the report has the figures."""
    if trial.failed_s is None:
        return "no outage seen" if trial.t0 else ""
    if not trial.back:
        return "not seen to be back"
    last = max(trial.back, key=lambda path: trial.back[path])
    return f"last back: {last} after {trial.back[last]:.1f} s"
