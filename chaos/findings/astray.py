"""Replicas that do not follow the master when the trial ends, although clients are served."""

from collections.abc import Iterator

from chaos.analysis.measured import ASKED_S, Measured, masters_at_end
from chaos.analysis.result import Finding
from chaos.findings.members import roles_of
from chaos.model import MemberKind

COPYING_S = 10.0
"""A replica that began to follow the master less than this ago may copy it still: a master first waits 5 s."""


def replica_astray(measured: Measured) -> Iterator[Finding]:
    """Find a replica that at the end had no link to the one master, or followed another Redis."""
    history = measured.history
    masters = masters_at_end(history) or []
    if len(masters) != 1:
        return
    master = roles_of(history, masters[0])[-1].event
    for name in history.names(MemberKind.REDIS):
        said = roles_of(history, name)
        if not said or said[-1].latest_s < history.end_s - ASKED_S or said[-1].event.role != "slave":
            continue
        last = said[-1].event
        follows = history.same(last.master, master.address)
        if follows and last.link == "up":
            continue
        since_s = next(
            (one.latest_s for one in said[::-1] if (one.event.master, one.event.link) != (last.master, last.link)), 0.0
        )
        if follows and history.end_s - since_s < COPYING_S:
            continue
        whom = "has no link to it" if follows else f"follows {last.master}, which is not the master"
        yield Finding(
            name="replica astray",
            sentence=f"{name} {whom} ({masters[0]} is the master), from {since_s:.1f} s until the end.",
            severity="note",
            since_s=since_s,
            explains=("after recovery",),
            rows=(f"{name}: ROLE says replica of {last.master}, {last.link}",),
        )
