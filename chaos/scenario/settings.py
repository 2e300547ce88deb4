"""Settings of Redis and of Sentinel that a scenario may declare, as strict as the servers are.

A declared setting is read back from every member before a trial may begin. So each has to be one that a server reports:
Redis by CONFIG GET, Sentinel by SENTINEL MASTER. Names, bounds and words are those of config.c and sentinel.c, from
Redis 6.2 and Valkey 7.2 on.

A value is spelt as the server reports it once it is loaded: `yes` where YAML made `true` of it, bytes where the file
says `512mb`, and `replica-priority` where it says `slave-priority`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetPydanticSchema, WithJsonSchema
from pydantic_core import core_schema

from chaos.scenario.units import Misplaced, PositiveDuration, Whole, shown

Value = str | int
INT_MAX, LONG_MAX = 2**31 - 1, 2**63 - 1
_MEMORY = re.compile(r"(\d+)(b|kb?|mb?|gb?)?", re.IGNORECASE)
_BYTES = {"": 1, "b": 1, "k": 10**3, "kb": 2**10, "m": 10**6, "mb": 2**20, "g": 10**9, "gb": 2**30}
_UNIT = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600}


def number(least: int = 0, most: int = LONG_MAX, *, unit: str = "") -> Any:  # noqa: ANN401  a type for pydantic
    """A whole number. With a `unit` it is a time, which the server takes as a bare number of that unit."""

    def check(value: Any) -> int:  # noqa: ANN401  a validator is given whatever YAML held
        timed = _UNIT.fullmatch(value) if isinstance(value, str) else None
        if timed and unit:
            meant = float(timed[1]) * _SECONDS[timed[2]] * (1000 if unit == "milliseconds" else 1)
            instead = f"write {meant:.0f}" if meant == int(meant) else "which cannot say this"
            raise ValueError(f'"{value}" has a unit; the server takes whole {unit} without one: {instead}')
        known = isinstance(value, int) and not isinstance(value, bool)
        if not known and not (isinstance(value, str) and re.fullmatch(r"-?\d+", value)):
            raise ValueError(f"{shown(value)} is not a whole number{f' of {unit}' if unit else ''}")
        if not least <= int(value) <= most:
            bounds = f"at least {least}" if most >= INT_MAX else f"from {least} to {most}"
            raise ValueError(f"{value} is out of bounds; the server takes {bounds}")
        return int(value)

    return Annotated[int, BeforeValidator(check), WithJsonSchema({"type": "integer", "minimum": least})]


def words(*known: str) -> Any:  # noqa: ANN401
    """One of some words. YAML makes true and false of a bare `yes` and `no`; here they are words again."""

    def check(value: Any) -> str:  # noqa: ANN401
        word = _unyaml(value)
        if str(word).lower() not in known:
            raise ValueError(f"{shown(word)} is none of: {', '.join(known)}")
        return str(word).lower()

    both = {"yes": True, "no": False}
    return Annotated[
        str, BeforeValidator(check), WithJsonSchema({"enum": [*known, *(both[one] for one in known if one in both)]})
    ]


def memory(least: int = 0) -> Any:  # noqa: ANN401
    """Bytes. Redis takes `512mb` and reports 536870912, and so does this."""

    def check(value: Any) -> int:  # noqa: ANN401
        match = _MEMORY.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
        if match is None:
            raise ValueError(f"{shown(value)} is no amount of memory; write 512mb, or the bytes")
        amount = int(match[1]) * _BYTES[(match[2] or "").lower()]
        if amount < least:
            raise ValueError(f"{value} is too little; Redis takes at least {least} bytes")
        return amount

    return Annotated[int, BeforeValidator(check), WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]})]


def _save(value: Any) -> str:  # noqa: ANN401
    """Pairs of seconds and changes, as in `900 1 300 10`; an empty text is no RDB at all."""
    told = str(value).split()
    if isinstance(value, bool) or value is None or len(told) % 2 or not all(map(str.isdigit, told)):
        raise ValueError(f'{shown(value)} is no save; write pairs of seconds and changes, as in "900 1 300 10", or ""')
    if any(int(seconds) < 1 for seconds in told[::2]):
        raise ValueError(f"{shown(value)} is no save: Redis takes at least 1 second")
    return " ".join(told)


_BUFFERS = {"normal": "0 0 0", "slave": "268435456 67108864 60", "pubsub": "33554432 8388608 60"}
"""The classes of clients, as Redis reports them, with its own limits of their output buffers."""


def _buffers(value: Any) -> str:  # noqa: ANN401
    """For each class a hard limit, a soft one, and how many seconds that may last. Redis reports all classes."""
    told, limits = str(value).split(), dict(_BUFFERS)
    for at in range(0, len(told), 4):
        name, *limit = told[at : at + 4]
        amounts = [_MEMORY.fullmatch(one) for one in limit[:2]]
        name = "slave" if name == "replica" else name
        if name not in limits or len(limit) != 3 or not all(amounts) or not limit[2].isdigit():
            raise ValueError(
                f"{shown(value)} is no limit of output buffers; write class, hard limit, soft limit and seconds, "
                f'as in "replica 256mb 64mb 60"; the classes are normal, replica and pubsub'
            )
        both = [str(int(one[1]) * _BYTES[(one[2] or "").lower()]) for one in amounts if one]
        limits[name] = " ".join((*both, limit[2]))
    return " ".join(f"{name} {limit}" for name, limit in limits.items())


def _written_so(check: Callable[[Any], str]) -> Any:  # noqa: ANN401
    return Annotated[str, BeforeValidator(check), WithJsonSchema({"type": "string"})]


def refused(because: str) -> Any:  # noqa: ANN401
    """A setting that the server knows and that no scenario may declare. The sentence never holds the value."""

    def check(_value: Any) -> str:  # noqa: ANN401
        raise ValueError(because)

    return Annotated[str, BeforeValidator(check), WithJsonSchema({"not": {}})]


def _text(value: Any) -> str:  # noqa: ANN401
    word = _unyaml(value)
    if not isinstance(word, str | int):
        raise ValueError(f"{shown(word)} is neither a word nor a number")
    return str(word)


def _unyaml(value: Any) -> Any:  # noqa: ANN401
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


YES_NO, TEXT = (
    words("yes", "no"),
    Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": ["string", "integer"]})],
)
SECONDS, MILLISECONDS, COUNT = number(0, INT_MAX, unit="seconds"), number(1, INT_MAX, unit="milliseconds"), number()
_PASSWORD = (
    "no scenario holds a password; leave this out, and write password: generated below system.local, or name a Secret "
    "below system.kube"
)
_USER = "leave this out: whoever logs in to Redis is system.local.user or system.kube.user"
_SENTINEL_USER = (
    "leave this out: whoever logs in to Sentinel is system.local.sentinel.user or system.kube.sentinel.user"
)
_OWN = "each member has its own, so it cannot be declared for all of them"
_UNREAD = (
    "no server reports it, so nothing could say whether it is in effect; leave it out, and set it in the manifests"
)
_NO_CLUSTER = "Redis Cluster has no Sentinel; leave it out"


def _each(names: str, kind: Any) -> dict[str, Any]:  # noqa: ANN401
    return dict.fromkeys(names.split(), kind)


_OLD = {
    **{
        f"slave-{name}": f"replica-{name}"
        for name in ("ignore-maxmemory", "lazy-flush", "priority", "read-only", "serve-stale-data")
    },
    **{f"{name}-max-ziplist-entries": f"{name}-max-listpack-entries" for name in ("hash", "zset")},
    **{f"{name}-max-ziplist-value": f"{name}-max-listpack-value" for name in ("hash", "zset")},
    "aof_rewrite_cpulist": "aof-rewrite-cpulist",
    **{f"{name}_cpulist": f"{name}-cpulist" for name in ("bgsave", "bio", "server")},
    "list-max-ziplist-size": "list-max-listpack-size",
    "lua-time-limit": "busy-reply-threshold",
    "min-slaves-max-lag": "min-replicas-max-lag",
    "min-slaves-to-write": "min-replicas-to-write",
    "repl-ping-slave-period": "repl-ping-replica-period",
}
"""What a setting was called before; every server that has renamed one still takes the old name."""

_REDIS: dict[str, Any] = {
    **_each(
        """activedefrag activerehashing always-show-logo aof-load-truncated aof-rewrite-incremental-fsync
        aof-timestamp-enabled aof-use-rdb-preamble appendonly crash-log-enabled crash-memcheck-enabled disable-thp
        dual-channel-replication-enabled dynamic-hz extended-redis-compatibility gopher-enabled hide-user-data-from-log
        import-mode io-threads-do-reads jemalloc-bg-thread latency-tracking mptcp repl-mptcp
        lazyfree-lazy-eviction lazyfree-lazy-expire
        lazyfree-lazy-server-del lazyfree-lazy-user-del lazyfree-lazy-user-flush lua-replicate-commands
        no-appendfsync-on-rewrite
        protected-mode rdb-del-sync-files rdb-save-incremental-fsync rdbchecksum rdbcompression repl-disable-tcp-nodelay
        repl-diskless-sync replica-announced replica-ignore-disk-write-errors replica-ignore-maxmemory
        replica-lazy-flush replica-read-only replica-serve-stale-data set-proc-title stop-writes-on-bgsave-error
        tls-cluster tls-prefer-server-ciphers tls-replication tls-session-caching use-exit-on-panic""",
        YES_NO,
    ),
    **_each("min-replicas-max-lag repl-diskless-sync-delay shutdown-timeout tcp-keepalive timeout", SECONDS),
    **_each("repl-backlog-ttl tls-auto-reload-interval tls-session-cache-timeout", SECONDS),
    **_each("repl-ping-replica-period repl-timeout", number(1, INT_MAX, unit="seconds")),
    **_each("busy-reply-threshold latency-monitor-threshold watchdog-period", number(unit="milliseconds")),
    **_each("key-load-delay rdb-key-save-delay", number(-INT_MAX, INT_MAX)),
    **_each(
        """acllog-max-len auto-aof-rewrite-percentage events-per-io-thread hash-max-listpack-entries lfu-decay-time
        lfu-log-factor list-compress-depth min-replicas-to-write repl-diskless-sync-max-replicas replica-priority
        set-max-intset-entries set-max-listpack-entries set-max-listpack-value slowlog-max-len socket-mark-id
        stream-node-max-entries tcp-backlog tls-session-cache-size tracking-table-max-keys zset-max-listpack-entries""",
        number(0, INT_MAX),
    ),
    **_each("databases maxclients", number(1, INT_MAX)),
    **_each("active-defrag-cycle-max active-defrag-cycle-min", number(1, 99)),
    **_each("active-defrag-threshold-lower active-defrag-threshold-upper", number(0, 1000)),
    **_each("max-new-connections-per-cycle max-new-tls-connections-per-cycle", number(1, 1000)),
    **_each("commandlog-large-reply-max-len commandlog-large-request-max-len commandlog-slow-execution-max-len", COUNT),
    "active-defrag-cycle-us": number(0, 100000),
    "active-defrag-max-scan-fields": number(1),
    "active-expire-effort": number(1, 10),
    "hz": number(1, 500),
    "io-threads": number(1, 128),
    "list-max-listpack-size": number(-INT_MAX, INT_MAX),
    "maxmemory-eviction-tenacity": number(0, 100),
    "maxmemory-samples": number(1, INT_MAX),
    "prefetch-batch-max-size": number(0, 128),
    **_each("commandlog-execution-slower-than commandlog-reply-larger-than", number(-1)),
    **_each("commandlog-request-larger-than slowlog-log-slower-than", number(-1)),
    **_each(
        """auto-aof-rewrite-min-size hash-max-listpack-value hll-sparse-max-bytes maxmemory stream-node-max-bytes
        zset-max-listpack-value""",
        memory(),
    ),
    "active-defrag-ignore-bytes": memory(1),
    "repl-backlog-size": memory(2**14),
    **_each("client-query-buffer-limit proto-max-bulk-len", memory(2**20)),
    "acl-pubsub-default": words("allchannels", "resetchannels"),
    "save": _written_so(_save),
    "client-output-buffer-limit": _written_so(_buffers),
    "appendfsync": words("everysec", "always", "no"),
    **_each("enable-debug-command enable-module-command enable-protected-configs", words("no", "yes", "local")),
    "log-format": words("legacy", "logfmt"),
    "log-timestamp-format": words("legacy", "iso8601", "milliseconds"),
    "loglevel": words("debug", "verbose", "notice", "warning", "nothing"),
    "maxmemory-policy": words(
        "noeviction",
        *(f"{keys}-{way}" for keys in ("allkeys", "volatile") for way in ("lru", "lfu", "random")),
        "volatile-ttl",
    ),
    "oom-score-adj": words("no", "yes", "relative", "absolute"),
    "propagation-error-behavior": words("ignore", "panic", "panic-on-replicas"),
    "rdb-version-check": words("strict", "relaxed"),
    "repl-diskless-load": words("disabled", "on-empty-db", "swapdb", "flush-before-load"),
    "sanitize-dump-payload": words("no", "yes", "clients"),
    "tls-auth-clients": words("no", "yes", "optional"),
    **_each(
        """aclfile aof-rewrite-cpulist appenddirname appendfilename availability-zone bgsave-cpulist bind-source-addr
        bio-cpulist dbfilename ignore-warnings latency-tracking-info-percentiles
        locale-collate maxmemory-clients notify-keyspace-events oom-score-adj-values proc-title-template
        server-cpulist shutdown-on-sigint shutdown-on-sigterm tls-auth-clients-user tls-ca-cert-dir tls-ca-cert-file
        tls-cert-file tls-ciphers
        tls-ciphersuites tls-client-cert-file tls-client-key-file tls-dh-params-file tls-key-file tls-protocols""",
        TEXT,
    ),
}
_NOT_REDIS: dict[str, Any] = {
    **_each(
        "masterauth primaryauth requirepass tls-client-key-file-pass tls-key-file-pass user",
        refused(_PASSWORD),
    ),
    **_each("masteruser primaryuser", refused(_USER)),
    **_each(
        """bind daemonize dir logfile pidfile port replica-announce-ip replica-announce-port replicaof
        slave-announce-ip slave-announce-port slaveof supervised tls-port unixsocket unixsocketgroup unixsocketperm""",
        refused(_OWN),
    ),
    **_each("include loadmodule rename-command", refused(_UNREAD)),
    **_each("syslog-enabled syslog-facility syslog-ident", refused("the record reads the log from standard output")),
    **_each("cluster-enabled cluster-node-timeout cluster-require-full-coverage", refused(_NO_CLUSTER)),
}
_SENTINEL: dict[str, Any] = {
    "down-after-milliseconds": MILLISECONDS,
    "failover-timeout": MILLISECONDS,
    "parallel-syncs": number(1, INT_MAX),
    "quorum": number(1, INT_MAX),
}
_NOT_SENTINEL: dict[str, Any] = {
    **_each("auth-pass requirepass sentinel-pass", refused(_PASSWORD)),
    "auth-user": refused(_USER),
    "sentinel-user": refused(_SENTINEL_USER),
    **_each(
        "announce-ip announce-port bind daemonize dir known-replica known-sentinel known-slave logfile", refused(_OWN)
    ),
    **_each("monitor myid pidfile port", refused(_OWN)),
    **_each(
        """announce-hostnames client-reconfig-script config-epoch current-epoch deny-scripts-reconfig leader-epoch
        loglevel master-reboot-down-after-period notification-script rename-command resolve-hostnames""",
        refused("SENTINEL MASTER does not report it, so nothing could say whether it is in effect; leave it out"),
    ),
}
SECRETS = frozenset({"password", "auth-pass", "sentinel-pass"} | {n for n in _NOT_REDIS if re.search("auth|pass", n)})
"""Keys whose values are shown nowhere, not even in the sentence that refuses them."""


def _checked(kinds: Mapping[str, Any]) -> GetPydanticSchema:
    """Make the schema of a mapping that has only these names, each value checked by its kind.

    An error then names the key, so that its line can be told.
    """

    def schema(_source: Any, handler: Callable[[Any], core_schema.CoreSchema]) -> core_schema.CoreSchema:  # noqa: ANN401
        fields = {
            name: core_schema.typed_dict_field(handler(kind), required=False) for name, kind in sorted(kinds.items())
        }
        return core_schema.typed_dict_schema(fields, extra_behavior="forbid")

    return GetPydanticSchema(schema)


def _renamed(declared: dict[str, Value]) -> dict[str, Value]:
    """Return the settings under today's names. Raises ValueError for one that stands there under both of its names."""
    for old in _OLD.keys() & declared.keys():
        if _OLD[old] in declared:
            raise Misplaced(f"{old} and {_OLD[old]} are one setting; write one of them", (old,), (_OLD[old],))
    return {_OLD.get(name, name): value for name, value in declared.items()}


