"""What summary.json holds of operations: how many ended how, what an application client met, and a worker's tasks."""

from dataclasses import dataclass, field

from chaos.analysis.interval import Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How many operations of a path ended in each way."""

    sent: int = 0
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    missed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Tasks:
    """What became of the tasks that calls handed to a worker.

    `accepted` counts the tasks whose call succeeded, and `after` those of them that were accepted after t = 0. A task
    that was accepted and never done is `lost` if the broker no longer had it at the end, and `stuck` if it still waited
    there or had been begun. If the broker could not be asked, `lost` is None and all of them are stuck. `twice` counts
    tasks that were done more than once. `out_s` is how long the worker's longest pause after t = 0 lasted, and `back_s`
    when it did its first task after that; both are open if it did none. `unknown` counts
    tasks that were done and of which the result backend had no result at the end; it is None if that could not be
    asked. `ended` says how the worker ended by itself, and `ended_s` when.
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
    """What an application client says of itself, and what its calls met.

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
