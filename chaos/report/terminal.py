"""Shows a campaign on the terminal while it runs. `closing.py` makes the lines at its end.

Each of several trials side by side has one line, when it is over. Until then, one line says how far all of them are. A
note of a trial is shown at once, but not again if it differs from an earlier note only in its figures. On a terminal,
the line that says what is waited for is redrawn in place. Elsewhere it is a new line every `AGAIN_S` seconds at most.
"""

import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.control import Control
from rich.markup import escape
from rich.segment import ControlType

from chaos.analysis.result import CampaignResult
from chaos.analysis.wording import breakable, number, seconds, where, wrapped
from chaos.progress import Message, Tell

AGAIN_S = 30.0
COLUMN = 82
"""The width of the text of a step."""
CLEARED = Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2))
_FIGURE = re.compile(r"\d+")
BACK = "recovered, "
"""The beginning of the message that says that a path is back."""
STYLES = {"good": "green", "bad": "red bold", "open": "yellow", "plain": "default"}


class _Console(Console):
    """A console that ends the run in order if nobody reads its output any more, as in `failover run | head`.

    rich's own console raises SystemExit then, which would end our event loop.
    """

    def on_broken_pipe(self) -> None:
        """End the run as Ctrl-C does, which undoes the fault first."""
        self.quiet = True
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        signal.raise_signal(signal.SIGINT)


