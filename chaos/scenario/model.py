"""A scenario as its file says it. Durations are seconds once loaded; a file writes `5s`, `100ms`, `2m`, `50/s`."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, GetPydanticSchema, model_validator
from typing_extensions import TypedDict

from chaos.scenario.settings import Part, Settings
from chaos.scenario.units import Address, Count, Duration, Name, Port, Rate, Versions

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
"""What a scenario can promise; docs/measuring.md says what each is held against."""
RENAMED = {
    "election": "failover_start",
    "endpoint_update": "endpoint",
    "reconnect": "recovery",
    "total": "downtime",
    "lost_acknowledged": "lost_before, lost_tail and lost_after",
}
"""Claims as they were called before format 2."""
GATE_BY_DEFAULT = ("recovery", "downtime", "lost_before", "works_at_end")

MASTER_LABEL = "role=master"
"""On local, where a label is what the endpoint controller last said of a member."""
DATABASES = 16
"""How many databases a Redis has that was not told otherwise."""
PROXY_STATS, PROXY_BACKEND = 9999, "redis"
"""Where HAProxy's stats socket is, and what its backend is called, unless a scenario says otherwise."""


class SecretKey(Part):
    """A password by reference: no file of ours, and no log or report, ever holds it."""

    secret: str
    key: str = "password"


class RedisPods(Part):
    selector: str
    port: Port = 6379
    container: str = "redis"


class SentinelPods(Part):
    selector: str
    service: str
    port: Port = 26379
    master: Name = "mymaster"
    container: str = "sentinel"


class OperatorPods(Part):
    namespace: str
    selector: str


class ProxyPods(Part):
    """HAProxy in front of the Redis pods. `service` is the name by which clients reach it.

    `port` is that of its stats socket (`stats socket ipv4@*:9999 level user`), `backend` the one that clients get.
    """

    selector: str
    service: str
    port: Port = PROXY_STATS
    backend: str = PROXY_BACKEND
    container: str = "haproxy"


class KubeSystem(Part):
    """Where the system is on Kubernetes. `manifests` are folders or files beside the scenario, in their order."""

    manifests: tuple[str, ...]
    namespace: str
    images: tuple[str, ...]
    node_image: str | None = None
    redis: RedisPods
    sentinel: SentinelPods
    operator: OperatorPods | None = None
    proxy: ProxyPods | None = None
    master_label: str | None = None
    password: SecretKey | None = None


class LocalServer(Part):
    """Which server every member runs; no `program`: whichever is found. `versions` are as pip writes them."""

    program: Literal["redis", "valkey"] | None = None
    versions: Versions = ">=6.2"


class LocalSentinel(Part):
    """`service` is the name by which clients reach any Sentinel."""

    service: Name
    name: Name = "sentinel"
    port: Port = 26379
    master: Name = "mymaster"


class LocalEndpoint(Part):
    """Who moves the address of the master's Service, and when.

    sentinel: at +switch-master. poll: asks every `every` who is master. resync: as the Redis operator does, every
    `every`, not while a member is missing, labels written in the order of names up to the first that does not follow.
    haproxy: nobody moves it; an HAProxy stands at it and checks every Redis itself, as `settings.proxy` say.
    """

    service: Name
    mode: Literal["sentinel", "poll", "resync", "haproxy"]
    every: Duration = 30.0


class LocalReplacement(Part):
    """A member that was taken away comes back under its name, at its address or another, with its data or empty."""

    after: Duration = 2.0
    address: Literal["kept", "new"] = "kept"
    data: Literal["kept", "lost"] = "kept"


class LocalSystem(Part):
    """Processes in network namespaces. Members are `<redis>-0` on, and `<sentinel.name>-0` on.

    `endpoint`: without one clients can only ask Sentinel.
    `restart`: from the end of a process to its next start in place.
    `asks_sentinel`: a Redis that starts again waits until the master that Sentinel names answers, and follows it.
    Otherwise it is what its file said last.
    `hands_over`: a master that is deleted gracefully first asks Sentinel for a failover, as a preStop hook does, and
    ends `terminate` later. Otherwise it ends at once.
    `ready`: how long a member that was started again runs before it counts as Ready.
    `password`: `generated` has every Redis ask for one that is made for this system alone.
    """

    server: LocalServer = LocalServer()
    redis: Name = "redis"
    port: Port = 6379
    sentinel: LocalSentinel
    endpoint: LocalEndpoint | None = None
    restart: Duration = 1.0
    replace: LocalReplacement = LocalReplacement()
    asks_sentinel: bool = False
    hands_over: bool = True
    terminate: Duration = 31.0
    ready: Duration = 0.0
    password: Literal["generated"] | None = None

    @model_validator(mode="after")
    def one_name_each(self) -> "LocalSystem":
        if self.redis == self.sentinel.name:
            raise ValueError(f'redis and sentinel.name are both "{self.redis}"; members need different names')
        if self.endpoint and self.endpoint.service == self.sentinel.service:
            raise ValueError(f'endpoint.service and sentinel.service are both "{self.sentinel.service}"')
        return self

    @model_validator(mode="after")
    def haproxy_knows_addresses(self) -> "LocalSystem":
        if self.mode == "haproxy" and self.replace.address == "new":
            raise ValueError("endpoint.mode haproxy knows members by address; write replace: {address: kept}")
        return self

    @property
    def mode(self) -> str:
        """Who moves the master's address; empty where there is no such address."""
        return self.endpoint.mode if self.endpoint else ""


