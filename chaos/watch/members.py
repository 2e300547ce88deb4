"""Which members a watch observes: all that Sentinel knows, as they come and go, each with all of its addresses."""

import asyncio
import socket
from collections.abc import Sequence

from chaos.access import Accesses
from chaos.clock import AGENT
from chaos.model import Member, MemberKind, canonical, is_literal, split_address
from chaos.resp import Resp
from chaos.watch.guest import WITHIN_S, GuestWish, MistakeError, SentinelView, sentinel_at

SENTINEL = "sentinel "
"""What the name of a Sentinel begins with. Its address follows."""


async def members_of(asked: GuestWish, views: Sequence[SentinelView], redis: Sequence[str]) -> tuple[Member, ...]:
    """Everybody to observe, under the address that Sentinel tells, with every other address that it goes by."""
    found = [await _member(asked, MemberKind.REDIS, one) for one in redis]
    told: dict[str, str] = {}
    for view in views:
        told |= view.others
    reached = {view.own_id or view.asked: view.asked for view in views}
    for own_id in {**reached, **told}:
        address = told.get(own_id) or reached[own_id]
        found.append(await _member(asked, MemberKind.SENTINEL, address, reached.get(own_id)))
    unique = {(one.kind, one.address, one.port): one for one in reversed(found)}
    return tuple(sorted(unique.values(), key=lambda one: (one.kind, one.name)))


async def _member(asked: GuestWish, kind: MemberKind, address: str, given: str | None = None) -> Member:
    """A member by the address that Sentinel tells, connected to where that is reached from here.

    A Sentinel that the user `given` an address of is connected to there if it is the only way.
    """
    reached = asked.reached(address)
    if given and canonical(reached) != canonical(asked.reached(given)) and not await _answers(reached):
        reached = asked.reached(given)
    host, port = split_address(reached)
    ips = await _resolved(host)
    aliases = {address, reached, *([given] if given else []), *(f"{ip}:{port}" for ip in ips)}
    return Member(
        name=f"{SENTINEL if kind is MemberKind.SENTINEL else ''}{address}",
        kind=kind,
        address=host,
        port=port,
        node="",
        domain=AGENT,
        uid=" ".join(ips),
        container="",
        aliases=tuple(sorted(aliases)),
    )


async def _answers(address: str) -> bool:
    host, port = split_address(address)
    try:
        async with Resp.connect(host, port, WITHIN_S, Accesses.from_environment().sentinel):
            return True
    except OSError:
        return False


async def _resolved(host: str) -> tuple[str, ...]:
    """The addresses of a name; none for an address, or where it is not found just now."""
    if is_literal(host):
        return ()
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return ()
    return tuple(sorted({str(one[0]) for *_, one in found}))


async def look_again(asked: GuestWish, known: Sequence[Member]) -> tuple[Member, ...]:
    """Ask all Sentinels that are known who is there now. It is whoever was there before if none of them answers."""
    sentinels = [one.name.removeprefix(SENTINEL) for one in known if one.kind is MemberKind.SENTINEL]
    asking = dict.fromkeys([*asked.sentinels, *sentinels])
    told = await asyncio.gather(*(sentinel_at(asked, one) for one in asking), return_exceptions=True)
    views = [one for one in told if isinstance(one, SentinelView)]
    for one in told:
        if isinstance(one, BaseException) and not isinstance(one, MistakeError):
            raise one
    if not views:
        return tuple(known)
    given = [one for one in views if one.asked in asked.sentinels]
    others = [one for one in views if one not in given and one.own_id not in {each.own_id for each in given}]
    redis = dict.fromkeys(address for one in views for address in (one.master_address, *one.replicas))
    return await members_of(asked, [*given, *others], list(redis))
