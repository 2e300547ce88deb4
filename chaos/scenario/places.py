"""Where a system runs: its pods on Kubernetes, the processes that make it up on this machine, or addresses alone."""

from typing import Literal

from pydantic import Field, model_validator

from chaos.scenario.settings import Part
from chaos.scenario.units import Address, Duration, Flag, Misplaced, Name, Port, PositiveDuration, Versions

MASTER_LABEL = "role=master"
"""On local, where a label is what the endpoint controller last said of a member."""
CONTROLLER, PROXY = "controller", "haproxy-0"
"""On local, the members that move the master's address."""
PROXY_STATS, PROXY_BACKEND = 9999, "redis"
"""Where HAProxy's stats socket is, and what its backend is called, unless a scenario says otherwise."""


class SecretKey(Part):
    """A password by reference: no file of ours, and no log or report, ever holds it."""

    secret: str
    key: str = "password"


class TlsSecret(Part):
    """The Secret with the files of TLS, under these keys; the usual ones are those of a Secret by cert-manager.

    `server_name` is what the certificate of every member names, where it does not name the host that clients are given.
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
    """HAProxy in front of the Redis pods. `service` is the name by which clients reach it.

    `port` is that of its stats socket (`stats socket ipv4@*:9999 level user`), `backend` the one that clients get.
    """

    selector: str
    service: str
    port: Port = PROXY_STATS
    backend: str = PROXY_BACKEND
    container: str = "haproxy"


class KubeSystem(Part):
    """Where the system is on Kubernetes. `manifests` are folders or files beside the scenario, in their order.

    `user`, `password` and `tls` are how Redis is connected to. Sentinel has a login of its own, and TLS where Redis has
    it.
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
"""A password that is made for one system alone, or the one in FAILOVER_REDIS_PASSWORD or FAILOVER_SENTINEL_PASSWORD, or
in the file that is named in the same variable with _FILE at its end."""


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
    user: Name | None = None
    password: LocalPassword | None = None


class LocalEndpoint(Part):
    """Who moves the address of the master's Service, and when.

    sentinel: at +switch-master. poll: asks every `every` who is master. resync: as the Redis operator does, every
    `every`, not while a member is missing, labels written in the order of names up to the first that does not follow.
    haproxy: nobody moves it; an HAProxy stands at it and checks every Redis itself, as `settings.proxy` say.
    """

    service: Name
    mode: Literal["sentinel", "poll", "resync", "haproxy"]
    every: PositiveDuration = 30.0


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
    `user`, `password`: every Redis asks for them. Without `user` it is the default user's password.
    `tls`: `generated` has every member speak TLS only, with a certificate that is made for this system alone.
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
        """Who moves the master's address; empty where there is no such address."""
        return self.endpoint.mode if self.endpoint else ""


class TlsFiles(Part):
    """The files of TLS, in PEM, beside the scenario or by a whole path."""

    ca: str = ""
    certificate: str = ""
    key: str = ""
    server_name: str = ""


class SystemAddresses(Part):
    """A system that somebody else runs, by its addresses alone: what `failover watch` needs.

    `map` says for an address that Sentinel tells by which one it is reached from here. Passwords come from
    FAILOVER_REDIS_PASSWORD and FAILOVER_SENTINEL_PASSWORD, or from files.
    """

    sentinels: tuple[Address, ...] = ()
    master: Name = "mymaster"
    map: dict[Address, Address] = Field(default_factory=dict)
    user: Name | None = None
    sentinel_user: Name | None = None
    tls: TlsFiles | None = None