class System(Part):
    """`kube`, `local` or both say where it can run. The scenario of a trial holds the one where it does run.

    `replicas` and `sentinels` are how many the health gate demands. `period` is the scenario's longest period.
    `operator` names what is known of who moves the master's address; `none` claims nothing.
    """

    kube: KubeSystem | None = None
    local: LocalSystem | None = None
    replicas: int = Field(default=2, ge=1)
    sentinels: int = Field(default=3, ge=1)
    operator: Literal["none", "spotahome"] = "none"
    settings: Settings = Settings()
    period: Duration

    @model_validator(mode="after")
    def some_place(self) -> "System":
        if self.kube is None and self.local is None:
            raise ValueError("needs kube or local")
        return self

    def placed(self, on_local: bool) -> "System":
        """The same system where it is to run, without the other place. It has to name that place."""
        return self.model_copy(update={"kube": None} if on_local else {"local": None})

    @property
    def place(self) -> "KubeSystem | LocalSystem":
        place = self.kube or self.local
        assert place is not None
        return place

    @property
    def proxy(self) -> ProxyPods | None:
        """The HAProxy in front, if there is one."""
        if self.kube is not None:
            return self.kube.proxy
        endpoint = self.on_local.endpoint
        return ProxyPods(selector="", service=endpoint.service) if endpoint and endpoint.mode == "haproxy" else None

    def backend_of(self, service: str) -> str:
        """The backend of the proxies that stand at a Service; empty where a Service leads to Redis itself."""
        return self.proxy.backend if self.proxy and self.proxy.service == service else ""

    @property
    def forgets_the_gone(self) -> bool:
        """An operator has Sentinels forget replicas that are gone; Sentinel alone never does."""
        return self.kube.operator is not None if self.kube else self.on_local.mode == "resync"

    @property
    def on_kube(self) -> KubeSystem:
        """For what runs on Kubernetes only, and was given a scenario of it."""
        assert self.kube is not None
        return self.kube

    @property
    def on_local(self) -> LocalSystem:
        """For what runs on local only, and was given a scenario of it."""
        assert self.local is not None
        return self.local

    @property
    def master_label(self) -> str | None:
        """The label that the master's pod carries, as `key=value`; None where nobody writes one."""
        if self.kube is not None:
            return self.kube.master_label
        return MASTER_LABEL if self.on_local.mode not in ("", "haproxy") else None


class Client(Part):
    """Exactly one way to the master: a Service's `address`, or `sentinel`, the address of Sentinel's Service."""

    address: Address | None = None
    sentinel: Address | None = None
    library: Literal["redis-py-pool"] | None = None
    count: int = Field(default=4, ge=1)
    rate_each: Rate = 50.0
    about: str = ""
    gate: bool = True

    @model_validator(mode="after")
    def one_way(self) -> "Client":
        if (self.address is None) == (self.sentinel is None):
            raise ValueError("needs either address or sentinel")
        return self


class Target(Part):
    """A promise. A gate decides the verdict. `limit` is in seconds from t = 0, a count, or None where there is none."""

    limit: float | None = None
    gate: bool = False


class TimeTarget(Target):
    """A promised time, from t = 0."""

    limit: Duration


class LossTarget(Target):
    """A promised limit of acknowledged writes that are gone."""

    limit: Count


class EndTarget(Target):
    """A promise about the end of the trial, which has no limit."""

    limit: None = None


class _TargetsByName(TypedDict, total=False):
    """What a file may hold under `targets`."""

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
    """Refuse the claims' old names, and let those gate that do so where nobody says otherwise."""
    if not isinstance(targets, dict):
        return targets
    for name in targets.keys() & RENAMED.keys():
        raise ValueError(f"{name} is called {RENAMED[name]} now")
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
    """How long each wait of a trial may take. `watch` is what a trial watches on after recovery and heal."""

    recovery: Duration = 180.0
    stable: Duration = 5.0
    watch: Duration = 35.0
    baseline: Duration = 10.0
    healthy: Duration = 180.0


class Expectations(Part):
    """What an experiment is held to instead of the scenario's own targets, merged over them."""

    targets: Targets = Field(default_factory=dict)
    failovers: int | None = Field(default=None, ge=0)


class Scenario(Part):
    """One scenario.yaml. `name` is the folder it was found in, and is not written in it.

    `model_dump(mode="json")` writes quantities as the file does, and `model_validate` reads them back.
    """

    about: str
    system: System
    clients: dict[Name, Client]
    targets: Targets
    experiments: dict[str, Expectations] = Field(default_factory=dict)
    limits: Limits = Limits()
    deadline: Duration = 0.1
    gap: Duration = 1.0
    database: int = Field(default=0, ge=0)
    name: str = ""

    @model_validator(mode="after")
    def database_is_there(self) -> "Scenario":
        """Redis has 16 databases unless it is told otherwise; on Kubernetes the manifests may tell it."""
        declared = self.system.settings.redis.get("databases")
        known = DATABASES if declared is None and self.system.kube is None else declared
        if known is not None and self.database >= int(known):
            raise ValueError(f"database: {self.database} is not there; Redis has {known}, numbered from 0")
        return self

    @model_validator(mode="before")
    @classmethod
    def promised_by_default(cls, written: Any) -> Any:  # noqa: ANN401  # a validator is given whatever YAML held
        """Data that everybody had is never lost, and the system works at the end, unless the scenario says otherwise.

        The promise is a total: a scenario that limits the recovery limits the downtime to as much.
        """
        targets = written.get("targets") if isinstance(written, dict) else None
        if not isinstance(targets, dict):
            return written
        promised: dict[str, Any] = {"lost_before": {"limit": 0}, "works_at_end": {}}
        recovery = targets.get("recovery")
        if isinstance(recovery, dict) and "limit" in recovery:
            promised["downtime"] = {"limit": recovery["limit"]}
        return {**written, "targets": {**targets, **{n: t for n, t in promised.items() if n not in targets}}}