def names_of(setting: str) -> Iterable[str]:
    """Every name that a server may report a setting by: today's first, then an older one."""
    return [setting, *(old for old, new in _OLD.items() if new == setting)]


RedisSettings = Annotated[
    dict[str, Value],
    _checked(_REDIS | _NOT_REDIS | {old: _REDIS[new] for old, new in _OLD.items()}),
    AfterValidator(_renamed),
]
SentinelSettings = Annotated[dict[str, Value], _checked(_SENTINEL | _NOT_SENTINEL)]


class Part(BaseModel):
    """A section of a scenario's file: no key but those that are known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _whole_milliseconds(seconds: float) -> float:
    if not 1 <= round(seconds * 1000, 6) <= INT_MAX or round(seconds * 1000, 6) % 1:
        raise ValueError(f"{seconds * 1000:.12g}ms will not do: HAProxy takes whole milliseconds, 24 days at most")
    return seconds


class ProxySettings(Part):
    """How HAProxy checks a server: every `inter`, down after `fall` bad checks, up after `rise` good ones.

    HAProxy tells nobody how it is set. On Kubernetes write what its configuration in the manifests says: the figures go
    into the record, so that it can be said what a check's period costs. On local it is set as declared here.
    """

    inter: Annotated[PositiveDuration, AfterValidator(_whole_milliseconds)] = 2.0
    fall: Whole = Field(default=3, ge=1)
    rise: Whole = Field(default=2, ge=1)


class Settings(Part):
    """Settings that the health gate waits for on every Sentinel and every Redis, as they themselves report them.

    On Kubernetes the manifests set them; on local they are set as declared here. Those of a proxy are only recorded.
    """

    sentinel: SentinelSettings = {}
    redis: RedisSettings = {}
    proxy: ProxySettings | None = None
