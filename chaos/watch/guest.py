"""Looks around in somebody else's system before the clients start: who is there, and may we write?

What prevents a watch is raised as a MistakeError, whose text says what helps; the rest becomes remarks. An address that
drops packets takes `WITHIN_S` to find out, and all addresses are asked at the same time.
"""

import asyncio
import ipaddress
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hiredis import ReplyError

from chaos.access import DENIED, REDIS, SENTINEL, Access, denied, trouble
from chaos.errors import SetupError
from chaos.model import canonical, is_literal, split_address
from chaos.observe.watch import pairs
from chaos.resp import Resp, info_fields

WITHIN_S = 0.8
"""How many seconds an address may take to connect, and to answer each question."""
MOST_FULL = 0.7
"""Nothing is written to a Redis that uses more than this share of its maxmemory."""
READ_ONLY = "--read-only watches without writing: it sees outages and no losses"
GRANT = "allow it +set, +mget and +unlink on keys that begin with failover:, or give"


@dataclass(frozen=True, kw_only=True, slots=True)
class GuestWish:
    """What the user asked for. `for_s`, `until`, `expect_s` and `deadline_s` are None if the user did not give them.

    `maps` maps an address that Sentinel tells to the one by which it is reached from here. `shown` is the command line.
    """

    sentinels: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    master: str | None = None
    maps: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False
    rate_hz: float = 20.0
    database: int = 0
    deadline_s: float | None = None
    for_s: float | None = None
    until: int | None = None
    expect_s: float | None = None
    stable_s: float = 5.0
    command: tuple[str, ...] = ()
    out: Path = Path("reports")
    shown: str = "failover watch"

    def reached(self, address: str) -> str:
        """Return the address by which `address` is reached from here."""
        return self.maps.get(canonical(address), address)


class MistakeError(SetupError):
    """An address, a name or a right that is not as the user thinks. Its text says what helps."""


class RefusedError(MistakeError):
    """A server answered, and refused the login."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SentinelView:
    """What one Sentinel knows.

    `replicas` are addresses, and `others` maps the id of each other Sentinel to its address. `run_ids` are those of the
    master and its replicas.
    """

    asked: str
    own_id: str
    master: str
    master_address: str
    master_run_id: str
    replicas: tuple[str, ...]
    run_ids: frozenset[str]
    others: Mapping[str, str]
    down_after_s: float
    quorum: int

    @property
    def told(self) -> tuple[str, ...]:
        """The addresses of every Redis, the master's first."""
        return tuple(dict.fromkeys([self.master_address, *self.replicas]))


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisView:
    """What one Redis says of itself. If it did not say it, `error` says why and the other fields are empty.

    `refused` is true if it answered that this user may not ask.
    """

    address: str
    run_id: str = ""
    role: str = ""
    used: int = 0
    most: int = 0
    error: str = ""
    refused: bool = False

    @property
    def full(self) -> float:
        return self.used / self.most if self.most else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Around:
    """What was found: what each answering Sentinel knows, what each Redis says, and remarks for the user.

    `redis` has the Redis that the first Sentinel tells, and what answers behind each Service.
    """

    views: tuple[SentinelView, ...]
    redis: tuple[RedisView, ...]
    remarks: tuple[str, ...] = ()

    @property
    def view(self) -> SentinelView | None:
        """What the first Sentinel knows, or None without a Sentinel."""
        return next(iter(self.views), None)


async def look_around(asked: GuestWish) -> Around:
    """Ask every address that the user gave, and those that Sentinel tells. Raises MistakeError in a sentence."""
    views, remarks = await _sentinels(asked)
    view = views[0] if views else None
    services = await asyncio.gather(*(redis_at(asked, one) for one in asked.services))
    for one in services:
        if wrong := _wrong_service(one):
            remarks.append(wrong)
    if asked.services and not view and all(one.error for one in services):
        raise MistakeError("; ".join(remarks))
    redis = list(await asyncio.gather(*(redis_at(asked, one) for one in (view.told if view else ()))))
    if view:
        _refuse_unreachable(asked, view, redis)
        _refuse_strangers(view, redis, services)
        after = "of the Redis that Sentinel tells, one cannot be used from here, nor after a failover to it"
        remarks += [f"{after}: {one.error}" for one in redis if one.error]
    if not asked.read_only:
        await _refuse_to_write(asked, view, [*redis, *services])
    return Around(views=tuple(views), redis=(*redis, *services), remarks=tuple(remarks))


# Sentinels.


async def _sentinels(asked: GuestWish) -> tuple[list[SentinelView], list[str]]:
    """Return what each Sentinel knows, and a remark on each that is silent. Raises MistakeError if all are."""
    told = await asyncio.gather(*(sentinel_at(asked, one) for one in asked.sentinels), return_exceptions=True)
    views = [one for one in told if isinstance(one, SentinelView)]
    mistakes = [one for one in told if isinstance(one, MistakeError)]
    for one in told:
        if isinstance(one, BaseException) and not isinstance(one, MistakeError):
            raise one
    if mistakes and not views:
        raise MistakeError("; ".join(dict.fromkeys(map(str, mistakes))))
    return views, [str(one) for one in mistakes]