class Terminal:
    """Prints what the command line and the pytest plugin report. If `quiet`, it prints only errors and the verdict."""

    def __init__(self, *, quiet: bool = False, file: TextIO | None = None) -> None:
        self.quiet = quiet
        self.console: Console = _Console(file=file, highlight=False, soft_wrap=True)
        self._redrawn = False
        self._waiting: tuple[str, float] = ("", 0.0)
        self._board = Board()

    def tell(self, message: Message) -> None:
        """Show one message now."""
        if self.quiet and message.tell is not Tell.FAILED:
            return
        data = message.data
        if message.trial is not None:
            self._print(map(escape, self._board.take(message)))
        elif message.tell is Tell.PROGRESS:
            self._wait("trials", data["seconds"], f"  {far(data)}")
        elif message.tell is Tell.WAITING:
            text = f"  {data['name']:<10} waiting {seconds(data['seconds'], 0)}: {data['text']}"
            self._wait(data["name"], data["seconds"], text)
        else:
            self._print(LINES[message.tell](data))

    def say(self, text: str) -> None:
        """Print a line as it is."""
        if not self.quiet:
            self._print([escape(text)])

    def closing(self, result: CampaignResult, report: Path) -> None:
        """Print what became of the trials, then verdict, why, what to do and where the report is."""
        from chaos.report.closing import (
            campaign_lines,
            fault_lines,
            verdict_lines,
        )  # with numpy, which `--help` need not load

        self._settle()
        told = [] if self.quiet else [*campaign_lines(result), *fault_lines(result)]
        for line in [*told, *verdict_lines(result, report)]:
            text = "".join(f"[{STYLES[tone]}]{escape(text)}[/]" for text, tone in line)
            self.console.print(breakable(text))

    def _print(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._settle()
            self.console.print(line)

    def _wait(self, name: str, seconds: float, text: str) -> None:
        """Redraw the line that says what is waited for, or print it now and then."""
        if self.console.is_terminal:
            self._settle()
            self.console.print(escape(text[: self.console.width - 1]), end="")
            self._redrawn = True
        elif name != self._waiting[0] or not self._waiting[1] <= seconds < self._waiting[1] + AGAIN_S:
            self._waiting = (name, seconds)
            self.console.print(escape(text))

    def _settle(self) -> None:
        """Remove the redrawn line before another line is printed."""
        if self._redrawn:
            self.console.control(CLEARED)
            self._redrawn = False


@dataclass
class _Trial:
    heading: dict[str, Any] = field(default_factory=dict)
    t0: str = ""
    failed_s: float | None = None
    back: dict[str, float] = field(default_factory=dict)


class Board:
    """The trials that run side by side. It takes their messages, and yields the lines that are due."""

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
            if data["name"].startswith(BACK):
                trial.back[data["name"].removeprefix(BACK)] = data["at_s"]
            elif data["name"] == "first failed operation":
                trial.failed_s = data["at_s"]
        elif message.tell is Tell.NOTE and (text := _FIGURE.sub("", data["text"])) not in self._noted:
            self._noted.add(text)
            yield f"  note       trial {message.trial}: {data['text']}"
        elif message.tell is Tell.CLOSED:
            yield _line(message.trial, self._trials.pop(message.trial))


def far(data: dict[str, Any]) -> str:
    """Format how far a campaign is, as in `12 of 299 done, 8 under way, 00:31`, or `1:02:10` after an hour."""
    minutes, seconds = divmod(int(data["seconds"]), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}"
    return f"{data['done']} of {data['of']} done, {data['under_way']} under way, {clock}"


def _line(number: int, trial: _Trial) -> str:
    """Return the line of a trial that is over, from what was seen while it ran. The report has the exact figures."""
    which = "{experiment} {number}/{of}".format(**trial.heading)
    effect = f"T0 {trial.t0}" if trial.t0 else "no fault took effect"
    if trial.failed_s is None:
        outage = "no outage seen" if trial.t0 else ""
    elif not trial.back:
        outage = "not seen to be back"
    else:
        last = max(trial.back, key=lambda path: trial.back[path])
        outage = f"last back: {last} after {seconds(trial.back[last])}"
    return f"  {number:>5}  {which:<24} {effect:<28} {outage}".rstrip()


def _campaign(data: dict[str, Any]) -> list[str]:
    place = where(data["on"], data["why"])
    what = f"failover {data['version']} · scenario {data['scenario']} · {place} · seed {data['seed']}"
    variants = f" of each of {', '.join(data['variants'])}" if data.get("variants") else ""
    rounds = (
        f"{data['trials']} × {', '.join(data['experiments'])}{variants}"
        if data["experiments"]
        else "trials as tests ask"
    )
    many = f", {data['at_once']} at once" if data["at_once"] > 1 and data["experiments"] else ""
    long = "; 2 to 5 minutes each" if data["on"] == "kind" else ""
    return [f"[bold]{escape(what)}[/]", escape(f"{rounds}{many}{long}, then {data['directory']}/report.html")]


def _beside(word: str, lines: Iterable[str]) -> list[str]:
    """Return the lines with a word of ten columns before the first one, and the others indented."""
    first, *rest = lines
    return [f"  {word} {first}", *(f"{'':<13}{line}" for line in rest)]


def _step(data: dict[str, Any]) -> list[str]:
    """Return the lines of a step of a trial. The last line ends with how long the step took."""
    *more, last = map(escape, wrapped(data["text"], COLUMN) or [""])
    timed = f"{last:<{COLUMN}} [dim]{seconds(data['seconds']):>8}[/]"
    return _beside(f"[cyan]{escape(data['name']):<10}[/]", [*more, timed])


LINES: dict[Tell, Callable[[dict[str, Any]], list[str]]] = {
    Tell.CAMPAIGN: _campaign,
    Tell.STEP: _step,
    Tell.TRIAL: lambda it: ["", f"[bold]{escape(it['experiment'])} {it['number']}/{it['of']}[/]   seed {it['seed']}"],
    Tell.EFFECT: lambda it: [f"  T0 {escape(it['t0'])}   {escape(it['text'])}"],
    Tell.SEEN: lambda it: [f"  {number(it['at_s']):>7}  {escape(it['name']):<22} {escape(it['text'])}".rstrip()],
    Tell.NOTE: lambda it: _beside(f"[yellow]{'note':<10}[/]", map(escape, wrapped(it["text"], COLUMN + 15) or [""])),
    Tell.CLOSED: lambda it: [f"  [dim]recorded in {escape(it['directory'])}[/]"],
    Tell.FAILED: lambda it: [f"[red bold]error:[/] {escape(it['text'])}"],
}
"""Maps each message that is not redrawn in place to the lines that show it. Text in brackets is rich's markup."""
