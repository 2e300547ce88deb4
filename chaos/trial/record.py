"""The host's own files of a trial: events of host, platform and faults, the documents, and the last word."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chaos.clock import HOST, mono_ns
from chaos.experiment.play import Journal
from chaos.observe.itself import pressure
from chaos.progress import Message, Tell, Tells
from chaos.record.event_files import EventWriter
from chaos.record.events import Event, Note, Stamped, Step, pair_event
from chaos.record.kept import kept
from chaos.record.layout import CLOSED, EVENTS, JOURNAL, MANIFEST, SETTINGS
from chaos.trial.spec import utc_now


class Record:
    """`step` is where the trial is; the marker of its end says it."""

    def __init__(self, directory: Path, tell: Tells) -> None:
        self.directory = directory
        self.step = 0
        self._manifest: dict[str, Any] = {}
        self._tell = tell
        self.host, self.platform, self.faults = (
            EventWriter(directory / EVENTS / f"{name}.jsonl", HOST) for name in ("host", "platform", "faults")
        )

    def subscribe(self, take: Callable[[Stamped[Event]], None]) -> None:
        """Have every event of these files taken, from now on."""
        for writer in (self.host, self.platform, self.faults):
            writer.subscribe(take)

    @contextmanager
    def at(self, number: int, name: str) -> Iterator[list[str]]:
        """One step of the trial; what is appended to the list is said of it when it ends."""
        self.step, begun_ns, said = number, mono_ns(), list[str]()
        self.host.write(Step(number=number, name=name, state="begun", text=""))
        state = "failed"
        try:
            yield said
            state = "ended"
        finally:
            text = " · ".join(said)
            self.host.write(Step(number=number, name=name, state=state, text=text))
        if text:
            self._tell(Message(Tell.STEP, {"name": name, "text": text, "seconds": (mono_ns() - begun_ns) / 1e9}))

    def note(self, text: str) -> None:
        self.host.write(Note(text=text))
        self._tell(Message(Tell.NOTE, {"text": text}))

    def beat(self) -> None:
        """Once a second: a pair of clock readings in each file, and how busy this machine is."""
        for writer in (self.host, self.platform, self.faults):
            writer.put(pair_event(HOST))
        self.host.write(pressure())

    def manifest(self, **content: Any) -> None:  # noqa: ANN401  # the keys of docs/file-formats.md
        """Written when the trial opens, and completed once, before the fault."""
        self._manifest |= content
        write_json(self.directory / MANIFEST, self._manifest)

    def settings(self, content: dict[str, Any]) -> None:
        write_json(self.directory / SETTINGS, content)

    def journal(self, content: Journal) -> None:
        write_json(self.directory / JOURNAL, content)

    def close(self, ended: str, error: str) -> None:
        """The last word: complete, interrupted or failed, and at which step."""
        for writer in (self.host, self.platform, self.faults):
            writer.close()
        write_json(self.directory / CLOSED, {"ended": ended, "step": self.step, "error": error, "at": utc_now()})


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all. What JSON has no word for, as in a journal, is written as text."""
    new = path.with_name(f".{path.name}.new")
    with kept(path):
        new.write_text(json.dumps(content, indent=1, default=str) + "\n")
        new.replace(path)
