"""One trial on one axis: every event, log line and operation in seconds from t = 0, with the error of its clock.

What the recording says, placed and indexed; no judgement. Both the analysis and the reports read a trial through this.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from chaos.analysis.align import Clocks, Nanoseconds
from chaos.analysis.logs import LogLine, find
from chaos.analysis.operations import Client, Operations
from chaos.analysis.result import Span
from chaos.analysis.roster import Roster
from chaos.model import Event
from chaos.record.reader import Recording

WARM_UP_S = 2.0
"""After the clients' start, before their baseline counts; at most a third of what there is."""


@dataclass(frozen=True, slots=True)
class Fact:
    """An event on the axis: it came to hold between `earliest_s` and `latest_s`."""

    kind: str
    earliest_s: float
    latest_s: float
    fields: dict[str, Any]

    @property
    def span(self) -> Span:
        return self.earliest_s, self.latest_s

    def get(self, name: str) -> Any:  # noqa: ANN401  a field is whatever its kind says
        return self.fields.get(name)


class History:
    """A recording on its axis. `t0_ns` is the earliest edge of the effect on the host's clock."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.clocks = Clocks(recording.events)
        self.effect_ns = self._effect()
        self.t0_ns = self.effect_ns[0] if self.effect_ns else self._origin()
        self._facts: dict[str, list[Fact]] = {}
        self.unplaced: dict[str, int] = {}
        for event in recording.events:
            self._place(event)
        for facts in self._facts.values():
            facts.sort(key=lambda fact: fact.latest_s)

    @classmethod
    def load(cls, directory: Path) -> Self:
        return cls(Recording.load(directory))

    def facts(self, kind: str) -> list[Fact]:
        """All events of a kind, by their latest edge."""
        return self._facts.get(kind, [])

    def first(self, kind: str) -> Fact | None:
        return next(iter(self.facts(kind)), None)

    def last(self, kind: str) -> Fact | None:
        return next(iter(self.facts(kind)[-1:]), None)

    def seconds(self, host_ns: int) -> float:
        return (host_ns - self.t0_ns) / 1e9

    def span(self, placed: Nanoseconds) -> Span:
        return self.seconds(placed[0]), self.seconds(placed[1])

    @cached_property
    def effect_s(self) -> Span | None:
        """The effect's interval; None where no fault is known to have taken effect."""
        return self.span(self.effect_ns) if self.effect_ns else None

    @property
    def width_s(self) -> float:
        """How long the effect's interval is: part of the error of every time that counts from t = 0."""
        return self.effect_s[1] - self.effect_s[0] if self.effect_s else 0.0

    @property
    def t0(self) -> str:
        """T0 as UTC in RFC 3339 with milliseconds; empty where no wall clock was recorded."""
        wall_ns = self.clocks.wall_ns(self.t0_ns)
        if wall_ns is None:
            return ""
        moment = datetime.fromtimestamp(wall_ns // 10**9, UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{wall_ns // 10**6 % 1000:03d}Z"

    @cached_property
    def clients(self) -> dict[int, Client]:
        tables = [file.header.get("clients", []) for file in self.recording.ops]
        listed = [*self.manifest.get("clients", []), *(client for table in tables for client in table)]
        return {raw["number"]: Client.from_json(raw) for raw in listed}

    @cached_property
    def paths(self) -> dict[str, list[Client]]:
        """The clients by path and way of connecting, as in service/new, in the order of their numbers."""
        found: dict[str, list[Client]] = {}
        for _, client in sorted(self.clients.items()):
            found.setdefault(client.name, []).append(client)
        return found

    @cached_property
    def ops(self) -> Operations:
        return Operations.load(self.recording, self.clocks, self.t0_ns, self.deadline_s)

    @property
    def manifest(self) -> dict[str, Any]:
        return self.recording.manifest

    @property
    def scenario(self) -> dict[str, Any]:
        scenario: dict[str, Any] = self.manifest.get("scenario", {})
        return scenario

    @property
    def experiment(self) -> str:
        return str(self.manifest.get("experiment", {}).get("name", ""))

    @property
    def expects(self) -> str:
        return str(self.manifest.get("experiment", {}).get("expects") or "any")

    @property
    def gap_s(self) -> float:
        return float(self.scenario.get("gap", 1.0))

    @cached_property
    def deadline_s(self) -> float:
        """As the clients were last told before the effect."""
        told = [fact.get("deadline_s") for fact in self.facts("clients.started") if fact.earliest_s <= 0]
        usual = self.manifest.get("deadline_s") or self.scenario.get("deadline", 0.1)
        return float(told[-1] if told and told[-1] else usual)

    @cached_property
    def started_s(self) -> float | None:
        """When the clients last started before the effect; None where they never did."""
        told = [fact.latest_s for fact in self.facts("clients.started") if fact.earliest_s <= 0]
        return told[-1] if told else None

    @property
    def baseline_s(self) -> Span | None:
        """What counts as the baseline: after the warm-up, until operations can be in flight at the effect."""
        if self.started_s is None:
            return None
        return self.started_s + min(WARM_UP_S, -self.started_s / 3), -self.deadline_s

    @cached_property
    def begin_s(self) -> float:
        """The first thing that was recorded."""
        return min((facts[0].latest_s for facts in self._facts.values()), default=0.0)

    @cached_property
    def end_s(self) -> float:
        """When watching ended: the clients' stop, or the last thing that was recorded."""
        stopped = [fact.latest_s for fact in self.facts("clients.stopped") if fact.latest_s > (self.started_s or 0.0)]
        last = [facts[-1].latest_s for facts in self._facts.values()]
        return stopped[-1] if stopped else max([*last, self.ops.end_s])

    @cached_property
    def heal_s(self) -> float | None:
        """When healing of a lasting fault was first requested: what is not back by then did not recover."""
        healed = self.first("fault.heal_requested")
        return healed.earliest_s if healed else None

    def lines(self, component: str, pattern: str) -> Iterator[LogLine]:
        """Lines of that component's container logs that match `pattern`, on the axis."""
        for name, path in self.recording.logs.items():
            opened = self._opened.get(name)
            if opened is None or opened.get("component") != component:
                continue
            place = Wall(self, str(opened["log_domain"]))
            for line in find(path, pattern, str(opened.get("pod"))):
                placed = line.placed(place)
                if placed is not None:
                    yield placed

    @cached_property
    def _opened(self) -> dict[str, dict[str, Any]]:
        events = (event for event in self.recording.events if event.kind == "log.opened")
        return {event.fields["file"]: event.fields | {"log_domain": event.domain} for event in events}

    @cached_property
    def roster(self) -> Roster:
        return Roster(self.members, *([fact.fields for fact in self.facts(kind)] for kind in ("pod", "role")))

    @cached_property
    def members(self) -> list[dict[str, Any]]:
        """Every member that was ever told of, the earliest of a name first."""
        return [member for fact in self.facts("members") for member in fact.get("members")]

    def names(self, kind: str) -> list[str]:
        """The members of a kind that were there before the effect."""
        before = [fact for fact in self.facts("members") if fact.latest_s <= 0] or self.facts("members")
        listed = before[-1].get("members") if before else []
        return [member["name"] for member in listed if member["kind"] == kind]

    def _effect(self) -> Nanoseconds | None:
        for event in self.recording.events:
            if event.kind == "fault.effect":
                latest = self.clocks.place(event.domain, event.at_ns)
                earliest = self.clocks.place(event.domain, event.since_ns or event.at_ns)
                if latest and earliest:
                    return earliest[0], latest[1]
        return None

    def _origin(self) -> int:
        """Where t = 0 is put in a trial that had no effect: the fault's request, or the last stamp of all."""
        stamps = [event.at_ns for event in self.recording.events if event.kind == "fault.requested"]
        mine = (event.at_ns for event in self.recording.events if self.clocks.same(event.domain))
        return stamps[0] if stamps else max(mine, default=0)

    def _place(self, event: Event) -> None:
        latest = self.clocks.place(event.domain, event.at_ns)
        since = event.at_ns if event.since_ns is None else event.since_ns
        earliest = self.clocks.place(event.domain, since)
        if latest is None or earliest is None:
            self.unplaced[event.domain] = self.unplaced.get(event.domain, 0) + 1
            return
        fact = Fact(event.kind, self.seconds(earliest[0]), self.seconds(latest[1]), event.fields)
        self._facts.setdefault(event.kind, []).append(fact)


@dataclass(frozen=True, slots=True)
class Wall:
    """Places the wall-clock stamps of one log: those of its node."""

    history: History
    domain: str

    def __call__(self, wall_ns: int) -> Span | None:
        placed = self.history.clocks.place_wall(self.domain, wall_ns)
        return self.history.span(placed) if placed else None
