"""Results built by hand: three killed masters, late through the Service, and variations of them."""

from dataclasses import replace
from typing import Any

from chaos.analysis.interval import Interval
from chaos.analysis.result import (
    VERSION,
    CampaignResult,
    Counts,
    Doubt,
    FailoverResult,
    FaultRecord,
    Group,
    Losses,
    Milestone,
    Node,
    PathResult,
    Phase,
    Spread,
    State,
    TargetResult,
    TrialResult,
    Verdict,
    Window,
)

OLD, NEW = Node(name="rfr-redis-cluster-0", ordinal=0), Node(name="rfr-redis-cluster-1", ordinal=1)
NEVER = "name not found, 0 of 240"


def seen(at_s: float, source: str = "sentinel", evidence: str = "", error_s: float = 0.01) -> Milestone:
    return Milestone.seen(Interval(at_s - error_s, at_s + error_s), source, evidence)


def target(
    limit_s: float, at_s: float | None, *, gate: bool = False, why: str = "", floor_s: float | None = None
) -> TargetResult:
    measured = None if at_s is None else Interval(at_s - 0.04, at_s + 0.04)
    verdict: Any = "fail" if at_s is None or at_s > limit_s else "pass"
    return TargetResult(limit=limit_s, measured=measured, verdict=verdict, gate=gate, why=why, floor=floor_s)


def phases(*steps: tuple[str, float, str]) -> tuple[Phase, ...]:
    """Phases one after the other from 0.01 s, each (name, end, milestone)."""
    start_s, made = 0.01, []
    for name, end_s, to in steps:
        length = end_s - start_s
        made.append(
            Phase(
                name=name, start_s=start_s, end_s=end_s, seconds=length, least=length - 0.02, most=length + 0.02, to=to
            )
        )
        start_s = end_s
    return tuple(made)


def window(back_s: float, parts: tuple[Phase, ...] = (), **more: Any) -> Window:
    edges = {
        "onset_s": Interval(-0.01, 0.03),
        "end_s": Interval(back_s - 0.02, back_s + 0.02),
        "length_s": Interval(back_s - 0.05, back_s + 0.03),
    }
    return Window(
        **({"kind": "durable", "when": "fault", "censored": None, "client": 0, "phases": parts} | edges | more)
    )


def path(name: str, back_s: float | None, parts: tuple[Phase, ...] = (), **more: Any) -> PathResult:
    """A path that was back at `back_s`; None: it never failed."""
    outage = None if back_s is None else Interval(back_s - 0.05, back_s + 0.03)
    fields: dict[str, Any] = {
        "name": name,
        "connection": name.split("/")[1],
        "state": "works",
        "about": "",
        "windows": () if back_s is None else (window(back_s, parts),),
        "outage_s": outage,
        "recovered_s": outage,
        "downtime_s": outage,
        "full_s": outage,
        "any_s": outage,
        "operations": Counts(sent=19840, ok=19320, failed=300, unknown=218, missed=2),
        "errors": {"REFUSED": 60, "REPLY_TIMEOUT": 218, "READONLY": 240},
        "lost": 0,
        "targets": {"recovery": target(15, back_s or 0, gate=True), "downtime": target(15, back_s or 0)},
    }
    return PathResult(**(fields | more))


def never(name: str) -> PathResult:
    false = {key: target(15, None, why=NEVER) for key in ("recovery", "downtime")}
    nothing: dict[str, Any] = {"outage_s": None, "recovered_s": None, "downtime_s": None, "full_s": None, "any_s": None}
    return path(
        name,
        None,
        state="never worked",
        about="the address that clients were given",
        operations=Counts(sent=960, failed=960),
        errors={"NAME_NOT_FOUND": 960},
        lost=None,
        targets=false,
        state_why=NEVER,
        **nothing,
    )


def milestones(pointer_s: float) -> dict[str, Milestone]:
    return {
        "effect": seen(0.0, "pod", "pid 1240 gone"),
        "first_failed": seen(0.01, "client", "service/new client 0: connection refused"),
        "sdown": seen(5.47, "sentinel", "+sdown master mymaster 10.244.2.3 6379", 0.05),
        "odown": seen(5.58, "sentinel", "+odown master mymaster 10.244.2.3 6379 #quorum 2/2"),
        "try_failover": seen(5.64, "sentinel", "+try-failover master mymaster 10.244.2.3 6379"),
        "elected": seen(5.7, "sentinel", "+elected-leader master mymaster 10.244.2.3 6379"),
        "promoted": seen(5.91, "redis-log", "1:M 23 Nov 2026 09:14:37.392 * MASTER MODE enabled"),
        "switched": seen(6.4, "sentinel", "+switch-master mymaster 10.244.2.3 6379 10.244.3.2 6379"),
        "reconfigured": seen(7.43, "role", "rfr-redis-cluster-2 follows 10.244.3.2"),
        "pointer": seen(pointer_s, "endpoints", "rfrm-redis-cluster: rfr-redis-cluster-1 (10.244.3.2)"),
        "healed": Milestone(state=State.NOT_APPLICABLE),
    }


def paths(pointer_s: float, back_s: float) -> dict[str, PathResult]:
    sentinel = [
        ("detection", 5.47, "sdown"),
        ("quorum", 5.58, "odown"),
        ("election", 5.7, "elected"),
        ("promotion", 5.91, "promoted"),
    ]
    service = phases(
        *sentinel,
        ("endpoint", pointer_s, "pointer"),
        ("routing", pointer_s + 0.06, "routable"),
        ("reconnection", back_s, "first_good"),
    )
    asked = phases(*sentinel, ("endpoint", 6.45, "pointer"), ("reconnection", 6.5, "first_good"))
    made = [
        path("service/new", back_s, service, pointer=seen(pointer_s, "endpoints", "slice names 10.244.3.2")),
        path("service/kept", back_s + 0.1, service),
        path("sentinel/new", 6.5, asked),
        path("sentinel/kept", 6.55, asked),
        never("given/new"),
        path(
            "app (redis-py 8.1.0)/kept",
            None,
            longest_blocked_s=46.2,
            first_good_s=Interval(52.3, 52.4),
            targets={},
            operations=Counts(sent=1800, ok=1790, failed=8, unknown=2),
        ),
    ]
    return {one.name: one for one in made}


