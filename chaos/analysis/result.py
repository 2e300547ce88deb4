"""What an analysis says, as values. summary.json has the same keys, and reports are made from these and the recording.

Seconds count from t = 0, the earliest edge of the effect. Every figure with an error is an Interval. A file has it as
`[least, most]`, and `most` is null if it is open. docs/measuring.md says what each figure means.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from chaos.analysis.interval import Interval, Judgement, total

VERSION = 2
MILESTONE_OF = {
    "detection": "sdown",
    "quorum": "odown",
    "failover_start": "try_failover",
    "promotion": "promoted",
    "reconfiguration": "reconfigured",
    "endpoint": "pointer",
}
"""The milestone that each claim of a failover is held against."""
LOSS_CLAIMS = ("lost_before", "lost_tail", "lost_after")


class Verdict(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class State(StrEnum):
    """What became of a milestone."""

    SEEN = "seen"
    NOT_APPLICABLE = "not-applicable"
    NOT_YET = "not-yet"
    """It was watched for and had not come when the trial ended."""
    UNOBSERVED = "unobserved"
    """Nothing that could have seen it was there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Milestone:
    """One step. `at_s` is when it happened, if it was seen. `limit_s` is how long it was watched for, if it is not-yet.

    `source` is sentinel, sentinel-log, redis-log, role, address, endpoints, pod, proxy, operator-log, fault or
    client. `evidence` is the raw line or the observation that says so.
    """

    state: State
    at_s: Interval | None = None
    limit_s: float | None = None
    source: str = ""
    evidence: str = ""

    @classmethod
    def seen(cls, at_s: Interval, source: str, evidence: str) -> "Milestone":
        return cls(state=State.SEEN, at_s=at_s, source=source, evidence=evidence)


