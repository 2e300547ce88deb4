"""The result of an analysis as dataclasses. summary.json has the same keys.

Times are seconds from t = 0, the earliest edge of the fault's effect. A figure with an error is an Interval, which
summary.json has as `[least, most]`, with null for `most` if it is open. docs/measuring.md says what each figure means.
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
"""Maps each claim about a failover to the milestone whose time is compared with the claim's limit."""
LOSS_CLAIMS = ("lost_before", "lost_tail", "lost_after")


class Verdict(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class State(StrEnum):
    """Whether a milestone was seen, and if not, why."""

    SEEN = "seen"
    NOT_APPLICABLE = "not-applicable"
    NOT_YET = "not-yet"
    """A source watched for the milestone, and the milestone had not come when the trial ended."""
    UNOBSERVED = "unobserved"
    """No source that could have shown the milestone was there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Milestone:
    """One step of a trial, such as `promoted`.

    `at_s` is when it was seen. `limit_s` is how long the trial watched for a milestone that is `not-yet`. `source` is
    sentinel, sentinel-log, redis-log, role, address, endpoints, pod, proxy, operator-log, fault or client. `evidence`
    is the raw log line or the observation that shows the milestone.
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
    """One member of the system at one address.

    `run_id` identifies one process of the member: the next process of the same name has another one.
    """

    name: str
    ordinal: int | None
    address: str = ""
    run_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultRecord:
    """One fault, with the time of each of its steps, or None if a step was not recorded.

    `is_origin` is true for the fault whose effect is t = 0. `arguments` are those of the experiment's action. `others`
    were hit together with `target`. `healed_by` is the evidence that the fault was undone.
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
        """The names of all members that the fault hit."""
        return tuple(one.name for one in (self.target, *self.others) if one)

    @property
    def of_whom(self) -> str:
        """The fault's name and the members that it hit, as in `crash of redis-0`."""
        return f"{self.name} of {', '.join(self.hit)}" if self.hit else self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class FailoverResult:
    """One failover that Sentinel tried: one epoch with +try-failover.

    `aborted` is Sentinel's word for why it was aborted, or empty. `per_sentinel` and `per_replica` map the name of each
    member to when it switched to the new master, or followed it.
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
    """One part of a window, such as `election`. It ends with the milestone `to`.

    `start_s` and `end_s` are the middles of the intervals at its two ends.
    """

    name: str
    start_s: float
    end_s: float
    seconds: float
    least: float
    most: float
    to: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """One outage of one client. `durable` counts lost acknowledged writes as bad operations too, and `seen` does not.

    `when` is `fault` for an outage that the fault caused, and only such an outage counts. `before` began before the
    effect. `after heal` came after a lasting fault was healed. `end_s` is None if the outage was not over, and
    `censored` then says what ended the watching. `widened` names the edges whose intervals are wider because our own
    stalls or waits for a core may have made operations there bad.
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

    @property
    def after_effect(self) -> bool:
        """Whether the fault caused it and it was not over before t = 0, as one can be that an earlier fault caused."""
        return self.when == "fault" and (self.end_s is None or self.end_s.most > 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetResult:
    """A promise compared with what was measured: seconds, or a count of losses, masters or failovers.

    `limit` is None for a promise that is no limit (works_at_end). `floor` is the least that the settings allow.
    """

    verdict: Judgement
    gate: bool
    limit: float | None = None
    measured: Interval | None = None
    why: str = ""
    floor: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How many operations of a path had each outcome."""

    sent: int = 0
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    missed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Tasks:
    """What became of the tasks that calls handed to a worker.

    `accepted` counts the tasks whose call succeeded, and `after` those accepted after t = 0. Of the accepted tasks that
    were never done, `lost` counts those that the broker no longer had at the end, and `stuck` the others. If the broker
    could not be asked, `lost` is None and all of them are `stuck`. `twice` counts tasks that were done more than once.
    `unknown` counts tasks that were done but had no result in the result backend at the end. It is None if the backend
    could not be asked.

    `out_s` is the length of the worker's longest pause after t = 0, and `back_s` is when the worker did its first task
    after that pause. Both are open if it did none. `ended` says how the worker ended by itself, and `ended_s` says
    when.
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
    """What one application client reported, and how its calls failed.

    `settings` maps the library's own names of time-outs and retries to their values; None means no time-out at all.
    `classes` counts failed calls by the class of the error. `hung` is true if a call had not ended when the trial did.
    `gone` says why the client's process ended before the trial.
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
    """The result of one path. `name` is `<path>/<connection>`, as in service/new.

    `state` is what the baseline showed, and `state_why` what is wrong if the path does not work. `windows` are those of
    the worst client. `full_s` is how long no client succeeded in the first window, and `any_s` how long some client
    failed. `address` is what the clients were given: Sentinel's address if `via_sentinel`. `allowed_s` is how long an
    outage the settings allow. `at_end` says whether every client was served when the trial ended.

    The clients of an `application` path use a user's library. Only such a path has `calls`, `longest_blocked_s`,
    `first_good_s` and `never_again`, which is the last error of a client that never wrote again.
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
        """Whether a meter drives the path and the path worked before the fault."""
        return self.state == "works" and not self.application

    @property
    def head(self) -> Window | None:
        """The first durable window that the fault caused and that was not over before t = 0, or None.

        `outage_s` and the phases are of this window.
        """
        return next((w for w in self.windows if w.kind == "durable" and w.after_effect), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class LostSpell:
    """Lost writes of one path that `node` acknowledged at times near each other.

    `from_s` and `to_s` are when the first and the last of them were sent.
    """

    path: str
    from_s: float
    to_s: float
    count: int
    node: str
    lost_class: Literal["before", "tail", "after"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Losses:
    """Acknowledged writes that are lost, in three classes.

    They were acknowledged more than 1 s before the effect (`before`), in the last second before it (`tail`), or after
    it (`after`). If the audit cannot tell, the three are None and `undecided` says why. `recovered` counts operations
    of unknown outcome whose keys the audit found.
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
        """How many acknowledged writes are lost: `before`, `tail` and `after` added up. None if they are undecided."""
        if self.before is None or self.tail is None or self.after is None:
            return None
        return total((self.before, self.tail, self.after))


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """Something that the harness did wrong or could not see.

    If it `voids`, the trial is inconclusive, or only `path` if a path is given.
    """

    name: str
    text: str
    voids: bool
    path: str = ""


Severity = Literal["lost", "out", "slow", "note"]
"""How much a finding matters: data was lost, the service was out until the end, time was spent, or it is worth knowing.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that the recording shows beyond times, told in `sentence`.

    It was true from `since_s` until `until_s`, or to the end if that is None. `explains` names the phases whose length
    it may explain, and `rows` show it. `advice` says what would change it, and `price` what that change would cost.
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
    """The result of one trial. `milestones` are those of the failover that it is about.

    `cause` explains its longest outage.
    """

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
    """Trials of different groups or variants are never pooled. The operator's class in chaos.operators names the group.
    """
    stands_for: str = ""
    """What the experiment stands for in real life, as its file says."""

    @property
    def target(self) -> Node | None:
        """The member that was hit by the fault whose effect is t = 0, or None."""
        return next((fault.target for fault in self.faults if fault.is_origin), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantile:
    """The time within which a share of all such trials is over, such as 95 %.

    `most` is its upper bound at 95 % confidence. Both are None below `needs` trials, because fewer cannot bound it.
    Each is None, too, if too many trials were not over.
    """

    needs: int
    value: float | None = None
    most: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """The distribution of one figure over `n` trials. `interval` is the 95 % interval of the median.

    `censored` counts the trials in which the figure is only known as `> x`. `missing` counts further trials, in which
    it never happened.
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
    """Trials that may be pooled: their experiment, variant and group are the same.

    `share` is the 95 % interval of the share of such trials that pass. Inconclusive trials are left out of it.
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

    `cluster_why` says why kind could not run, if the campaign ran on local for that reason.
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
