"""Masters that came back before a failover was due, and failovers that nobody expected."""

from collections.abc import Iterator

from chaos.analysis.allowed import came_back_in_place
from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding
from chaos.analysis.sentinels import called_down
from chaos.findings.members import back_as_master, hit_a_master
from chaos.record.events import RoleLost

LOADED = r"DB loaded from (?:disk|append only file): [\d.]+ seconds"
"""What a Redis logs when it has read its file, as in `DB loaded from append only file: 0.001 seconds`."""


def back_as_a_replica(measured: Measured) -> Iterator[Finding]:
    """Find a process that came back in place as a replica of itself: Sentinel waits longer to call it down."""
    if measured.target and came_back_in_place(measured):
        yield Finding(
            name="back as a replica of itself",
            sentence=f"{measured.target.name} was back at its address as a replica of itself before Sentinel missed "
            "it, and Sentinel waits 20 s more for a master that says it is a replica.",
            severity="slow",
            since_s=0.0,
            explains=("detection",),
            rows=(f"{measured.target.name}: ROLE says replica of {measured.target.address}",),
        )


def not_missed(measured: Measured) -> Iterator[Finding]:
    """Find that the hit master was back as a master before Sentinel called it down, so that no failover was due."""
    history, origin, target = measured.history, measured.origin, measured.target
    down_after_s = measured.least_s("down-after-milliseconds")
    missed = [one for one in called_down(measured.said, "sdown").values() if one.at_s.most > 0]
    if origin is None or target is None or down_after_s is None or missed or measured.after_effect:
        return
    if not hit_a_master(measured):
        return
    back = back_as_master(measured)
    lost = [one for one in history.facts(RoleLost) if one.event.member == target.name and one.latest_s > 0]
    if back:
        back_s, row = back.latest_s, f"{target.name}: ROLE says master, run id {back.event.run_id}"
    elif origin.heal_confirmed_s is not None and not lost:
        back_s, row = origin.heal_confirmed_s, f"{origin.name} was healed"
    else:
        return
    loaded = [
        line for line in history.lines("redis", LOADED) if line.pod == target.name and 0 < line.at_s.most <= back_s
    ]
    took = f" (loading its file took {loaded[-1].message.split()[-2]} s)" if loaded else ""
    spare_s = down_after_s - back_s
    when = f", {spare_s:.1f} s before Sentinel would have missed it" if spare_s > 0 else ", before Sentinel missed it"
    yield Finding(
        name="not missed",
        sentence=f"No failover was needed: {target.name} was back as the master at {back_s:.1f} s{took}{when} "
        f"(down-after-milliseconds {1000 * down_after_s:g}).",
        severity="note",
        since_s=0.0,
        until_s=back_s,
        explains=("detection", "reconnection", "unattributed"),
        rows=(row, *(line.text for line in loaded)),
    )


def not_expected(measured: Measured) -> Iterator[Finding]:
    """Find a failover in an experiment that expects none."""
    if measured.history.expects not in ("no-failover", "nothing") or not measured.after_effect:
        return
    attempt = next(one for one in measured.attempts if one.started.at_s.most > 0)
    kind = "somebody requested it" if attempt.requested else "the master had been called down"
    yield Finding(
        name="failover not expected",
        sentence=f"A failover came that was not expected: {attempt.leader} began one at "
        f"{attempt.started.at_s.middle:.1f} s, and {kind}.",
        severity="slow",
        since_s=attempt.started.at_s.middle,
        explains=("detection", "quorum", "trigger", "election", "promotion", "endpoint", "routing", "unattributed"),
        rows=(attempt.started.evidence, *((attempt.sdown.evidence,) if attempt.sdown else ())),
    )
