"""What every Redis counts and believes, before the load and after it: without it a missing key proves no loss."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import hiredis

from chaos.model import Member, MemberKind
from chaos.record.event_files import EventWriter
from chaos.record.events import Sanity
from chaos.resp import Resp, info_fields, password_from_environment

TIMEOUT_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One member's own words. Where it did not answer, `error` says why and the counts are None."""

    member: str
    address: str
    run_id: str = ""
    role: str = ""
    evicted_keys: int | None = None
    expired_keys: int | None = None
    error: str = ""


async def sanity(members: Sequence[Member], events: EventWriter) -> list[Reading]:
    """Ask every Redis, each within seconds, and write an event of each."""
    readings = await asyncio.gather(*(_read(member) for member in members if member.kind is MemberKind.REDIS))
    masters = [reading.address for reading in readings if reading.role == "master"]
    for reading in readings:
        events.write(Sanity(**asdict(reading), masters=masters))
    return readings


async def _read(member: Member) -> Reading:
    try:
        async with Resp.connect(member.address, member.port, TIMEOUT_S, password_from_environment()) as redis:
            info, role = await redis.call("INFO"), await redis.call("ROLE")
    except OSError as error:
        return Reading(member=member.name, address=member.ip_port, error=repr(error))
    if isinstance(info, hiredis.ReplyError) or isinstance(role, hiredis.ReplyError):
        return Reading(member=member.name, address=member.ip_port, error=f"{info!s:.80} {role!s:.80}")
    fields = info_fields(info)
    return Reading(
        member=member.name,
        address=member.ip_port,
        run_id=fields["run_id"],
        role=role[0],
        evicted_keys=int(fields["evicted_keys"]),
        expired_keys=int(fields["expired_keys"]),
    )
