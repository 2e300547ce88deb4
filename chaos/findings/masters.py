"""More than one Redis that says it is master, and what that costs."""

from collections.abc import Iterator

from chaos.analysis.expectation import masters_at_end
from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding
from chaos.record.events import Role

LEAST_S = 1.0
"""Acknowledgements of a demoted or isolated master that last for less are the last moments of one."""


def two_masters_at_the_end(measured: Measured) -> Iterator[Finding]:
    masters = masters_at_end(measured.history) or []
    if len(masters) < 2:
        return
    said = [role for role in measured.history.facts(Role) if role.event.member in masters and role.latest_s > 0]
    since_s = max(min(one.latest_s for one in said if one.event.member == name) for name in masters)
    yield Finding(
        name="two masters",
        sentence=f"{' and '.join(masters)} both said that they are master from {since_s:.1f} s to the end of the "
        "trial.",
        severity="out",
        since_s=since_s,
        explains=("unattributed",),
        rows=tuple(f"{one.event.member}: ROLE says {one.event.role}, {one.latest_s:.1f} s" for one in said[-4:]),
        advice="Let the old master come back as a replica, or shorten failover-timeout, after which Sentinel demotes "
        "it.",
    )


def promised_and_lost(measured: Measured) -> Iterator[Finding]:
    """A master that was hit went on acknowledging writes that are lost."""
    target = measured.target
    guarded = any(text not in ("0", "") for text in measured.setting("redis", "min-replicas-to-write").values())
    mine = [spell for spell in measured.losses.places if target and spell.node == target.name]
    mine = [spell for spell in mine if spell.lost_class == "after" and spell.to_s - spell.from_s > LEAST_S]
    if target is None or guarded or not mine:
        return
    count, end_s = sum(spell.count for spell in mine), max(spell.to_s for spell in mine)
    yield Finding(
        name="a replaced master said OK",
        sentence=f"{target.name} acknowledged {count} writes until {end_s:.1f} s that are lost.",
        severity="slow",
        since_s=min(spell.from_s for spell in mine),
        until_s=end_s,
        advice="Set min-replicas-to-write 1: a master without replicas then stops saying OK to writes that will be "
        "lost.",
        price="with one replica left, writes are refused until another follows.",
    )
