"""A scenario as its file says it. Durations are seconds once loaded; a file writes `5s`, `100ms`, `2m`, `50/s`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, GetPydanticSchema, model_validator
from typing_extensions import TypedDict

from chaos.scenario.units import Address, Count, Duration, Rate

TargetName = Literal[
    "detection",
    "quorum",
    "election",
    "promotion",
    "reconfiguration",
    "endpoint_update",
    "reconnect",
    "total",
    "lost_acknowledged",
]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SecretKey(Part):
    """A password by reference: no file of ours, and no log or report, ever holds it."""

    secret: str
    key: str = "password"


class RedisPods(Part):
    selector: str
    port: int = 6379
    container: str = "redis"


class SentinelPods(Part):
    selector: str
    service: str
    port: int = 26379
    master: str = "mymaster"
    container: str = "sentinel"


class OperatorPods(Part):
    namespace: str
    selector: str


class KubeSystem(Part):
    """Where the system is on Kubernetes. `manifests` are folders or files beside the scenario, in their order."""

    manifests: tuple[str, ...]
    namespace: str
    images: tuple[str, ...]
    node_image: str | None = None
    redis: RedisPods
    sentinel: SentinelPods
    operator: OperatorPods | None = None
    master_label: str | None = None
    password: SecretKey | None = None


class Settings(Part):
    """Settings that the health gate waits for on every Sentinel and every Redis, as they themselves report them."""

    sentinel: dict[str, str | int] = {}
    redis: dict[str, str | int] = {}


class System(Part):
    """`replicas` and `sentinels` are how many the health gate demands. `period` is the scenario's longest period."""

    kube: KubeSystem
    replicas: int = Field(default=2, ge=1)
    sentinels: int = Field(default=3, ge=1)
    settings: Settings = Settings()
    period: Duration


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
    """A promised limit, in seconds from t = 0. A gate decides the verdict."""

    limit: Duration
    gate: bool = False


class LossTarget(Target):
    """A promised limit of acknowledged writes that are gone."""

    limit: Count


class _TargetsByName(TypedDict, total=False):
    """What a file may hold under `targets`: a count for the losses, a duration for everything else."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]  # where pydantic looks for it

    detection: Target
    quorum: Target
    election: Target
    promotion: Target
    reconfiguration: Target
    endpoint_update: Target
    reconnect: Target
    total: Target
    lost_acknowledged: LossTarget


Targets = Annotated[
    dict[TargetName, Target], GetPydanticSchema(lambda _source, handler: handler.generate_schema(_TargetsByName))
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

    targets: Targets = {}
    failovers: int | None = Field(default=None, ge=0)


class Scenario(Part):
    """One scenario.yaml. `name` is the folder it was found in, and is not written in it.

    `model_dump(mode="json")` writes quantities as the file does, and `model_validate` reads them back.
    """

    about: str
    system: System
    clients: dict[str, Client]
    targets: Targets
    experiments: dict[str, Expectations] = {}
    limits: Limits = Limits()
    deadline: Duration = 0.1
    gap: Duration = 1.0
    database: int = 0
    name: str = ""
