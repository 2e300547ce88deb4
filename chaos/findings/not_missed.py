"""A master that was back before Sentinel missed it, and what became of its data."""

from collections.abc import Iterator

from chaos.analysis.allowed import came_back_in_place
from chaos.analysis.history import Fact
from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding
from chaos.record.events import Role

IN_SYNC_S = 60.0
"""A replica that follows an empty master copies it within this, or the trial was not about that."""


def back_as_a_replica(measured: Measured) -> Iterator[Finding]:
    """A process that came back in place as a replica of itself, so that Sentinel waits longer."""
    if measured.target and came_back_in_place(measured):
        yield Finding(
            name="back as a replica of itself",
            sentence=f"{measured.target.name} was back at its address as a replica of itself before Sentinel missed "
            "it, and Sentinel waits 20 s more for a master that says it is a replica.",
            severity="slow",
            since_s=0.0,
            explains=("detection",),
        )


def not_missed(measured: Measured) -> Iterator[Finding]:
    """No failover came, and none was needed: the master answered again before down-after was over."""
    back, down_after_s = _back_as_master(measured), measured.least_s("down-after-milliseconds")
    if back is None or down_after_s is None or measured.after_effect or measured.target is None:
        return
    early_s = down_after_s - back.latest_s
    if early_s > 0:
        yield Finding(
            name="not missed",
            sentence=f"No failover was needed: {measured.target.name} was master again at {back.latest_s:.1f} s, "
            f"{early_s:.1f} s before Sentinel would have missed it.",
            severity="note",
            since_s=back.latest_s,
            explains=("unattributed",),
            rows=(f"{back.event.member}: ROLE says master, run id {back.event.run_id}",),
        )


def empty_master(measured: Measured) -> Iterator[Finding]:
    """The master came back with another run id and without its data, and what everybody had is gone."""
    back, lost = _back_as_master(measured), measured.losses.before
    if back is None or lost is None or lost.least == 0:
        return
    gone = [spell for spell in measured.losses.places if spell.lost_class == "before"]
    span_s = -min(spell.from_s for spell in gone)
    at_s = back.latest_s
    yield Finding(
        name="empty master copied",
        sentence=f"The master {back.event.member} came back empty at {at_s:.1f} s and its replicas copied it: "
        f"{lost.most:.0f} writes that were acknowledged in the {span_s:.0f} s before the fault are gone.",
        severity="lost",
        since_s=at_s,
        explains=("unattributed",),
        rows=(
            f"{back.event.member}: ROLE says master, run id {back.event.run_id}, {at_s:.1f} s",
            *(
                f"{role.event.member}: replica of {role.event.master}, {role.at_s.middle:.1f} s"
                for role in measured.history.facts(Role)
                if role.event.master == back.event.address and at_s < role.latest_s < at_s + IN_SYNC_S
            ),
        )[:4],
        advice="Keep the data of a Redis that is started again (appendonly yes on a volume that stays), or do not let "
        "it start as a master before Sentinel has missed it.",
        price="with persistence a write costs a write to the disk too; without a restart in time the service is out "
        "until the failover is over.",
    )


def _back_as_master(measured: Measured) -> Fact[Role] | None:
    """The target's first word after t = 0 that it is master, as another process than the one that was hit."""
    target = measured.target
    if target is None:
        return None
    mine = (role for role in measured.history.facts(Role) if role.event.member == target.name and role.latest_s > 0)
    return next((role for role in mine if role.event.role == "master" and role.event.run_id != target.run_id), None)
