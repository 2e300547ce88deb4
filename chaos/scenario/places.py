"""Where a system runs: in pods on Kubernetes, as processes of this machine, or at given addresses."""

from typing import Literal

from pydantic import Field, model_validator

from chaos.scenario.settings import Part
from chaos.scenario.units import Address, Duration, Flag, Misplaced, Name, Port, PositiveDuration, Versions

MASTER_LABEL = "role=master"
"""The master label on local, where labels are what the controller last wrote."""
CONTROLLER, PROXY = "controller", "haproxy-0"
"""The names, on local, of the members that move the master's address."""
PROXY_STATS, PROXY_BACKEND = 9999, "redis"
"""The default port of HAProxy's stats socket, and the default name of its backend."""


class SecretKey(Part):
    """A reference to a password in a Secret. No file, log or report of ours contains the password."""

    secret: str
    key: str = "password"


class TlsSecret(Part):
    """The Secret with the TLS files, and the keys of these. The defaults are those of a Secret by cert-manager.

    `server_name` is the name in every member's certificate, if it differs from the host that clients connect to.
    """

    secret: str
    ca: str = "ca.crt"
    certificate: str | None = "tls.crt"
    key: str | None = "tls.key"
    server_name: str = ""


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
    user: Name | None = None
    password: SecretKey | None = None


class OperatorPods(Part):
    namespace: str
    selector: str


class ProxyPods(Part):
    """HAProxy in front of Redis. `service` is the name by which clients reach it.

    `port` is the port of its stats socket (`stats socket ipv4@*:9999 level user`), and `backend` is the backend of its
    clients.
    """

    selector: str
    service: str
    port: Port = PROXY_STATS
    backend: str = PROXY_BACKEND
    container: str = "haproxy"


class KubeSystem(Part):
    """The system on Kubernetes. `manifests` are folders or files in the scenario's folder, in the order of application.

    `user`, `password` and `tls` say how to connect to Redis. Sentinel has its own user and password, and the same TLS.
    """

    manifests: tuple[str, ...]
    namespace: str
    images: tuple[str, ...]
    node_image: str | None = None
    redis: RedisPods
    sentinel: SentinelPods
    operator: OperatorPods | None = None
    proxy: ProxyPods | None = None
    master_label: str | None = None
    user: Name | None = None
    password: SecretKey | None = None
    tls: TlsSecret | None = None

    @model_validator(mode="after")
    def one_name_each(self) -> "KubeSystem":
        if self.proxy and self.proxy.service == self.sentinel.service:
            what = f"\"{self.proxy.service}\" would be two Services, HAProxy's and Sentinel's; write two names"
            raise Misplaced(what, ("proxy", "service"), ("sentinel", "service"))
        return self


LocalPassword = Literal["generated", "environment"]
"""`generated`: a new password for each system. `environment`: the one in FAILOVER_REDIS_PASSWORD or
FAILOVER_SENTINEL_PASSWORD, or in the file that the same variable with _FILE at its end names."""


class LocalServer(Part):
    """The server program of every member. Without `program`, the first one found is used. `versions` are as for pip."""

    program: Literal["redis", "valkey"] | None = None
    versions: Versions = ">=6.2"


class LocalSentinel(Part):
    """The Sentinels. `service` is the name by which clients reach any of them."""

    service: Name
    name: Name = "sentinel"
    port: Port = 26379
    master: Name = "mymaster"
    user: Name | None = None
    password: LocalPassword | None = None


class LocalEndpoint(Part):
    """What moves the address of the master's Service, and when.

    sentinel: at +switch-master. poll: a controller that asks Sentinel for the master every `every`. resync: as the
    Redis operator, every `every`, but not while a member is missing; it labels pods in the order of their names, up to
    the first that does not follow the master. haproxy: nothing; an HAProxy at the address checks every Redis, as
    `settings.proxy` says.
    """

    service: Name
    mode: Literal["sentinel", "poll", "resync", "haproxy"]
    every: PositiveDuration = 30.0


class LocalReplacement(Part):
    """How a removed member is replaced under the same name: `after` this time, and with which address and data."""

    after: Duration = 2.0
    address: Literal["kept", "new"] = "kept"
    data: Literal["kept", "lost"] = "kept"