async def sentinel_at(asked: GuestWish, address: str) -> SentinelView:
    """Ask one Sentinel about the master. Raises MistakeError if the address or the name is wrong."""
    async with _talking(asked, address, SENTINEL) as sentinel:
        known = await sentinel.call("SENTINEL", "MASTERS")
        if isinstance(known, ReplyError):
            raise MistakeError(_no_sentinel(address, str(known)))
        names = [pairs(one)["name"] for one in known]
        name = asked.master or (names[0] if len(names) == 1 else "")
        if name not in names:
            watched = f"it watches {', '.join(names)}" if names else "it watches none"
            wanted = f"no master called {asked.master}" if asked.master else "no one master"
            raise MistakeError(f"the Sentinel at {address} knows {wanted}: {watched}; name it with --master")
        master = pairs(known[names.index(name)])
        own_id = await sentinel.call("SENTINEL", "MYID")
        replicas = await sentinel.call("SENTINEL", "REPLICAS", name)
        others = await sentinel.call("SENTINEL", "SENTINELS", name)
        if isinstance(replicas, ReplyError) or isinstance(others, ReplyError):
            raise MistakeError(f"the Sentinel at {address} does not tell its replicas: {replicas!s:.80}")
    return SentinelView(
        asked=address,
        own_id="" if isinstance(own_id, ReplyError) else own_id,
        master=name,
        master_address=f"{master['ip']}:{master['port']}",
        master_run_id=master["runid"],
        replicas=tuple(f"{one['ip']}:{one['port']}" for one in map(pairs, replicas)),
        run_ids=frozenset(one["runid"] for one in [master, *map(pairs, replicas)]),
        others={one["runid"]: f"{one['ip']}:{one['port']}" for one in map(pairs, others)},
        down_after_s=int(master["down-after-milliseconds"]) / 1000,
        quorum=int(master["quorum"]),
    )


def _no_sentinel(address: str, said: str) -> str:
    if said.startswith(DENIED):
        return denied(address, said, SENTINEL)
    if "unknown command" in said.lower():
        return (
            f"{address} is a Redis and not a Sentinel; Sentinel listens on 26379 as a rule. "
            f"To watch this address itself, give it as --service {address}"
        )
    return f"{address} answers SENTINEL MASTERS with: {said}"


@asynccontextmanager
async def _talking(asked: GuestWish, address: str, prefix: str = REDIS) -> AsyncIterator[Resp]:
    """Connect to an address as the user or Sentinel gave it. An error of the connection is raised as a MistakeError."""
    reached = asked.reached(address)
    host, port = split_address(reached)
    access = Access.read(os.environ, prefix)
    shown = address if canonical(reached) == canonical(address) else f"{address} (reached by {reached})"
    try:
        async with Resp.connect(host, port, WITHIN_S, access) as connection:
            yield connection
    except OSError as error:
        kind = RefusedError if isinstance(error, PermissionError) else MistakeError
        raise kind(trouble(error, shown, WITHIN_S, access, prefix)) from None


# Redis.


async def redis_at(asked: GuestWish, address: str) -> RedisView:
    """Ask one Redis who it is. An error is part of the result, because a Redis may be down just now."""
    try:
        async with _talking(asked, address) as redis:
            info = await redis.call("INFO")
            if isinstance(info, ReplyError):
                return RedisView(address=address, error=denied(address, str(info), REDIS), refused=True)
            fields = info_fields(info)
    except MistakeError as error:
        return RedisView(address=address, error=str(error), refused=isinstance(error, RefusedError))
    return RedisView(
        address=address,
        run_id=fields["run_id"],
        role="sentinel" if fields.get("redis_mode") == "sentinel" else fields.get("role", ""),
        used=int(fields.get("used_memory", 0)),
        most=int(fields.get("maxmemory", 0)),
    )


def _wrong_service(one: RedisView) -> str:
    if one.error:
        return one.error
    if one.role == "sentinel":
        raise MistakeError(f"{one.address} is a Sentinel and not a Redis: give it as --sentinel {one.address}")
    if one.role == "slave":
        return f"{one.address} leads to a replica, which refuses writes: is it the Service of the replicas?"
    return ""


def _refuse_unreachable(asked: GuestWish, view: SentinelView, redis: Sequence[RedisView]) -> None:
    """Raise MistakeError if no Redis that Sentinel tells can be reached, or if another one answers in its place."""
    sentinel_host, _ = split_address(asked.reached(view.asked))
    master_host, _ = split_address(view.master_address)
    if (
        not _is_here(sentinel_host)
        and _is_here(master_host)
        and view.master_address == asked.reached(view.master_address)
    ):
        raise MistakeError(
            f"the Sentinel at {view.asked} names {view.master_address} as the master, which is this machine "
            f"itself when it is asked from here. {_map_hint(view.master_address)}"
        )
    if all(one.error for one in redis):
        if refused := next((one.error for one in redis if one.refused), ""):
            raise MistakeError(refused)
        raise MistakeError(
            f"the Sentinel at {view.asked} names {view.master_address} as the master, and neither it nor any "
            f"replica can be reached from here ({redis[0].error}). {_map_hint(view.master_address)}"
        )
    master = redis[0]
    known = len(view.master_run_id) == RUN_ID_DIGITS
    if not master.error and known and master.run_id != view.master_run_id:
        raise MistakeError(
            f"another Redis answers at {view.master_address} than the one that the Sentinel at {view.asked} watches: "
            f"its run id is {master.run_id[:8]} and not {view.master_run_id[:8]}. If it was started just now, try "
            f"again in 10 s. {_map_hint(view.master_address)}"
        )


