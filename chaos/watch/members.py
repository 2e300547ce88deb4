"""Finds the members that a watch observes: all that Sentinel knows, each with all of its addresses."""

import asyncio
import socket
from collections.abc import Sequence

from chaos.access import Accesses
from chaos.clock import AGENT
from chaos.model import Member, MemberKind, canonical, is_literal, split_address
from chaos.resp import Resp
from chaos.watch.guest import WITHIN_S, GuestWish, MistakeError, SentinelView, sentinel_at

SENTINEL = "sentinel "
"""The beginning of a Sentinel's name. The Sentinel's address follows it."""


async def members_of(asked: GuestWish, views: Sequence[SentinelView], redis: Sequence[str]) -> tuple[Member, ...]:
    """Return all members to observe, each named by the address that Sentinel tells, with its other addresses."""
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
    """Return a member by the address that Sentinel tells, connected to where that is reached from here. A Sentinel is
    connected to at the address that the user has `given` if it does not answer at the other.
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
    """Return the addresses of a name, or nothing for an address or a name that is not found just now."""
    if is_literal(host):
        return ()
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return ()
    return tuple(sorted({str(one[0]) for *_, one in found}))


async def look_again(asked: GuestWish, known: Sequence[Member]) -> tuple[Member, ...]:
    """Ask all known Sentinels who is there now. Return the known members if no Sentinel answers."""
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
