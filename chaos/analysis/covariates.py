"""What else was so in a trial and may explain it: ordinals, resync phase, settings, load of the machine, lag."""

from typing import Any

from chaos.analysis.declared import resync_s
from chaos.analysis.history import History
from chaos.analysis.result import Failover, Node
from chaos.analysis.stalls import waited_s
from chaos.analysis.timeline import LABEL_LINE


def covariates(history: History, failover: Failover | None, target: Node | None) -> dict[str, Any]:
    new = failover.successor if failover else None
    wait = history.last("random-wait")
    return {
        "target": target.name if target else None,
        "target_ordinal": target.ordinal if target else None,
        "successor": new.name if new else None,
        "successor_ordinal": new.ordinal if new else None,
        "since_resync_s": since_resync_s(history),
        "random_wait_s": wait.get("seconds") if wait else None,
        "system": history.manifest.get("system"),
        "deadline_s": history.deadline_s,
        "effect_width_s": history.width_s,
        "clock_error_s": {domain: _seconds(history.clocks.error_ns(domain)) for domain in history.clocks.domains},
        "lag_worst_s": _worst(history, "hiccups", "worst_ns", 1e9),
        "cpu_pressure_percent": _worst(history, "pressure", "some10", 1),
        "cpu_waited_s": waited_s(history, (0.0, history.end_s)),
        "load1": _worst(history, "pressure", "load1", 1),
        "settings": settings(history),
    }


def settings(history: History) -> dict[str, Any]:
    """The effective settings by component: one value where all members agree, else each member's."""
    found: dict[str, Any] = {}
    for component, members in sorted(history.recording.settings.items()):
        names = sorted({name for values in members.values() for name in values})
        found[component] = {name: _agreed({who: values.get(name) for who, values in members.items()}) for name in names}
    return found


def since_resync_s(history: History) -> float | None:
    """How long before t = 0 the operator's last resync was, reckoned back from the one that wrote the label."""
    period_s = resync_s(history)
    label = next((line for line in history.lines("operator", LABEL_LINE) if line.span[1] > 0), None)
    return None if period_s is None or label is None else -label.span[1] % period_s


def _agreed(values: dict[str, Any]) -> Any:  # noqa: ANN401  # whatever a setting is
    told = list(values.values())
    return told[0] if all(value == told[0] for value in told) else values


def _worst(history: History, kind: str, field: str, unit: float) -> float | None:
    told = [fact.get(field) for fact in history.facts(kind) if fact.latest_s > 0 and fact.get(field) is not None]
    return max(told) / unit if told else None


def _seconds(error_ns: int | None) -> float | None:
    return None if error_ns is None else error_ns / 1e9