class LocalSystem(Part):
    """Processes of this machine. The members are `<redis>-0`, `<redis>-1`, …, and `<sentinel.name>-0`, ….

    `endpoint`: the Service of the master. Without it clients can only ask Sentinel. `restart`: the time from the end of
    a process to its restart in place. `asks_sentinel`: a restarted Redis waits until the master that Sentinel names
    answers, and follows it. Otherwise its role is the one that its file last had. `hands_over`: a gracefully deleted
    master first asks Sentinel for a failover, as a preStop hook does, and ends `terminate` later. Otherwise it ends at
    once. `ready`: how long a restarted member runs before it is Ready. `user`, `password`: the login of every Redis.
    Without `user` it is the default user's password. `tls`: with `generated` every member accepts TLS only, with a
    certificate made for this system.
    """

    server: LocalServer = LocalServer()
    redis: Name = "redis"
    port: Port = 6379
    sentinel: LocalSentinel
    endpoint: LocalEndpoint | None = None
    restart: Duration = 1.0
    replace: LocalReplacement = LocalReplacement()
    asks_sentinel: Flag = False
    hands_over: Flag = True
    terminate: Duration = 31.0
    ready: Duration = 0.0
    user: Name | None = None
    password: LocalPassword | None = None
    tls: Literal["generated"] | None = None

    @model_validator(mode="after")
    def users_have_passwords(self) -> "LocalSystem":
        if self.user and not self.password:
            raise Misplaced("a user needs a password; write password: generated", ("user",), ("password",))
        if self.sentinel.user and not self.sentinel.password:
            places = ("sentinel", "user"), ("sentinel", "password")
            raise Misplaced("a user needs a password; write password: generated", *places)
        return self

    @model_validator(mode="after")
    def one_name_each(self) -> "LocalSystem":
        members = {self.redis: ("redis",), self.sentinel.name: ("sentinel", "name")}
        services = {self.sentinel.service: ("sentinel", "service")}
        if len(members) == 1:
            what = f'Redis and Sentinel would both be called "{self.redis}"; members need different names'
            raise Misplaced(what, ("sentinel", "name"), ("redis",))
        if self.endpoint and self.endpoint.service in services:
            what = f"\"{self.endpoint.service}\" would be two Services, the master's and Sentinel's; write two names"
            raise Misplaced(what, ("endpoint", "service"), ("sentinel", "service"))
        services |= {self.endpoint.service: ("endpoint", "service")} if self.endpoint else {}
        for service, place in services.items():
            stem, _, ordinal = service.rpartition("-")
            whose = members.get(stem) if ordinal.isdigit() else None
            if whose or service in (CONTROLLER, PROXY):
                what = f'"{service}" is the name of a member; a Service needs its own name'
                raise Misplaced(what, place, *([whose] if whose else []))
            if service == "localhost" or service.replace(".", "").isdigit():
                raise Misplaced(f'"{service}" is this machine or an address; a Service needs its own name', place)
        proxied, stem = members.get(PROXY.removesuffix("-0")), PROXY.removesuffix("-0")
        if self.mode == "haproxy" and proxied:
            raise Misplaced(f'"{stem}" names the HAProxy; members need different names', proxied, ("endpoint", "mode"))
        return self

    @model_validator(mode="after")
    def haproxy_knows_addresses(self) -> "LocalSystem":
        if self.mode == "haproxy" and self.replace.address == "new":
            what = "HAProxy knows members by their address; write replace: {address: kept}"
            raise Misplaced(what, ("replace", "address"), ("endpoint", "mode"))
        return self

    @property
    def mode(self) -> str:
        """What moves the master's address. Empty if there is no such address."""
        return self.endpoint.mode if self.endpoint else ""


class TlsFiles(Part):
    """The TLS files in PEM, by a path that is absolute or relative to the scenario's folder."""

    ca: str = ""
    certificate: str = ""
    key: str = ""
    server_name: str = ""


class SystemAddresses(Part):
    """A system that runs already, by its addresses, for `failover watch`.

    `map` maps an address that Sentinel announces to the one under which it is reached from here. Passwords come from
    FAILOVER_REDIS_PASSWORD and FAILOVER_SENTINEL_PASSWORD, or from files.
    """

    sentinels: tuple[Address, ...] = ()
    master: Name = "mymaster"
    map: dict[Address, Address] = Field(default_factory=dict)
    user: Name | None = None
    sentinel_user: Name | None = None
    tls: TlsFiles | None = None
