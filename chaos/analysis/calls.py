"""Operations as values of summary.json: their counts, the calls of an application client, and a worker's tasks."""

from dataclasses import dataclass, field

from chaos.analysis.interval import Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How many operations of a path ended in which way."""

    sent: int = 0
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    missed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Tasks:
    """What became of the tasks that calls handed to a worker.

    `lost` were accepted, never done, and no longer in the broker at the end; `stuck` were begun or waited there still.
    `after` counts those that were accepted after t = 0.
    If the broker could not be asked, `lost` is None and both are stuck. `twice` were done more than once. `back_s` is
    when the worker did its first task after its longest pause after t = 0, which lasted `out_s`. Both are open if no
    task came after it. `unknown` were done, and the result backend had no result of them at the end; it is None if it
    could not be asked. `ended` says how the worker ended by itself, and `ended_s` when.
    """

    accepted: int
    after: int
    done: int
    lost: int | None
    twice: int
    stuck: int
    out_s: Interval | None = None
    back_s: Interval | None = None
    unknown: int | None = None
    ended: str = ""
    ended_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Calls:
    """What an application client is and met.

    `settings` are its time-outs and retries by its library's own names; one that is None is no time-out at all.
    `classes` counts its failed calls by the class of the error. `hung` says that its longest call had not ended when
    the trial did, and `gone` why its process ended before.
    """

    library: str
    settings: dict[str, str | None] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    hung: bool = False
    gone: str = ""
    tasks: Tasks | None = None

    @property
    def unlimited(self) -> tuple[str, ...]:
        """The names of the time-outs that it has not."""
        return tuple(name for name, value in self.settings.items() if value is None)
