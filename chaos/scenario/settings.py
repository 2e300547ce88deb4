"""The settings of Redis and Sentinel that a scenario may declare. They are checked as strictly as by the servers.

Before a trial begins, a declared setting is read back from every member. So only settings are allowed that a server
reports: Redis by CONFIG GET, Sentinel by SENTINEL MASTER. Their names, bounds and words are those in config.c and
sentinel.c of Redis 6.2 and Valkey 7.2, and of all later versions.

A loaded value is spelt as the server reports it: `yes` where YAML made `true` of it, bytes where the file has `512mb`,
and `replica-priority` where the file has `slave-priority`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetPydanticSchema
from pydantic_core import core_schema

from chaos.scenario.units import Misplaced, PositiveDuration, Whole
from chaos.scenario.values import (
    BUFFERS,
    COUNT,
    EVENTS,
    FILENAME,
    INT_MAX,
    LONG_MAX,
    MILLISECONDS,
    PERCENTILES,
    SAVE,
    SCORES,
    SECONDS,
    SHARE,
    SHUTDOWN,
    TEXT,
    YES_NO,
    memory,
    number,
    refused,
    words,
)

Value = str | int
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
"""Maps former names of settings to their present names. Servers still accept the former ones."""

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
    **_each("busy-reply-threshold latency-monitor-threshold", number(unit="milliseconds")),
    "watchdog-period": number(200, INT_MAX, unit="milliseconds", or_zero=True),
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
        """auto-aof-rewrite-min-size hash-max-listpack-value hll-sparse-max-bytes stream-node-max-bytes
        zset-max-listpack-value""",
        memory(),
    ),
    "maxmemory": memory(0, 2 * LONG_MAX + 1),
    "active-defrag-ignore-bytes": memory(1),
    "repl-backlog-size": memory(2**14),
    **_each("client-query-buffer-limit proto-max-bulk-len", memory(2**20)),
    "acl-pubsub-default": words("allchannels", "resetchannels"),
    "save": SAVE,
    "client-output-buffer-limit": BUFFERS,
    "maxmemory-clients": SHARE,
    "notify-keyspace-events": EVENTS,
    "latency-tracking-info-percentiles": PERCENTILES,
    "oom-score-adj-values": SCORES,
    **_each("shutdown-on-sigint shutdown-on-sigterm", SHUTDOWN),
    **_each("appenddirname appendfilename dbfilename", FILENAME),
    "tls-auth-clients-user": words("CN", "URI", "off"),
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
    "oom-score-adj": words("no", "yes", "absolute", relative="yes"),
    "propagation-error-behavior": words("ignore", "panic", "panic-on-replicas"),
    "rdb-version-check": words("strict", "relaxed"),
    "repl-diskless-load": words("disabled", "on-empty-db", "swapdb", "flush-before-load"),
    "sanitize-dump-payload": words("no", "yes", "clients"),
    "tls-auth-clients": words("no", "yes", "optional"),
    **_each(
        """aclfile aof-rewrite-cpulist availability-zone bgsave-cpulist bind-source-addr bio-cpulist ignore-warnings
        locale-collate proc-title-template server-cpulist tls-ca-cert-dir tls-ca-cert-file tls-cert-file tls-ciphers
        tls-ciphersuites tls-client-cert-file tls-client-key-file tls-dh-params-file tls-key-file tls-protocols""",
        TEXT,
    ),
}
AT_START = frozenset(
    _each(
        """aclfile always-show-logo aof-rewrite-cpulist appenddirname appendfilename bgsave-cpulist bio-cpulist
        databases dbfilename disable-thp enable-debug-command enable-module-command enable-protected-configs io-threads
        io-threads-do-reads mptcp rdbchecksum repl-mptcp server-cpulist set-proc-title socket-mark-id tcp-backlog""",
        None,
    )
)
"""The settings that Redis takes only from its file, and not by CONFIG SET."""
SEVERAL_WORDS: dict[str, int | None] = {
    "save": 2,
    "client-output-buffer-limit": 4,
    **_each("latency-tracking-info-percentiles oom-score-adj-values shutdown-on-sigint shutdown-on-sigterm", None),
}
"""The settings whose value is written in Redis's file as several words. The number is how many of them Redis before 7
takes on one line, as in `save 900 1`; every version takes a second line with the next ones.
"""
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
"""Keys whose values are never shown, not even in an error about them."""


def _checked(kinds: Mapping[str, Any]) -> GetPydanticSchema:
    """Return the schema of a mapping with these keys, whose values are checked by their kinds. Errors name the key."""

    def schema(_source: Any, handler: Callable[[Any], core_schema.CoreSchema]) -> core_schema.CoreSchema:  # noqa: ANN401
        fields = {
            name: core_schema.typed_dict_field(handler(kind), required=False) for name, kind in sorted(kinds.items())
        }
        return core_schema.typed_dict_schema(fields, extra_behavior="forbid")

    return GetPydanticSchema(schema)


def _renamed(declared: dict[str, Value]) -> dict[str, Value]:
    """Return the settings under their present names. Raises ValueError if one is declared under both names."""
    for old in _OLD.keys() & declared.keys():
        if _OLD[old] in declared:
            raise Misplaced(f"{old} and {_OLD[old]} are one setting; write one of them", (old,), (_OLD[old],))
    return {_OLD.get(name, name): value for name, value in declared.items()}


def names_of(setting: str) -> Iterable[str]:
    """Return every name by which a server may report a setting, the present name first."""
    return [setting, *(old for old, new in _OLD.items() if new == setting)]


RedisSettings = Annotated[
    dict[str, Value],
    _checked(_REDIS | _NOT_REDIS | {old: _REDIS[new] for old, new in _OLD.items()}),
    AfterValidator(_renamed),
]
SentinelSettings = Annotated[dict[str, Value], _checked(_SENTINEL | _NOT_SENTINEL)]


class Part(BaseModel):
    """A section of a scenario's file. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _whole_milliseconds(seconds: float) -> float:
    if not 1 <= round(seconds * 1000, 6) <= INT_MAX or round(seconds * 1000, 6) % 1:
        raise ValueError(f"{seconds * 1000:.12g}ms will not do: HAProxy takes whole milliseconds, 24 days at most")
    return seconds


class ProxySettings(Part):
    """How HAProxy checks a server: every `inter`.

    The server is down after `fall` bad checks, and up after `rise` good ones.

    HAProxy does not report these settings. On Kubernetes, write what its configuration in the manifests says: the
    values are recorded, so that the report can tell what the checks cost. On local, HAProxy is configured with them.
    """

    inter: Annotated[PositiveDuration, AfterValidator(_whole_milliseconds)] = 2.0
    fall: Whole = Field(default=3, ge=1)
    rise: Whole = Field(default=2, ge=1)


class Settings(Part):
    """Settings of every Sentinel and every Redis. A trial begins only when the servers report these values.

    On Kubernetes the manifests set them. On local they are set from this declaration. Those of a proxy are only
    recorded.
    """

    sentinel: SentinelSettings = {}
    redis: RedisSettings = {}
    proxy: ProxySettings | None = None