def losses(after: int, **more: Any) -> Losses:
    """All of them after the fault."""
    none = Interval.at(0)
    return Losses(acknowledged=2114, before=none, tail=none, after=Interval.at(after), recovered=3, **more)


def fault() -> FaultRecord:
    return FaultRecord(
        name="crash",
        target=OLD,
        is_origin=True,
        requested_s=-0.02,
        accepted_s=0.08,
        effect_s=Interval(0.0, 0.011),
        confirmed_s=0.4,
        evidence="pid 1240 gone, pod uid replaced",
    )


def trial(number: int, pointer_s: float, back_s: float, **more: Any) -> TrialResult:
    known = milestones(pointer_s)
    promised = {
        "detection": ("sdown", 5.0),
        "quorum": ("odown", 6.0),
        "failover_start": ("try_failover", 7.0),
        "promotion": ("promoted", 8.0),
    }
    promised |= {"reconfiguration": ("reconfigured", 10.0), "endpoint": ("pointer", 15.0)}
    floors = {"detection": 5.1}
    held = {
        name: target(limit, at_s.most, floor_s=floors.get(name))
        for name, (milestone, limit) in promised.items()
        if (at_s := known[milestone].at_s)
    }
    held["lost_after"] = TargetResult(limit=0, measured=Interval.at(0), verdict="pass", gate=False)
    detected = FailoverResult(
        epoch=number + 1,
        kind="detected",
        leader="rfs-redis-cluster-bj7p4",
        successor=NEW,
        aborted="",
        milestones=known,
        per_sentinel={
            f"rfs-redis-cluster-{name}": seen(6.4 + i / 10) for i, name in enumerate(("bj7p4", "kk2xw", "z9d4m"))
        },
        per_replica={"rfr-redis-cluster-2": seen(7.43, "role")},
    )
    fields: dict[str, Any] = {
        "number": number,
        "directory": f"trial-{number:03}",
        "experiment": "kill-master",
        "expects": "failover",
        "seed": 4711 + number,
        "t0": f"2026-11-23T09:{10 + number % 50}:31.482Z",
        "verdict": Verdict.FAIL,
        "because": (f"service/new: back after {back_s:.1f} s, promised within 15 s",),
        "faults": (fault(),),
        "failovers": (detected,),
        "milestones": known,
        "targets": held,
        "paths": paths(pointer_s, back_s),
        "losses": losses(0),
        "findings": (),
        "doubts": (Doubt(name="loop lag", text="the agent's timer came up to 12 ms late", voids=False),),
        "covariates": {
            "system": "fresh",
            "loop_lag_worst_ms": 12.4,
            "pressure": {"some10_max": 21.0},
            "tick_phase_s": 11.5,
        },
        "cause": "88 % of service/new is endpoint: the operator wrote the label in its 30 s resync, a tick late.",
        "ended": "complete",
        "group": "lower",
    }
    return TrialResult(**(fields | more))


HEADLINE = {
    "verdict": "3 of 3 kill-master trials were back later than 15 s through rfrm-redis-cluster: 50.9 to 53.1 s.",
    "why": "88 % of it is endpoint: the operator writes the master label only in its 30 s resync.",
    "do": "Let clients ask Sentinel: 6.5 s in these same trials. The address that clients were given never worked.",
    "expect": "36 to 67 s from these settings (seen 50.9 to 53.1 in 3). Lost writes: 0 of 6 342.",
}


def campaign(*trials: TrialResult, **more: Any) -> CampaignResult:
    trials = trials or (trial(0, 51.9, 51.99), trial(1, 50.8, 50.9), trial(2, 53.0, 53.1))
    spread = Spread(n=3, minimum=50.8, median=51.9, maximum=53.0)
    group = Group(
        experiment="kill-master",
        group="lower",
        trials=tuple(one.number for one in trials),
        passed=0,
        failed=len(trials),
        inconclusive=0,
        strength="0 of 3 passed: supports at most 63 % of such failovers at 95 %",
        figures={"endpoint": spread},
    )
    fields: dict[str, Any] = {
        "version": VERSION,
        "name": "2026-11-23T0912-redis-operator",
        "scenario": "redis-operator",
        "cluster": "kind",
        "verdict": Verdict.FAIL,
        "rule": "fail: a gating target was missed in at least one trial",
        "headline": HEADLINE,
        "groups": (group,),
        "trials": trials,
        "manifest": {
            "command": "failover run --experiment kill-master --trials 3 --seed 4711",
            "seed": 4711,
            "version": "0.1.0",
            "cluster": {
                "kind": "kind",
                "platform": {"kubernetes": "v1.34.4"},
                "images": {"redis": "redis:7.0.15-alpine"},
            },
        },
    }
    return CampaignResult(**(fields | more))


def undecided() -> TrialResult:
    """A trial whose fault was never proved: ours to answer for, so nobody's pass or fail."""
    doubt = Doubt(name="fault unproved", text="no process was seen to end", voids=True)
    return replace(trial(0, 51.9, 51.99), verdict=Verdict.INCONCLUSIVE, because=("fault unproved",), doubts=(doubt,))
