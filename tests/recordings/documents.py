"""The documents of a trial: its scenario as resolved, with durations in seconds, and its effective settings."""

from typing import Any

from tests.recordings.world import DEADLINE_S, GIVEN, MASTER_LABEL, PODS, SENTINEL, SENTINELS, SERVICE

LIMITS_S = {
    "detection": 5.0,
    "quorum": 6.0,
    "election": 7.0,
    "promotion": 8.0,
    "reconfiguration": 10.0,
    "endpoint_update": 15.0,
    "reconnect": 15.0,
    "total": 15.0,
    "lost_acknowledged": 0.0,
}


def scenario_json(**changes: Any) -> dict[str, Any]:
    """The scenario of the sample; `changes` replace whole top-level parts."""
    return {
        "name": "redis-operator",
        "about": "The platform team's Redis as its description says it is run",
        "system": _system(),
        "clients": _clients(),
        "targets": {name: {"limit": limit, "gate": name == "reconnect"} for name, limit in LIMITS_S.items()},
        "experiments": {"no-fault": {"targets": {}, "failovers": 0}},
        "limits": {"recovery": 180.0, "stable": 5.0, "watch": 35.0, "baseline": 10.0, "healthy": 180.0},
        "deadline": DEADLINE_S,
        "gap": 1.0,
        "database": 0,
    } | changes


def settings_json() -> dict[str, Any]:
    sentinel = {"down-after-milliseconds": "5000", "failover-timeout": "10000", "parallel-syncs": "1", "quorum": "2"}
    redis = {"maxmemory": "536870912", "maxmemory-policy": "allkeys-lru", "appendonly": "yes"}
    return {"sentinel": dict.fromkeys(SENTINELS, sentinel), "redis": dict.fromkeys(PODS, redis)}


def _system() -> dict[str, Any]:
    kube = {
        "namespace": "saasodoo",
        "master_label": f"{MASTER_LABEL}=master",
        "operator": {"namespace": "redis-operator", "selector": "app=redis-operator"},
        "sentinel": {"service": "rfs-redis-cluster", "master": "mymaster", "port": 26379},
    }
    return {"kube": kube, "replicas": 2, "sentinels": 3, "period": 30.0, "settings": {"sentinel": {}, "redis": {}}}


def _clients() -> dict[str, Any]:
    usual: dict[str, Any] = {"address": None, "sentinel": None, "library": None, "about": "", "gate": True}
    given = {"address": GIVEN, "count": 1, "rate_each": 10.0, "about": "the address that clients were given"}
    return {
        "service": usual | {"address": SERVICE, "count": 4, "rate_each": 50.0},
        "sentinel": usual | {"sentinel": SENTINEL, "count": 4, "rate_each": 50.0},
        "given": usual | given,
        "app": usual | {"address": SERVICE, "library": "redis-py-pool", "count": 1, "rate_each": 20.0},
    }
