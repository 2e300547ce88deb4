"""What a trial's scenario says of its system, wherever that runs: read from the manifest, as it was resolved."""

from typing import Any

from chaos.analysis.history import History
from chaos.scenario.model import MASTER_LABEL, PROXY_BACKEND


def master_value(history: History) -> str:
    """What the master label says on the master's pod; empty where no label marks it."""
    system = _system(history)
    label = MASTER_LABEL if system.get("local") else (system.get("kube") or {}).get("master_label")
    return str(label or "").partition("=")[2]


def resync_s(history: History) -> float | None:
    """How often an operator, or the model of one, writes the master label; None where something else moves it."""
    system = _system(history)
    endpoint, kube = (system.get("local") or {}).get("endpoint") or {}, system.get("kube") or {}
    labels = endpoint.get("mode") == "resync" or (kube.get("operator") and kube.get("master_label"))
    return float(system["period"]) if labels and system.get("period") else None


def backend_of(history: History, service: str) -> str:
    """The backend of the proxies that stand at a Service; empty where a Service leads to Redis itself."""
    system = _system(history)
    endpoint = (system.get("local") or {}).get("endpoint") or {}
    front = (system.get("kube") or {}).get("proxy") or (endpoint if endpoint.get("mode") == "haproxy" else {})
    return str(front.get("backend", PROXY_BACKEND)) if front.get("service") == service else ""


def _system(history: History) -> dict[str, Any]:
    return dict(history.scenario.get("system") or {})
