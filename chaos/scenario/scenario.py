"""A scenario as its file declares it, and how soon its settings allow each claim to come true.

A file has durations and rates such as `5s`, `100ms`, `2m` and `50/s`. Loaded durations are in seconds.
"""

from math import ceil
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, GetPydanticSchema, model_validator
from typing_extensions import TypedDict

from chaos.scenario.clients import Client
from chaos.scenario.places import MASTER_LABEL, KubeSystem, LocalSystem, ProxyPods, SystemAddresses
from chaos.scenario.settings import AT_START, Part, Settings
from chaos.scenario.units import Count, Duration, Flag, Misplaced, Name, PositiveDuration, Whole

Claim = Literal[
    "detection",
    "quorum",
    "failover_start",
    "promotion",
    "reconfiguration",
    "endpoint",
    "recovery",
    "downtime",
    "lost_before",
    "lost_tail",
    "lost_after",
    "works_at_end",
]
"""The names of the claims that a scenario can make. docs/measuring.md says how each is measured."""
RENAMED = {
    "election": "failover_start",
    "endpoint_update": "endpoint",
    "reconnect": "recovery",
    "total": "downtime",
    "lost_acknowledged": "lost_before, lost_tail and lost_after",
}
"""The names of claims before format 2, and their present names."""
BEFORE_PROMOTION: tuple[Claim, ...] = ("detection", "quorum", "failover_start")
AFTER_PROMOTION: tuple[Claim, ...] = ("promotion", "reconfiguration", "endpoint", "recovery", "downtime")
PROMOTION_S = 0.2
"""The shortest time from +sdown to a writable master."""
HASTY_S = 1.1
"""How long a Sentinel may find a new master silent, if it had just tried to reach the old one when it switched: it
retries a lost connection once a second, on a tick of 100 ms, and a new master gets no extra time. Seen on 7.0 and 6.2
with down-after-milliseconds 1000: a second failover, to the other replica, within 2 s of the first."""
GATE_BY_DEFAULT = ("recovery", "downtime", "lost_before", "works_at_end")

MOST_MEMBERS = 50
"""The most replicas, and the most Sentinels, that a scenario may have."""
MOST_WRITES = 4000.0
"""The most writes per second that the clients' process can send on time."""
DATABASES = 16
"""The default number of Redis's databases."""


class System(Part):
    """The system under test. `kube`, `local` or both say where it can run; in a trial, only the chosen one is left.

    A system that runs already, and is only watched, has `addresses` instead.

    `replicas` and `sentinels` are how many a healthy system has. `period` is the longest period of anything in the
    system, such as an operator's resync: the random wait before the fault is at most this long. `operator` names the
    package in chaos.operators that knows how this operator works, or `none`.
    """

    kube: KubeSystem | None = None
    local: LocalSystem | None = None
    addresses: SystemAddresses | None = None
    replicas: Whole = Field(default=2, ge=1, le=MOST_MEMBERS)
    sentinels: Whole = Field(default=3, ge=1, le=MOST_MEMBERS)
    operator: Literal["none", "spotahome"] = "none"
    settings: Settings = Settings()
    period: Duration

    @model_validator(mode="after")
    def some_place(self) -> "System":
        if self.kube is None and self.local is None and self.addresses is None:
            raise ValueError("needs kube or local, or addresses for failover watch")
        return self

    @model_validator(mode="after")
    def settings_can_be_set(self) -> "System":
        """Refuse settings that the operator cannot set.

        On local, the modelled operator sets everything while Redis runs.
        """
        if self.kube is None and self.local and self.local.mode == "resync":
            for name in AT_START & self.settings.redis.keys():
                what = "the operator sets it by CONFIG SET, and Redis takes it from its file alone; leave it out"
                raise Misplaced(what, ("settings", "redis", name), ("local", "endpoint", "mode"))
        return self

    def placed(self, on_local: bool) -> "System":
        """Return the system with only the place where it is to run."""
        return self.model_copy(update={"kube": None} if on_local else {"local": None})

    @property
    def place(self) -> "KubeSystem | LocalSystem":
        place = self.kube or self.local
        assert place is not None
        return place

    @property
    def proxy(self) -> ProxyPods | None:
        """The HAProxy in front of Redis, or None."""
        if self.kube is not None or self.local is None:
            return self.kube.proxy if self.kube else None
        endpoint = self.on_local.endpoint
        return ProxyPods(selector="", service=endpoint.service) if endpoint and endpoint.mode == "haproxy" else None

    def backend_of(self, service: str) -> str:
        """Return the HAProxy backend behind a Service. Empty if the Service leads to Redis itself."""
        return self.proxy.backend if self.proxy and self.proxy.service == service else ""

    @property
    def forgets_the_gone(self) -> bool:
        """Whether an operator makes Sentinels forget replicas that are gone. Sentinels never do so by themselves."""
        if self.kube is not None or self.local is None:
            return self.kube is not None and self.kube.operator is not None
        return self.on_local.mode == "resync"

    @property
    def on_kube(self) -> KubeSystem:
        """The system on Kubernetes. Only for code that runs there."""
        assert self.kube is not None
        return self.kube

    @property
    def on_local(self) -> LocalSystem:
        """The system on local. Only for code that runs there."""
        assert self.local is not None
        return self.local

    @property
    def master_label(self) -> str | None:
        """The label of the master's pod, as `key=value`, or None if the system has none."""
        if self.kube is not None or self.local is None:
            return self.kube.master_label if self.kube else None
        return MASTER_LABEL if self.on_local.mode not in ("", "haproxy") else None


