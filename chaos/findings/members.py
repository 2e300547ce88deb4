"""Facts that several rules need: was a master hit, when was it back, which Sentinels were gone, and what was set."""

from dataclasses import replace

from chaos.analysis.history import Fact, History
from chaos.analysis.measured import Measured
from chaos.analysis.phases import PHASES
from chaos.analysis.result import Node
from chaos.analysis.sentinels import Said
from chaos.analysis.wording import plural
from chaos.model import MemberKind
from chaos.record.events import Role, RoleLost, SentinelBack, SentinelLost, SettingsRead

ANY_PHASE = (*PHASES, "unattributed", "after recovery")
"""The phases that a finding explains if it may hold up everything."""


def hit(measured: Measured) -> Node | None:
    """Return the member that the fault whose effect is t = 0 hit, or None.

    Nobody says whom the cause hit in a system that is watched from outside. There it is the one master of before, if
    another process answered at its address later.
    """
    history = measured.history
    if not history.watched:
        return measured.target
    before = {fact.event.member: fact.event for fact in history.facts(Role) if fact.latest_s <= 0}
    masters = [role for role in before.values() if role.role == "master"]
    if len(masters) != 1:
        return None
    later = [fact.event.run_id for fact in history.roles_of(masters[0].member) if fact.latest_s > 0]
    if all(run_id == masters[0].run_id for run_id in later):
        return None
    return replace(history.node(masters[0].address), run_id=masters[0].run_id)


def hit_a_master(measured: Measured) -> bool:
    """Return whether the fault whose effect is t = 0 hit a Redis whose last role before that was master."""
    target = hit(measured)
    if target is None:
        return False
    said = [fact.event.role for fact in measured.history.roles_of(target.name) if fact.latest_s <= 0]
    return said[-1:] == ["master"]


def back_as_master(measured: Measured) -> Fact[Role] | None:
    """Return the first role that shows the hit member back as a master at its old address, or None.

    The member is back if it had stopped answering before, or if another process answers at its address. A member that
    is only cut off from the others was never gone.
    """
    history, target = measured.history, hit(measured)
    if target is None:
        return None
    lost_s = [lost.latest_s for lost in history.facts(RoleLost) if lost.event.member == target.name]
    gone_s = next((at_s for at_s in lost_s if at_s > 0), None)
    for fact in history.roles_of(target.name):
        is_new = fact.event.run_id != target.run_id or (gone_s is not None and fact.latest_s > gone_s)
        if fact.latest_s > 0 and is_new and fact.event.role == "master" and history.is_at(target, fact.event.address):
            return fact
    return None


def first_in_sync(history: History, address: str, since_s: float) -> Fact[Role] | None:
    """Return the first role from `since_s` on that shows a replica in sync with the master at `address`, or None."""

    def follows(role: Role) -> bool:
        return role.role == "slave" and history.same(role.master, address) and role.link == "up" and not role.syncing

    return next((fact for fact in history.facts(Role) if fact.latest_s >= since_s and follows(fact.event)), None)


def sentinels_gone(measured: Measured, at_s: float) -> list[str]:
    """Return the Sentinels that at `at_s` did not answer us, or that another Sentinel had called down."""
    history = measured.history
    gone: dict[str, bool] = {}
    told: list[Fact[SentinelLost] | Fact[SentinelBack]]
    told = [*history.facts(SentinelLost), *history.facts(SentinelBack)]
    for fact in sorted(told, key=lambda one: one.latest_s):
        if fact.earliest_s <= at_s:
            gone[fact.event.sentinel] = isinstance(fact.event, SentinelLost)
    for said in measured.said:
        if said.channel in ("+sdown", "-sdown") and said.words[:1] == ["sentinel"] and said.at_s.least <= at_s:
            name = history.node(f"{said.words[2]}:{said.words[3]}").name
            gone[name] = gone.get(name, False) or said.channel == "+sdown"
    return [name for name in history.names(MemberKind.SENTINEL) if gone.get(name)]


def setting_of(measured: Measured, member: str, name: str, at_s: float) -> str | None:
    """Return the value of a member's setting at `at_s`, or None.

    Without a recorded change it is the baseline's value.
    """
    history = measured.history
    read = [one for one in history.facts(SettingsRead) if one.event.member == member and name in one.event.settings]
    before = [str(one.event.settings[name]) for one in read if one.latest_s <= at_s]
    if before:
        return before[-1]
    return next(
        (
            each[member]
            for each in (measured.setting("redis", name), measured.setting("sentinel", name))
            if member in each
        ),
        None,
    )


def quorum(measured: Measured) -> int | None:
    """Return the greatest quorum that any Sentinel has, because that one must be reached, or None if none is known."""
    read = [value for value in measured.setting("sentinel", "quorum").values() if value.isdigit()]
    declared = measured.history.scenario.system.settings.sentinel.get("quorum")
    return max(map(int, read or ([str(declared)] if declared is not None else [])), default=None)


def aborted_text(aborted: list[Said]) -> str:
    """Return a text about aborted failovers, as in `3 failovers were aborted, the first at 5.3 s`."""
    first_s = aborted[0].at_s.middle
    if len(aborted) == 1:
        return f"A failover was aborted at {first_s:.1f} s"
    return f"{plural(len(aborted), 'failover')} were aborted, the first at {first_s:.1f} s"
