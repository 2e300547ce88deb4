"""The documents of a trial: its scenario as resolved, with durations in seconds, and its effective settings."""

from typing import Any

from tests.recordings.world import DEADLINE_S, GIVEN, MASTER_LABEL, PODS, SENTINEL, SENTINELS, SERVICE

LIMITS_S = {
    "detection": 5.0,
    "quorum": 6.0,
    "failover_start": 7.0,
    "promotion": 8.0,
    "reconfiguration": 10.0,
    "endpoint": 15.0,
    "recovery": 15.0,
    "downtime": 15.0,
}


def scenario_json(**changes: Any) -> dict[str, Any]:
    """The scenario of the sample; `changes` replace whole top-level parts."""
    return {
        "name": "redis-operator",
        "about": "The platform team's Redis as its description says it is run",
        "system": _system(),
        "clients": _clients(),
        "targets": {name: {"limit": f"{limit:g}s", "gate": name == "recovery"} for name, limit in LIMITS_S.items()}
        | {name: {"limit": 0, "gate": False} for name in ("lost_before", "lost_tail", "lost_after")}
        | {"works_at_end": {"gate": False}},
        "experiments": {"no-fault": {"targets": {}, "failovers": 0}},
        "limits": {"recovery": "180s", "stable": "5s", "watch": "35s", "baseline": "10s", "healthy": "180s"},
        "deadline": f"{DEADLINE_S:g}s",
        "gap": "1s",
        "database": 0,
    } | changes


def settings_json() -> dict[str, Any]:
    sentinel = {"down-after-milliseconds": "5000", "failover-timeout": "10000", "parallel-syncs": "1", "quorum": "2"}
    redis = {"maxmemory": "536870912", "maxmemory-policy": "allkeys-lru", "appendonly": "yes"}
    return {"sentinel": dict.fromkeys(SENTINELS, sentinel), "redis": dict.fromkeys(PODS, redis)}


def _system() -> dict[str, Any]:
    kube = {
        "manifests": ["redis/"],
        "images": ["redis:7.0.15-alpine"],
        "namespace": "saasodoo",
        "redis": {"selector": "app=redis"},
        "master_label": f"{MASTER_LABEL}=master",
        "operator": {"namespace": "redis-operator", "selector": "app=redis-operator"},
        "sentinel": {"selector": "app=sentinel", "service": "rfs-redis-cluster", "master": "mymaster", "port": 26379},
    }
    settings: dict[str, Any] = {"sentinel": {}, "redis": {}}
    return {
        "kube": kube,
        "replicas": 2,
        "sentinels": 3,
        "operator": "spotahome",
        "period": "30s",
        "settings": settings,
    }


def _clients() -> dict[str, Any]:
    usual: dict[str, Any] = {"address": None, "sentinel": None, "library": None, "about": "", "gate": True}
    given = {
        "address": GIVEN,
        "count": 1,
        "rate_each": "10/s",
        "gate": False,
        "about": "the address that clients were given",
    }
    return {
        "service": usual | {"address": SERVICE, "count": 4, "rate_each": "50/s"},
        "sentinel": usual | {"sentinel": SENTINEL, "count": 4, "rate_each": "50/s"},
        "given": usual | given,
        "app": usual | {"address": SERVICE, "library": "redis-py-pool", "count": 1, "rate_each": "20/s"},
    }
