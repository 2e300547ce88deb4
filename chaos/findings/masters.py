"""Rules about masters: one that was back before a failover was due, one that came back empty, and two at one time."""

from collections.abc import Iterator

import numpy as np

from chaos.analysis.allowed import became_a_replica
from chaos.analysis.history import Fact, History
from chaos.analysis.interval import total
from chaos.analysis.measured import Measured, masters_at_end
from chaos.analysis.operations import Bools
from chaos.analysis.result import Finding
from chaos.analysis.sentinels import called_down
from chaos.analysis.wording import count, listed, plural
from chaos.findings.members import back_as_master, first_in_sync, hit, hit_a_master, setting_of
from chaos.model import MemberKind, Outcome
from chaos.record.events import Role, RoleLost

NOTICED_S = 2.0
"""A Sentinel pings once a second, so it notices a master that is away for this many seconds longer than down-after."""
FILE_READ = r"DB loaded from (?:disk|append only file): [\d.]+ seconds"
"""Matches what a Redis logs when it has read its file, as in `DB loaded from append only file: 0.001 seconds`."""


def master_is_a_replica(measured: Measured) -> Iterator[Finding]:
    """Find an old master that became a replica before Sentinel reported +sdown, so that Sentinel waited longer."""
    target, origin = measured.target, measured.origin
    if target is None or origin is None or not became_a_replica(measured):
        return
    waits = "waits 20 s more for a master that says it is a replica"
    seen = next(one for one in measured.history.roles_of(target.name) if one.latest_s > 0 and one.event.role == "slave")
    row = f"{target.name}: ROLE says replica of {seen.event.master or 'another'}"
    if origin.name != "failover":
        yield Finding(
            name="back as a replica of itself",
            sentence=f"{target.name} was back at its address as a replica of itself before Sentinel missed it, and "
            f"Sentinel {waits}.",
            severity="slow",
            since_s=0.0,
            explains=("detection",),
            rows=(row,),
        )
        return
    sdown_s = measured.middle_s("sdown")
    then = f" It called it down at {sdown_s:.1f} s." if sdown_s is not None else ""
    yield Finding(
        name="moved without Sentinel",
        sentence=f"{target.name} became a replica by FAILOVER at {seen.latest_s:.1f} s, which tells Sentinel nothing, "
        f"and Sentinel {waits}.{then}",
        severity="slow",
        since_s=seen.latest_s,
        until_s=sdown_s,
        explains=("detection", "trigger", "unattributed"),
        rows=(row,),
        advice="Move the master by SENTINEL FAILOVER, which tells every Sentinel.",
        price="What the old master acknowledges after the promotion is lost then, which FAILOVER avoids.",
    )