NOT_APPLICABLE = Milestone(state=State.NOT_APPLICABLE)
UNOBSERVED = Milestone(state=State.UNOBSERVED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A member at an address, and one process of it: `run_id` tells it from the next process of the same name."""

    name: str
    ordinal: int | None
    address: str = ""
    run_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultRecord:
    """One fault with its six stamps. `is_origin` says that its effect is t = 0. `arguments` are those of the action.

    `others` were hit at the same time as the target. `healed_by` is what proves that it was undone.
    """

    name: str
    target: Node | None
    is_origin: bool
    requested_s: float
    accepted_s: float | None
    effect_s: Interval | None
    confirmed_s: float | None
    heal_requested_s: float | None = None
    heal_confirmed_s: float | None = None
    evidence: str = ""
    unproved: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    others: tuple[Node, ...] = ()
    healed_by: str = ""

    @property
    def hit(self) -> tuple[str, ...]:
        """The names of all members that it hit."""
        return tuple(one.name for one in (self.target, *self.others) if one)

    @property
    def of_whom(self) -> str:
        """The fault and whom it hit, for a sentence."""
        return f"{self.name} of {', '.join(self.hit)}" if self.hit else self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class FailoverResult:
    """One epoch of Sentinel with +try-failover. `aborted` is Sentinel's word for why it was aborted, or empty.

    `per_sentinel` and `per_replica` say when each member switched or followed, by its name.
    """

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
    """One slice of a window. `start_s` and `end_s` are the middles of its boundaries, and `to` its last milestone."""

    name: str
    start_s: float
    end_s: float
    seconds: float
    least: float
    most: float
    to: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """One outage of one client. If it was not over, `end_s` is None and `censored` says what ended the watching.

    `when` says what caused it. Only `fault` counts. `before` began before the effect, so that the fault did not cause
    it. `after heal` came after a lasting fault was healed, and is in no sum. `widened` names the edges whose intervals
    are wider because our own stalls or waits for a core may have made operations there bad.
    """

    kind: Literal["seen", "durable"]
    when: Literal["before", "fault", "after heal"]
    onset_s: Interval
    end_s: Interval | None
    censored: Literal["heal", "limit"] | None
    length_s: Interval
    client: int
    phases: tuple[Phase, ...] = ()
    unattributed_s: float = 0.0
    widened: tuple[Literal["onset", "end"], ...] = ()
    errors: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetResult:
    """A promise held against what was measured: seconds, or a count of losses, masters or failovers.

    `limit` is None where the promise is no limit (works_at_end). `floor` is the least that the settings allow.
    """

    verdict: Judgement
    gate: bool
    limit: float | None = None
    measured: Interval | None = None
    why: str = ""
    floor: float | None = None


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
    when it did its first task after that; both are open if it did none. `unknown` counts tasks that were done and of
    which the result backend had no result at the end; it is None if that could not be asked. `ended` says how the
    worker ended by itself, and `ended_s` when.
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


PathState = Literal["works", "unreliable", "never worked", "unproved"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PathResult:
    """A way to the master, driven in one way: `name` is `<path>/<connection>`, as in service/new.

    `state` is what its baseline showed, and `state_why` is what is wrong if it does not work. `windows` are the worst
    client's. `full_s` is how long nobody succeeded in the first window, and `any_s` how long somebody failed.
    The clients of an `application` path use a user's library. Only it has `calls`, `longest_blocked_s`, `first_good_s`
    and `never_again`, which is what the last call of a client met that never wrote again. `address` is what its clients
    were given, which is Sentinel's if `via_sentinel`. `allowed_s` is how long an outage the settings allow. `at_end`
    says whether every client was served when the trial ended.
    """

    name: str
    connection: str
    state: PathState
    about: str
    windows: tuple[Window, ...]
    outage_s: Interval | None
    recovered_s: Interval | None
    downtime_s: Interval | None
    full_s: Interval | None
    any_s: Interval | None
    operations: Counts
    errors: dict[str, int]
    lost: int | None
    targets: dict[str, TargetResult] = field(default_factory=dict)
    state_why: str = ""
    longest_blocked_s: float | None = None
    first_good_s: Interval | None = None
    never_again: str = ""
    pointer: Milestone | None = None
    routable: Milestone | None = None
    address: str = ""
    via_sentinel: bool = False
    application: bool = False
    allowed_s: Interval | None = None
    gate: bool = True
    at_end: Literal["works", "out", "unknown"] = "unknown"
    calls: Calls | None = None

    @property
    def working(self) -> bool:
        """Whether it is a meter's path that worked before the fault. How long the service was out is told by these."""
        return self.state == "works" and not self.application

    @property
    def head(self) -> Window | None:
        """The window that outage, recovery and phases are about: the first durable one that the fault caused."""
        return next((w for w in self.windows if w.kind == "durable" and w.when == "fault"), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class LostSpell:
    """Acknowledged writes of one path that are lost, at times near to each other. `node` acknowledged them."""

    path: str
    from_s: float
    to_s: float
    count: int
    node: str
    lost_class: Literal["before", "tail", "after"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Losses:
    """Acknowledged writes that are lost, in three classes. Where they are None, `undecided` says why.

    before: acknowledged more than 1 s before the effect. tail: in the last second before it. after: after the effect.
    `recovered` counts operations of unknown outcome whose keys are there.
    """

    acknowledged: int
    before: Interval | None
    tail: Interval | None
    after: Interval | None
    recovered: int
    undecided: str = ""
    places: tuple[LostSpell, ...] = ()

    @property
    def lost(self) -> Interval | None:
        """All three classes together."""
        if self.before is None or self.tail is None or self.after is None:
            return None
        return total((self.before, self.tail, self.after))


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """Something about the harness and not the system. If it `voids`, the trial, or only `path`, is inconclusive."""

    name: str
    text: str
    voids: bool
    path: str = ""


Severity = Literal["lost", "out", "slow", "note"]
"""How much a finding matters: data is lost, service is out until the end, time was spent, or it is worth knowing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What the recording shows beyond times, in a sentence, with the rows that show it.

    It held from `since_s` until `until_s`, or to the end if that is None. `explains` names the phases whose length it
    may explain. `advice` is what would change it, and `price` what that would cost.
    """

    name: str
    sentence: str
    severity: Severity
    since_s: float
    until_s: float | None = None
    explains: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    advice: str = ""
    price: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialResult:
    """The result of one trial. `milestones` are of the failover that it is about. `cause` explains the outage."""

    number: int
    directory: str
    experiment: str
    expects: str
    seed: int
    t0: str
    verdict: Verdict
    because: tuple[str, ...]
    faults: tuple[FaultRecord, ...]
    failovers: tuple[FailoverResult, ...]
    milestones: dict[str, Milestone]
    targets: dict[str, TargetResult]
    paths: dict[str, PathResult]
    losses: Losses
    findings: tuple[Finding, ...]
    doubts: tuple[Doubt, ...]
    covariates: dict[str, Any]
    cause: str
    ended: str
    group: str = ""
    variant: str = ""
    """Trials of two groups or of two variants are never pooled. An operator's room names groups. Empty if only one."""
    stands_for: str = ""
    """What the experiment is in real life, in a sentence of its file."""

    @property
    def target(self) -> Node | None:
        """The member that the fault hit whose effect is t = 0."""
        return next((fault.target for fault in self.faults if fault.is_origin), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantile:
    """By when a share of all such trials is over: `value` in those that were seen, `most` at 95 % confidence.

    Both are None below `needs` trials: no number of theirs bounds it. `most` is None too if too many were not over.
    """

    needs: int
    value: float | None = None
    most: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """A figure over trials. A trial without a value is counted: `missing` never happened, `censored` is `> x`.

    `interval` is the 95 % interval of the median. `quantiles` are p95 and p99.
    """

    n: int
    minimum: float | None
    median: float | None
    maximum: float | None
    interval: tuple[float | None, float | None] = (None, None)
    censored: int = 0
    missing: int = 0
    quantiles: dict[str, Quantile] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Trials that may be pooled: one experiment, one variant, and one group as the operator's room names it.

    `share` is the 95 % interval of the share of such trials that pass, from those that were conclusive.
    """

    experiment: str
    group: str
    trials: tuple[int, ...]
    passed: int
    failed: int
    inconclusive: int
    strength: str
    figures: dict[str, Spread]
    share: tuple[float, float] = (0.0, 1.0)
    variant: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignResult:
    """The result of a campaign. `headline` has the first lines of every report: verdict, why, do and expect.

    `cluster_why` says why it was measured on local although kind would have been chosen: kind could not run.
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
