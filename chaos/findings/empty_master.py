"""A master that came back without its data, and replicas that copied it. Sentinel saw only that it was there."""

from collections.abc import Iterator

from chaos.analysis.history import Fact
from chaos.analysis.interval import total
from chaos.analysis.measured import Measured, masters_at_end
from chaos.analysis.result import Finding
from chaos.analysis.wording import listed
from chaos.findings.members import back_as_master, hit_a_master
from chaos.model import MemberKind
from chaos.record.events import Role

LOADED = r"DB loaded from|Done loading RDB, keys loaded: [1-9]"
"""What a Redis logs when it has read a file that has data in it."""
COPIED = r"Full resync from (?:master|primary)"
"""What a replica logs when it replaces its data with a copy of its master's."""


def empty_master(measured: Measured) -> Iterator[Finding]:
    """Find acknowledged writes from before the fault that a master lost which started anew at its old address."""
    history, back = measured.history, back_as_master(measured)
    if back is None or not hit_a_master(measured) or measured.target is None:
        return
    if back.event.run_id == measured.target.run_id:
        return
    began_s = back.earliest_s if back.earliest_s > 0 else 0.0
    loaded = [
        line for line in history.lines("redis", LOADED) if line.pod == back.event.member and line.at_s.most > began_s
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
    count = f"{gone.most:.0f} acknowledged writes {since} are gone" if gone else "how many writes are gone is not known"
    by = f" and {listed(sorted(copied))} copied it, at {max(copied.values()):.1f} s" if copied else ""
    how = "with an old file" if loaded else "empty"
    yield Finding(
        name="empty master copied",
        sentence=f"{back.event.member} came back {how} as the master at {back.latest_s:.1f} s{by}: {count}.",
        severity="lost",
        since_s=back.latest_s,
        explains=("detection", "unattributed"),
        rows=(f"{back.event.member}: ROLE says master, run id {back.event.run_id}", *(line.text for line in loaded)),
        advice="Keep a master's data on a disk that outlives its process, or let it come back only when Sentinel has "
        "promoted a replica, later than down-after-milliseconds.",
        price="A failover instead of a restart: down-after-milliseconds and a few seconds more without a master.",
    )


def _copied(measured: Measured, back: Fact[Role]) -> dict[str, float]:
    """Return when each replica had copied the master that is back: by its log, or else by its role, by its name."""
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
