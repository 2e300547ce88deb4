"""The system that every story is about: who is there, where, and how its logs write the time."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chaos.model import Member, MemberKind

T0_NS = 5_000 * 10**9
"""Where t = 0 lies on the host's monotonic clock."""
WALL_NS = int(datetime(2026, 11, 23, 9, 14, 31, 482_000, tzinfo=UTC).timestamp()) * 10**9 + 482_000_000
"""What the wall clock says at t = 0."""
IDENTITY = {"boot_id": "5a1e6c2e-0000-4000-8000-7f3a00000001", "timens": "monotonic 0 0 boottime 0 0"}
DEADLINE_S = 0.1
NODE = "node/worker"
SERVICE, SENTINEL, GIVEN = "rfrm-redis-cluster:6379", "rfs-redis-cluster:26379", "rfr-redis-cluster:6379"
MASTER_LABEL = "redisfailovers-role"
PODS = [f"rfr-redis-cluster-{ordinal}" for ordinal in range(3)]
IPS = [f"10.244.{ordinal + 1}.{ordinal + 3}" for ordinal in range(3)]
SENTINELS = {
    f"rfs-redis-cluster-6d5c-{name}": f"10.244.{n + 1}.9" for n, name in enumerate(("bj7p4", "k2x8d", "q9wz5"))
}
OPERATOR = "redis-operator-58c7"
NEW_IP = "10.244.2.31"
"""Of the killed pod once it is back."""
CLUSTER_IP = "10.96.71.10:6379"
SERVICE_TARGET = 3
"""Index of the `target` event that names the Service's address; those of the pods are their ordinals."""


def ns(seconds: float) -> int:
    return T0_NS + round(seconds * 1e9)


def stamp(seconds: float) -> str:
    """A kubelet's time-stamp of that moment."""
    wall = WALL_NS + round(seconds * 1e9)
    return f"{datetime.fromtimestamp(wall // 10**9, UTC):%Y-%m-%dT%H:%M:%S}.{wall % 10**9:09d}Z"


def redis_stamp(seconds: float) -> str:
    """How Redis and Sentinel write that moment in their logs."""
    wall = WALL_NS + round(seconds * 1e9)
    moment = datetime.fromtimestamp(wall // 10**9, UTC)
    return f"{moment:%d %b %Y %H:%M:%S}.{wall // 10**6 % 1000:03d}"


@dataclass(frozen=True, kw_only=True)
class Client:
    number: int
    path: str
    connection: str
    address: str
    rate_hz: float = 50.0
    kind: str = "meter"
    library: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def via_sentinel(self) -> bool:
        return self.address == SENTINEL

    def as_json(self) -> dict[str, Any]:
        names = ("number", "kind", "path", "connection", "address", "rate_hz", "library")
        return {name: getattr(self, name) for name in names} | {"via_sentinel": self.via_sentinel} | self.more


def clients_of(paths: tuple[str, ...], meters: int, applications: int = 1) -> list[Client]:
    """The client table: `meters` of both connections a path; one slow one on `given`; `applications` on `app`."""
    wanted = [(path, connection) for path in paths for connection in (("kept",) if path == "app" else ("new", "kept"))]
    times = {"given": 1, "app": applications}
    each = [pair for pair in wanted for _ in range(times.get(pair[0], meters))]
    return [_client(number, path, connection) for number, (path, connection) in enumerate(each)]


def _client(number: int, path: str, connection: str) -> Client:
    address = {"service": SERVICE, "sentinel": SENTINEL, "given": GIVEN, "app": SERVICE}[path]
    rate = {"given": 10.0, "app": 20.0}.get(path, 50.0)
    kind, library = ("application", "redis-py 8.1.0 pool") if path == "app" else ("meter", "")
    about = {"number": number, "path": path, "connection": connection, "address": address}
    return Client(**about, rate_hz=rate, kind=kind, library=library)  # type: ignore[arg-type]


def run_id(ordinal: int) -> str:
    return f"{ordinal}" * 40


def members() -> list[Member]:
    """The three Redis pods, the three Sentinels and the operator, as the platform knows them before the fault."""
    redis = [_member(PODS[n], MemberKind.REDIS, IPS[n], 6379, n) for n in range(3)]
    sentinels = [_member(name, MemberKind.SENTINEL, ip, 26379, None) for name, ip in SENTINELS.items()]
    return [*redis, *sentinels, _member(OPERATOR, MemberKind.OPERATOR, "10.244.1.2", 9710, None)]


def _member(name: str, kind: MemberKind, ip: str, port: int, ordinal: int | None) -> Member:
    return Member(
        name=name, kind=kind, address=ip, port=port, node="worker", domain=NODE, uid=f"uid-{name}",
        container="c" * 64, ordinal=ordinal,
    )  # fmt: skip


def pod_fields(ordinal: int, role: str) -> dict[str, Any]:
    """The fields of a `pod` event of a healthy Redis pod."""
    name, state = PODS[ordinal], {"phase": "Running", "ready": True, "deleting": False, "gone": False, "restarts": 0}
    who = {"name": name, "uid": f"uid-{name}", "component": "redis", "ip": IPS[ordinal], "node": "worker"}
    return who | state | {"role": role, "container": "c" * 64, "started_at": stamp(-300)}
