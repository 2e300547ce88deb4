"""The usual histories in full, so that a test changes only what it is about."""

from pathlib import Path
from typing import Any

from chaos.clock import AGENT, HOST
from chaos.model import ErrorCode
from tests.recordings.story import Story
from tests.recordings.world import IPS, NEW_IP, PODS
from tests.recordings.writing import write_campaign

ALL_PATHS = ("service", "sentinel", "given", "app")


def kill_master(number: int = 0, *, back_s: float = 51.9, **story: Any) -> Story:
    """A crash of the lower ordinal: Sentinel is done in 6.5 s, the operator's label comes in its second tick."""
    told = Story(**{"number": number, "length_s": back_s + 38, "paths": ALL_PATHS, **story}).fault("crash")
    old = told.killed
    told.event("role.lost", 0.04, AGENT, -0.01, member=PODS[old], address=f"{IPS[old]}:6379", error="refused")
    told.pod(0.3, old, gone=True, ready=False).endpoints(0.32, None, since_s=0.0)
    told.pod(1.4, old, uid="uid-new", ip=NEW_IP, role="slave", ready=False)
    told.failover(sdown_s=5.47, try_s=5.64, promoted_s=5.91)
    ticks(told, back_s)
    silent = {"error": ErrorCode.CONNECT_TIMEOUT, "takes_s": 0.1}
    told.out("service", 0.004, back_s, **silent).out("sentinel", 0.004, told.switched_s or 0.0, target=old, **silent)
    return told.out("app", 0.004, back_s, error=ErrorCode.REFUSED, takes_s=4.5)


def delete_master(number: int = 1, *, back_s: float = 76.0, **story: Any) -> Story:
    """A graceful delete: a planned failover; the demoted master says OK for 11 s, and then the label is awaited."""
    usual = {"experiment": "delete-master", "expects": "failover", "number": number, "paths": ALL_PATHS}
    told = Story(**{**usual, "length_s": back_s + 38, **story}).fault("delete", width_s=0.018, confirmed_s=0.05)
    old = told.killed
    told.pod(0.06, old, deleting=True, since_s=0.0)
    told.failover(sdown_s=None, try_s=0.21, promoted_s=0.36)
    told.pod(32.1, old, gone=True, ready=False, deleting=True).pod(33.5, old, uid="uid-new", ip=NEW_IP, role="slave")
    ticks(told, back_s)
    for path, demoted_s in (("service", 11.3), ("app", 11.3), ("sentinel", told.switched_s or 0.9)):
        told.acknowledged_then_lost(path, 0.37, demoted_s)
    for path in ("service", "app"):
        told.out(path, 11.3, back_s, error=ErrorCode.READONLY, node=old)
    return told


def ticks(told: Story, back_s: float) -> None:
    """Two resyncs of the operator: the first repairs the pod that came back, the second writes the label."""
    first_s, master = back_s - 30.1, IPS[told.successor]
    told.operator_log(first_s, f"Making pod {PODS[told.killed]} slave of {master}")
    told.role(first_s + 1.0, told.killed, "slave", NEW_IP, master=f"{master}:6379")
    told.labelled(back_s - 0.2)


def no_fault(number: int = 0, **story: Any) -> Story:
    """The control: nothing is done, and nothing happens."""
    told = Story(**{"experiment": "no-fault", "expects": "nothing", "number": number, **story})
    told.event("fault.requested", 0.0, fault="nothing", target=None, arguments={})
    told.event("fault.accepted", 0.0, fault="nothing").event("fault.effect", 0.0, HOST, 0.0, fault="nothing")
    return told.event("fault.confirmed", 0.0, fault="nothing", evidence="nothing was done")


def build_sample_campaign(directory: Path, *, meters: int = 1) -> Path:
    """A kill-master (service 52 s, Sentinel 6.5 s, the given address never worked) and a delete-master."""
    return write_campaign(directory, [kill_master(0, meters=meters), delete_master(1, meters=meters)])