def not_missed(measured: Measured) -> Iterator[Finding]:
    """Find a hit master that was back as a master before Sentinel reported +sdown, so that no failover was due.

    A master that was hit for longer than Sentinel waits, without a +sdown, was never away. It gives no finding.
    """
    history, target = measured.history, hit(measured)
    down_after_s = measured.least_s("down-after-milliseconds")
    missed = [one for one in called_down(measured.said, "sdown").values() if one.at_s.most > 0]
    if target is None or down_after_s is None or missed or measured.after_effect:
        return
    if not hit_a_master(measured):
        return
    back = back_as_master(measured)
    lost = [one for one in history.facts(RoleLost) if one.event.member == target.name and one.latest_s > 0]
    healed_s = measured.origin.heal_confirmed_s if measured.origin else None
    if back:
        back_s, row = back.latest_s, f"{target.name}: ROLE says master, run id {back.event.run_id}"
    elif measured.origin and healed_s is not None and not lost and healed_s < down_after_s + NOTICED_S:
        back_s, row = healed_s, f"{measured.origin.name} was healed"
    else:
        return
    loaded = [
        line
        for line in history.lines("redis", FILE_READ)
        if line.pod == target.name and line.at_s.most > 0 and line.at_s.least <= back_s
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


DATA_READ = r"DB loaded from|Done loading RDB, keys loaded: [1-9]"
"""Matches what a Redis logs when it has read a file that has data in it."""
COPIED = r"Full resync from (?:master|primary)"
"""Matches what a replica logs when it replaces its data with a copy of its master's."""


def empty_master(measured: Measured) -> Iterator[Finding]:
    """Find a master that came back at its old address without acknowledged writes from before the fault."""
    history, target, back = measured.history, hit(measured), back_as_master(measured)
    if back is None or target is None or not hit_a_master(measured) or back.event.run_id == target.run_id:
        return
    began_s = back.earliest_s if back.earliest_s > 0 else 0.0
    loaded = [
        line for line in history.lines("redis", DATA_READ) if line.pod == back.event.member and line.at_s.most > began_s
    ]
    losses = measured.losses
    gone = total([losses.before, losses.tail]) if losses.before and losses.tail else None
    if (losses.before is not None and losses.before.most == 0) or (gone is None and loaded):
        return
    copied = _copied(measured, back)
    remains = masters_at_end(history) == [back.event.member] and gone is not None
    if not copied and not remains and len(history.names(MemberKind.REDIS)) > 1:
        return  # its replicas may have kept what it lost
    before = [spell for spell in losses.places if spell.lost_class == "before"]
    since = f"of the {-min(spell.from_s for spell in before):.1f} s before the fault" if before else "before the fault"
    writes = (
        f"{gone.most:.0f} acknowledged writes {since} are gone" if gone else "how many writes are gone is not known"
    )
    by = f" and {listed(sorted(copied))} copied it, at {max(copied.values()):.1f} s" if copied else ""
    how = "with less data" if history.watched else "with an old file" if loaded else "empty"
    yield Finding(
        name="empty master copied",
        sentence=f"{back.event.member} came back {how} as the master at {back.latest_s:.1f} s{by}: {writes}.",
        severity="lost",
        since_s=back.latest_s,
        explains=("detection", "unattributed"),
        rows=(f"{back.event.member}: ROLE says master, run id {back.event.run_id}", *(line.text for line in loaded)),
        advice="Keep a master's data on a disk that outlives its process, or let it come back only when Sentinel has "
        "promoted a replica, later than down-after-milliseconds.",
        price="A failover instead of a restart: down-after-milliseconds and a few seconds more without a master.",
    )


def _copied(measured: Measured, back: Fact[Role]) -> dict[str, float]:
    """Return when each replica had copied the master that is back, by the replica's name.

    The replicas' logs say when, or else their roles do.
    """
    history = measured.history
    found: dict[str, float] = {}
    for line in history.lines("redis", COPIED):
        if line.pod != back.event.member and line.at_s.most > back.earliest_s:
            found.setdefault(line.pod, line.at_s.middle)
    if found:
        return found
    for fact in history.facts(Role):
        role = fact.event
        if (
            history.same(role.master, back.event.address)
            and role.link == "up"
            and not role.syncing
            and fact.earliest_s > back.earliest_s
        ):
            found.setdefault(role.member, fact.latest_s)
    return found


OVERLAP_S = 0.5
"""An overlap shorter than this many seconds comes with every promotion, while clients change their connections."""


def two_masters_acknowledge(measured: Measured) -> Iterator[Finding]:
    """Find a node that still acknowledged writes after another node was promoted."""
    history, successor, promoted_s = measured.history, measured.successor, measured.middle_s("promoted")
    lasting = measured.attempt is not None and measured.attempt.completed
    if successor is None or promoted_s is None or not lasting:
        return
    by_name = _acknowledged(history, promoted_s)
    new = by_name.pop(successor.name, np.zeros(len(history.ops), bool))
    least = [setting_of(measured, name, "min-replicas-to-write", 0.0) for name in by_name]
    guarded = any(text not in (None, "", "0") for text in least)
    promoted_too = {one.successor.name for one in measured.after_effect if one.successor and not one.aborted}
    for name, mine in by_name.items():
        done_s = history.ops.done_s
        begin_s, end_s = float(done_s[mine].min()), float(done_s[mine].max())
        if end_s - begin_s < OVERLAP_S or name in promoted_too:
            continue
        lost = int((mine & history.ops.lost).sum()) if not measured.losses.undecided else 0
        writes, meanwhile = int(mine.sum()), int((new & (done_s < end_s)).sum())
        others = f"{successor.name} acknowledged {count(meanwhile)} meanwhile"
        also = others if meanwhile else "nobody else was written to"
        many = "all" if 1 < lost == writes else count(lost) if lost else "none"
        gone = f"{many} of them {'is' if lost < 2 else 'are'} lost"
        if measured.losses.undecided:
            gone = "how many of them are lost is not known"
        follower = first_in_sync(history, successor.address, promoted_s)
        alone = f"{follower.latest_s - promoted_s:.1f} s" if follower else "to the end"
        yield Finding(
            name="a replaced master said OK",
            sentence=f"{name} went on saying OK until {end_s:.1f} s, {end_s - promoted_s:.1f} s after {successor.name} "
            f"was promoted: {plural(writes, 'write')}, and {gone}; {also}.",
            severity="slow" if lost else "note",
            since_s=promoted_s,
            until_s=end_s,
            explains=("after recovery",),
            rows=(f"{plural(writes, 'write')} that were decided from {begin_s:.3f} s on: ok, answered by {name}",),
            advice="" if guarded else "Set min-replicas-to-write 1: a master without replicas then stops saying OK.",
            price=""
            if guarded
            else f"With one replica left, writes are refused until another follows: {alone} in this trial.",
        )


def two_masters_remain(measured: Measured) -> Iterator[Finding]:
    """Find that more than one Redis said that it is master when the trial ended."""
    history = measured.history
    names = masters_at_end(history) or []
    if len(names) < 2:
        return
    since_s = max(_master_since_s(measured, name) for name in names)
    counts = {name: int(mine.sum()) for name, mine in _acknowledged(history, since_s).items()}
    acknowledged = listed(f"{plural(counts.get(name, 0), 'write')} by {name}" for name in names)
    timeout_s = measured.least_s("failover-timeout")
    yield Finding(
        name="two masters",
        sentence=f"{listed(names)} {'both' if len(names) == 2 else 'all'} said that they are master, from "
        f"{since_s:.1f} s until the end. Acknowledged meanwhile: {acknowledged}.",
        severity="out",
        since_s=since_s,
        explains=("after recovery",),
        rows=tuple(f"{name}: ROLE says master, since {_master_since_s(measured, name):.3f} s" for name in names),
        advice=f"Shorten failover-timeout ({timeout_s:g} s): Sentinel makes a master that it does not know a replica "
        "only after that time."
        if timeout_s and timeout_s > history.end_s - since_s
        else "",
        price="A failover that takes longer than failover-timeout is given up."
        if timeout_s and timeout_s > history.end_s - since_s
        else "",
    )


def _acknowledged(history: History, since_s: float) -> dict[str, Bools]:
    """Return which writes of meters each Redis acknowledged after `since_s`, by the name of the Redis."""
    ops = history.ops
    meters = [client.number for client in history.clients.values() if client.is_meter]
    ok = np.isin(ops.client, meters) & (ops.outcome == Outcome.OK) & (ops.done_s > since_s)
    found: dict[str, Bools] = {}
    for index in np.unique(ops.node[ok]).tolist():
        node = history.answered_by(index)
        if node and node.run_id:
            found[node.name] = found.get(node.name, np.zeros(len(ops), bool)) | (ok & (ops.node == index))
    return found


def _master_since_s(measured: Measured, name: str) -> float:
    """Return since when a Redis has said without a break that it is master."""
    since_s, was = 0.0, ""
    for fact in measured.history.roles_of(name):
        if fact.event.role == "master" and was != "master":
            since_s = fact.latest_s
        was = fact.event.role
    return since_s