class Target(Part):
    """A promise. If it is a gate, it decides the verdict. `limit` is in seconds from t = 0, a count, or None."""

    limit: float | None = None
    gate: Flag = False


class TimeTarget(Target):
    """A promised time, from t = 0."""

    limit: Duration


class LossTarget(Target):
    """How many acknowledged writes may be lost at most."""

    limit: Count


class EndTarget(Target):
    """A promise about the end of the trial. It has no limit."""

    limit: None = None


class _TargetsByName(TypedDict, total=False):
    """The keys that a file may have under `targets`."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]  # where pydantic looks for it

    detection: TimeTarget
    quorum: TimeTarget
    failover_start: TimeTarget
    promotion: TimeTarget
    reconfiguration: TimeTarget
    endpoint: TimeTarget
    recovery: TimeTarget
    downtime: TimeTarget
    lost_before: LossTarget
    lost_tail: LossTarget
    lost_after: LossTarget
    works_at_end: EndTarget


def _gating(targets: Any) -> Any:  # noqa: ANN401  # a validator is given whatever YAML held
    """Refuse old names of claims. Make each claim in GATE_BY_DEFAULT a gate, unless the file says `gate: false`."""
    if not isinstance(targets, dict):
        return targets
    for name in targets.keys() & RENAMED.keys():
        raise Misplaced(f"{name} is called {RENAMED[name]} now", (name,))
    usual = {name: {"gate": True} for name in GATE_BY_DEFAULT}
    return {
        name: {**usual.get(name, {}), **target} if isinstance(target, dict) else target
        for name, target in targets.items()
    }


Targets = Annotated[
    dict[Claim, Target],
    GetPydanticSchema(lambda _source, handler: handler.generate_schema(_TargetsByName)),
    BeforeValidator(_gating),
]


class Limits(Part):
    """The longest duration of each wait in a trial. `watch` is how long the trial watches on after recovery."""

    recovery: PositiveDuration = 180.0
    stable: Duration = 5.0
    watch: Duration = 35.0
    baseline: PositiveDuration = 10.0
    healthy: PositiveDuration = 180.0


class Expectations(Part):
    """An experiment's own targets. They are merged over the scenario's."""

    targets: Targets = Field(default_factory=dict)
    failovers: Whole | None = Field(default=None, ge=0)


class Scenario(Part):
    """One scenario.yaml. `name` is the name of its folder, and is not in the file.

    `folder` is the path of that folder, if a client needs it to find the user's code. `model_dump(mode="json")` writes
    quantities as the file does, and `model_validate` reads them back.
    """

    about: str
    system: System
    clients: dict[Name, Client]
    targets: Targets
    experiments: dict[str, Expectations] = Field(default_factory=dict)
    limits: Limits = Limits()
    deadline: PositiveDuration = 0.1
    gap: PositiveDuration = 1.0
    database: Whole = Field(default=0, ge=0)
    name: str = ""
    folder: str = ""

    def beside(self, nth: int) -> "Scenario":
        """Return the scenario of the `nth` copy of the system on one Kubernetes cluster. 0 is the original.

        Every copy has its own namespace.
        """
        kube = self.system.kube
        if kube is None or nth == 0:
            return self
        kube = kube.model_copy(update={"namespace": f"{kube.namespace}-{nth + 1}"})
        return self.model_copy(update={"system": self.system.model_copy(update={"kube": kube})})

    @model_validator(mode="after")
    def database_is_there(self) -> "Scenario":
        """Check that the database exists.

        Redis has 16 unless `databases` says otherwise, in the scenario or in the manifests.
        """
        declared = self.system.settings.redis.get("databases")
        known = DATABASES if declared is None and self.system.kube is None else declared
        if known is not None and self.database >= int(known):
            what = f"there is no database {self.database}: Redis has {known} here, numbered from 0 to {int(known) - 1}"
            raise Misplaced(what, ("database",), ("system", "settings", "redis", "databases"))
        return self

    @model_validator(mode="after")
    def baseline_shows_something(self) -> "Scenario":
        """Check that each client sends something in the baseline, and that the deadline is shorter than it."""
        baseline_s, baseline = self.limits.baseline, ("limits", "baseline")
        if self.system.addresses is not None:
            return self
        if self.deadline >= baseline_s:
            what = f"{self.deadline:g} s is as long as the whole baseline of {baseline_s:g} s; write less, as in 100ms"
            raise Misplaced(what, ("deadline",), baseline)
        for name, client in self.clients.items():
            if client.rate_each * baseline_s < 1:
                least = f"{ceil(100 / baseline_s) / 100:g}/s"
                what = f"it would send nothing in the baseline of {baseline_s:g} s; write {least} or more"
                raise Misplaced(what, ("clients", name, "rate_each"), baseline)
        sent_hz = sum(one.rate_each * one.count * (1 if one.is_application else 2) for one in self.clients.values())
        if sent_hz > MOST_WRITES:
            what = f"they would write {sent_hz:.0f} times a second in all, and their process bears {MOST_WRITES:.0f}"
            parts = [("clients", name, key) for name in self.clients for key in ("count", "rate_each")]
            raise Misplaced(f"{what}; have fewer, or slower ones", ("clients",), *parts)
        return self

    @model_validator(mode="before")
    @classmethod
    def promised_by_default(cls, written: Any) -> Any:  # noqa: ANN401  # a validator is given whatever YAML held
        """Add the default promises: no loss of data that every replica had, and a system that works at the end.

        A scenario that limits the recovery also limits the downtime, to the same time.
        """
        targets = written.get("targets") if isinstance(written, dict) else None
        if not isinstance(targets, dict):
            return written
        promised: dict[str, Any] = {"lost_before": {"limit": 0}, "works_at_end": {}}
        recovery = targets.get("recovery")
        if isinstance(recovery, dict) and "limit" in recovery:
            promised["downtime"] = {"limit": recovery["limit"]}
        return {**written, "targets": {**targets, **{n: t for n, t in promised.items() if n not in targets}}}


def floors(down_after_s: float) -> dict[Claim, float]:
    """Map each claim to the earliest time at which Sentinel can do that step, in seconds from t = 0.

    At t = 0 the master falls silent. Only another down-after-milliseconds makes a step possible sooner. From Redis's
    sentinel.c, and measured on 7.0: no Sentinel publishes +sdown before that time is over, and a replica is writable at
    least 0.2 s later (a vote, a timer tick of 50 to 100 ms, REPLICAOF NO ONE). A failover that was asked for, as by a
    graceful delete, has no such minimum.
    """
    before: dict[Claim, float] = dict.fromkeys(BEFORE_PROMOTION, down_after_s)
    return before | dict.fromkeys(AFTER_PROMOTION, down_after_s + PROMOTION_S)


def down_after_s(scenario: Scenario) -> float | None:
    """Return the declared down-after-milliseconds in seconds, or None if the scenario does not declare it."""
    value = str(scenario.system.settings.sentinel.get("down-after-milliseconds", ""))
    return int(value) / 1000 if value.isdigit() else None
