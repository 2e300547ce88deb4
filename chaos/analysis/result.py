"""What an analysis says, as values. summary.json is these, key by key; a report is made from these and the recording.

Seconds count from t = 0, the earliest edge of the effect. Every figure with an error is (least, most).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

VERSION = 1
Span = tuple[float, float]
Measured = tuple[float, float | None]
"""A span, or one without a most: it was not over when we stopped looking."""


def middle(measured: Measured) -> float:
    """The value that it is quoted by: its middle, or its least where it has no end."""
    least, most = measured
    return least if most is None else (least + most) / 2


class Verdict(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class State(StrEnum):
    """Of a milestone: definitions are in docs/measuring.md."""

    SEEN = "seen"
    NOT_APPLICABLE = "not-applicable"
    NOT_YET = "not-yet"
    UNOBSERVED = "unobserved"


@dataclass(frozen=True, kw_only=True, slots=True)
class Milestone:
    """`source` is sentinel, sentinel-log, redis-log, role, address, endpoints, proxy, pod, operator-log or client.

    `evidence` is the raw line or the observation that says so. `limit_s` is how long it was watched for, when not-yet.
    """

    state: State
    earliest_s: float | None = None
    latest_s: float | None = None
    limit_s: float | None = None
    source: str = ""
    evidence: str = ""

    @property
    def span(self) -> Span | None:
        """When it was seen; None when it was not."""
        if self.earliest_s is None or self.latest_s is None:
            return None
        return self.earliest_s, self.latest_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    name: str
    ordinal: int | None
    address: str = ""
    run_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultRecord:
    name: str
    target: Node | None
    requested_s: float
    accepted_s: float | None
    effect_s: Span | None
    confirmed_s: float | None
    heal_requested_s: float | None = None
    heal_confirmed_s: float | None = None
    evidence: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failover:
    """One epoch with try-failover. `per_sentinel` and `per_replica` are milestones by member name."""

    epoch: int
    kind: Literal["detected", "requested"]
    leader: str
    successor: Node | None
    aborted: str
    milestones: dict[str, Milestone]
    per_sentinel: dict[str, Milestone] = field(default_factory=dict)
    per_replica: dict[str, Milestone] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """One slice of a window; `start_s` and `end_s` are the middles of its boundaries, `to` the closing milestone."""

    name: str
    start_s: float
    end_s: float
    seconds: float
    least: float
    most: float
    to: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """One outage. `end_s` None and `censored` say that it was not over; `length_s` is (least, most or None).

    `suspect` are the edges that a stall of our own touched: what rests on one is undecided.
    """

    kind: Literal["seen", "durable"]
    onset_s: Span
    end_s: Span | None
    censored: Literal["heal", "limit"] | None
    length_s: Measured
    client: int
    after_heal: bool = False
    phases: tuple[Phase, ...] = ()
    unattributed_s: float = 0.0
    undecided: str = ""
    suspect: tuple[Literal["onset", "end"], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetResult:
    """A promised limit held against what was measured. `late_s` is by how much, ± the error in `measured_s`."""

    limit_s: float
    measured_s: Measured | None
    verdict: Literal["pass", "fail", "undecided", "not-applicable"]
    gate: bool
    why: str = ""
    floor_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    sent: int = 0
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    missed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PathResult:
    """`name` is `<path>/<connection>`, as in service/new. `state` works · unreliable · never worked · unproved.

    `windows` are the worst client's; `full` (nobody succeeds) and `any` are (least, most) lengths of the first window.
    `application` paths carry their longest blocked call and their first good durable call instead of gates;
    `never_again` is why one never had such a call again, and since when.
    `address` is what its clients were given, a Sentinel's where `via_sentinel`. `allowed_s` is what the settings allow
    the outage to be.
    """

    name: str
    connection: str
    state: Literal["works", "unreliable", "never worked", "unproved"]
    about: str
    windows: tuple[Window, ...]
    outage_s: Measured | None
    recovered_s: Measured | None
    downtime_s: Measured | None
    full_s: Measured | None
    any_s: Measured | None
    operations: Counts
    errors: dict[str, int]
    lost: int | None
    targets: dict[str, TargetResult] = field(default_factory=dict)
    never_worked_because: str = ""
    longest_blocked_s: float | None = None
    first_good_s: Span | None = None
    never_again: str = ""
    pointer: Milestone | None = None
    routable: Milestone | None = None
    address: str = ""
    via_sentinel: bool = False
    application: bool = False
    allowed_s: Span | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LostSpell:
    """Acknowledged writes of one path that are gone, near to each other. `node` acknowledged them."""

    path: str
    from_s: float
    to_s: float
    count: int
    node: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Losses:
    """`lost` None: undecided, and `undecided` says why."""

    acknowledged: int
    lost: int | None
    recovered: int
    undecided: str
    places: tuple[LostSpell, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """Something about the harness, not the system. `gates`: it makes the trial, or `path`, inconclusive."""

    name: str
    text: str
    gates: bool
    path: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialResult:
    """`milestones` are those of the first completed failover. `cause` is the sentence made from the record by rules."""

    number: int
    directory: str
    experiment: str
    expects: str
    seed: int
    t0: str
    verdict: Verdict
    because: tuple[str, ...]
    faults: tuple[FaultRecord, ...]
    failovers: tuple[Failover, ...]
    milestones: dict[str, Milestone]
    targets: dict[str, TargetResult]
    paths: dict[str, PathResult]
    losses: Losses
    doubts: tuple[Doubt, ...]
    covariates: dict[str, Any]
    cause: str
    ended: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """A figure over trials. A trial that has no value is counted: `missing` never happened, `censored` is `> x`."""

    n: int
    minimum: float | None
    median: float | None
    maximum: float | None
    interval: tuple[float | None, float | None] = (None, None)
    censored: int = 0
    missing: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Trials that may be pooled: one experiment, and one order of killed and new ordinal (lower, higher or none)."""

    experiment: str
    order: Literal["lower", "higher", ""]
    trials: tuple[int, ...]
    passed: int
    failed: int
    inconclusive: int
    strength: str
    figures: dict[str, Spread]


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignResult:
    """`headline` is verdict, why, do, expect: the first lines of every report, made by rules from the trials.

    `cluster_why` says why it was measured on local, where kind would have been taken and could not run.
    """

    version: int
    name: str
    scenario: str
    cluster: str
    verdict: Verdict
    rule: str
    headline: dict[str, str]
    groups: tuple[Group, ...]
    trials: tuple[TrialResult, ...]
    manifest: dict[str, Any]
    cluster_why: str = ""