RUN_ID_DIGITS = 40


def _refuse_strangers(view: SentinelView, redis: Sequence[RedisView], services: Sequence[RedisView]) -> None:
    """Raise MistakeError if a Service leads to a Redis that the Sentinel does not tell of.

    Its outages would be explained by the failovers of another system, and its keys would be looked for there.
    """
    known = view.run_ids | {one.run_id for one in redis}
    for one in services:
        if not one.error and one.run_id not in known:
            raise MistakeError(
                f"{one.address} leads to another Redis than those of {view.master}, which the Sentinel at {view.asked} "
                f"watches: its run id is {one.run_id[:8]}. If it was started just now, try again in 10 s. If it is "
                f"of another system, watch it by itself, without --sentinel or with its own"
            )


def _map_hint(address: str) -> str:
    host, port = split_address(address)
    return (
        f"Sentinel tells the address that it sees, as inside Docker; say by which one it is reached from here: "
        f"--map {address}=localhost:{port}"
        if host
        else ""
    )


def _is_here(host: str) -> bool:
    """Return whether a host is an address of this machine alone, or a name that leads to such addresses only."""
    try:
        found = [host] if is_literal(host) else [one[4][0] for one in socket.getaddrinfo(host, None)]
    except socket.gaierror:
        return False
    return all(ipaddress.ip_address(one).is_loopback for one in found)


async def _refuse_to_write(asked: GuestWish, view: SentinelView | None, redis: Sequence[RedisView]) -> None:
    """Raise MistakeError if a Redis is too full to write to, or if this user may not write there."""
    for one in redis:
        if one.full > MOST_FULL:
            raise MistakeError(too_full(one))
    masters = [one.address for one in redis if not one.error and one.role == "master"]
    if view and view.master_address in masters:
        masters = [view.master_address, *asked.services]
    refused = await asyncio.gather(*(_refused(asked, one) for one in dict.fromkeys(masters)))
    for sentence in filter(None, refused):
        raise MistakeError(sentence)


def too_full(one: RedisView) -> str:
    return (
        f"{one.address} uses {one.full:.0%} of its maxmemory, and a guest writes nothing above {MOST_FULL:.0%}; "
        f"{READ_ONLY}"
    )


async def too_full_now(asked: GuestWish, told: Sequence[str]) -> str:
    """Return which Redis is too full to be written to any longer, or an empty string if none is."""
    redis = await asyncio.gather(*(redis_at(asked, one) for one in dict.fromkeys([*told, *asked.services])))
    return next((too_full(one) for one in redis if one.full > MOST_FULL), "")


async def _refused(asked: GuestWish, address: str) -> str:
    """Return why this user may not write to an address, or an empty string. A Redis that refuses every write just now
    is the system's state and no mistake of the user.
    """
    try:
        async with _talking(asked, address) as redis:
            if asked.database and isinstance(said := await redis.call("SELECT", asked.database), ReplyError):
                return f"{address} has no database {asked.database}: {said}"
            for command in (("SET", PROBE, "1", "PX", 1000), ("MGET", PROBE), ("UNLINK", PROBE)):
                said = await redis.call(*command)
                if isinstance(said, ReplyError) and str(said).startswith("NOPERM"):
                    return f"this user may not write to {address} ({said}); {GRANT} --read-only"
    except MistakeError:
        return ""  # it answered a moment ago, so that the clients will show what is wrong
    return ""


PROBE = "failover:may-i-write"


def opening(asked: GuestWish, around: Around, clients: int, members: int) -> Iterator[str]:
    """Yield two lines that say what is watched, how, and how much load that is."""
    view = around.view
    who = (
        f"{view.master} ({view.master_address}, {_many(len(view.replicas), 'replica')}, "
        f"{_many(len(view.others) + 1, 'Sentinel')}, down-after {view.down_after_s:g} s)"
        if view
        else ", ".join(asked.services)
    )
    paths = bool(asked.sentinels) + len(asked.services)
    keys = "reads only" if asked.read_only else "keys failover:… with a TTL"
    ways = f"{_many(paths, 'path')}, new and kept, {asked.rate_hz:g}/s each"
    yield f"watching {who} · {ways} · {keys} · Ctrl-C ends"
    verb = "reads" if asked.read_only else "writes of 32 bytes"
    polled = f"; {_many(members, 'member')} asked 20 times a second for role and master" if members else ""
    new = asked.rate_hz * paths * (2 if asked.sentinels else 1)
    yield f"load: {clients * asked.rate_hz:g} {verb} and about {new:g} new connections a second{polled}"


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
