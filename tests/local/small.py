"""A scenario small enough for a test, and experiments of whatever method a test wants."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

SCENARIO: dict[str, Any] = {
    "about": "A small system, for tests of the harness",
    "system": {
        "local": {
            "sentinel": {"service": "sentinel"},
            "endpoint": {"service": "redis", "mode": "sentinel"},
            "replace": {"after": "8s"},
        },
        "period": "100ms",
        "settings": {"sentinel": {"down-after-milliseconds": 2000, "failover-timeout": 3000}},
    },
    "clients": {
        "service": {"address": "redis:6379", "count": 1, "rate_each": "20/s"},
        "sentinel": {"sentinel": "sentinel:26379", "count": 1, "rate_each": "20/s"},
    },
    "targets": {
        "recovery": {"limit": "30s"},
        "lost_before": {"limit": 0},
        "lost_tail": {"limit": 0},
        "lost_after": {"limit": 0},
    },
    "limits": {"recovery": "30s", "stable": "1500ms", "watch": 0, "baseline": "2s", "healthy": "30s"},
    "deadline": "500ms",
}
"""Its deadline is long, for a machine that does something else as well; nothing here measures how fast that is."""
DEADLINE_S, PERIOD_S = 0.5, 0.05


def scenario(folder: Path, settings: Mapping[str, Any]) -> Path:
    """The scenario's file, with dotted keys set."""
    content = json.loads(json.dumps(SCENARIO))
    for key, value in settings.items():
        *parents, last = key.split(".")
        part = content
        for name in parents:
            part = part.setdefault(name, {})
        part[last] = value
    file = folder / "small" / "scenario.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def action(name: str, /, **arguments: Any) -> dict[str, Any]:
    """One of the harness's own."""
    return _activity("action", "chaos.experiment.actions", name, arguments)


def probe(name: str, **arguments: Any) -> dict[str, Any]:
    return _activity("probe", "chaos.experiment.probes", name, arguments)


def meddle(name: str, **arguments: Any) -> dict[str, Any]:
    """One of ours, of which the harness knows nothing."""
    return _activity("action", "tests.local.meddling", name, arguments)


def experiment(folder: Path, name: str, expects: str, *method: dict[str, Any]) -> Path:
    """An experiment's file, as those that we ship are but for its method."""
    content = {
        "title": name,
        "description": name,
        "extensions": [{"name": "failover", "expects": expects}],
        "controls": [{"name": "failover", "provider": {"type": "python", "module": "chaos.control"}}],
        "steady-state-hypothesis": {
            "title": "healthy",
            "probes": [probe("recording_is_live") | {"tolerance": True}, probe("healthy") | {"tolerance": True}],
        },
        "method": [*method, probe("wait_until_recovered")],
        "rollbacks": [action("heal")],
        "runtime": {"rollbacks": {"strategy": "always"}},
    }
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def _activity(kind: str, module: str, function: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    provider = {"type": "python", "module": module, "func": function, "arguments": dict(arguments)}
    return {"name": function, "type": kind, "provider": provider}
