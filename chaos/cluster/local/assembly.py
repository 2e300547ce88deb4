"""Turn members that have just started into one system: a master, its replicas, and the Sentinels that monitor them.

By themselves Sentinels learn of one another from the hello that each publishes every two seconds, and of replicas from
an INFO every ten. To be faster, they are told to monitor the master only when its replicas are in sync, so that their
first INFO lists the replicas. Each Sentinel is then given the hellos of the others at once. None of Sentinel's periods
is changed.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from hiredis import ReplyError

from chaos.access import PLAIN, Access, Accesses
from chaos.cluster.local.config import is_template, quorum, sentinel_settings
from chaos.errors import SetupError
from chaos.observe.watch import pairs
from chaos.resp import Resp
from chaos.scenario.scenario import System
from chaos.until import until

Address = tuple[str, int]

REPLY_S = 5.0
ANSWER_S, COMPLETE_S = 8.0, 20.0
"""How long a member may take to answer, and how long the Redis, and after them the Sentinels, may take to be
complete."""
LOOK_S = 0.02
DELAY = "repl-diskless-sync-delay"
"""The setting for how long a master waits for more replicas before it begins a transfer. The default is 5 s."""
HELLO = "__sentinel__:hello"
PING_S = 1.0
"""How often a Sentinel pings what it monitors, counted from when it began to monitor."""


Described = Callable[[Address], str]
"""Returns what is known of the process at an address, for the error about a member that does not answer."""


def _see_its_log(_at: Address) -> str:
    return "see its log"


class Told:
    """A connection to a member, to send it commands.

    `call` raises SetupError if the member refuses or does not answer.
    """

    def __init__(self, at: Address, connection: Resp) -> None:
        self.address, self.port = at
        self._connection = connection

    async def call(self, *command: str | int) -> Any:  # noqa: ANN401  a reply is any of RESP's types
        accesses = Accesses.from_environment()
        secrets = {accesses.redis.password, accesses.sentinel.password} - {""}
        words = " ".join("…" if word in secrets else str(word) for word in command)
        try:
            reply = await self._connection.call(*command)
        except OSError as error:
            raise SetupError(f"{self} did not answer {words}: {error or type(error).__name__}; see its log") from error
        if isinstance(reply, ReplyError):
            raise SetupError(f"{self} refused {words}: {reply}")
        return reply

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


async def assemble(
    system: System,
    redis: list[Address],
    sentinels: list[Address],
    member: type[Told] = Told,
    described: Described = _see_its_log,
) -> None:
    """Make the first of `redis` the master of the others, and let all `sentinels` monitor it.

    Every member has just been started with its file from `config`, and gets the declared settings. Raises SetupError if
    one refuses a command, or if the system is not complete in time.
    """
    accesses = Accesses.from_environment()
    async with AsyncExitStack() as opened:
        data = [await opened.enter_async_context(told(at, accesses.redis, member, described)) for at in redis]
        watchers = [
            await opened.enter_async_context(told(at, accesses.sentinel, member, described)) for at in sentinels
        ]
        await _replicate(data)
        for one in data:  # CONFIG REWRITE makes a role survive a restart; the operator's file is not rewritten
            if not is_template(system):
                await one.call("CONFIG", "REWRITE")
                continue
            for name, value in system.settings.redis.items():
                await one.call("CONFIG", "SET", name, value)
        await asyncio.gather(*(_begin(one, system, redis[0]) for one in watchers))
        await _introduce(watchers, system, redis[0])
        await _until_right(lambda: _watchers_wrong(watchers, system))


@asynccontextmanager
async def told(
    at: Address, access: Access = PLAIN, member: type[Told] = Told, described: Described = _see_its_log
) -> AsyncIterator[Told]:
    """Connect to a member. Wait until the member answers, which it does once it has loaded its data.

    `described` returns what is known of the process of a member that does not answer.
    """
    met = ""

    async def ready() -> bool:
        nonlocal met
        try:
            async with Resp.connect(*at, REPLY_S, access) as connection:
                reply = await connection.call("PING")
        except OSError as error:
            met = os.strerror(error.errno).lower() if error.errno else str(error) or type(error).__name__
            return False
        met = str(reply)
        return bool(reply == "PONG")

    def because() -> str:
        return f"{at[0]}:{at[1]} does not answer ({met}); {described(at)}"

    await until(ready, within_s=ANSWER_S, every_s=LOOK_S, because=because)
    async with Resp.connect(*at, REPLY_S, access) as connection:
        yield member(at, connection)


async def _replicate(data: list[Told]) -> None:
    """Make the first Redis the master of the others. Meanwhile it does not wait for more replicas before a transfer."""
    master, *replicas = data
    await master.call("REPLICAOF", "NO", "ONE")
    usual = await master.call("CONFIG", "GET", DELAY)
    await master.call("CONFIG", "SET", DELAY, 0)
    await asyncio.gather(*(_follow(one, master) for one in replicas))
    await _until_right(lambda: _replicas_wrong(replicas, master))
    await master.call("CONFIG", "SET", *usual)
    if await master.call("CONFIG", "GET", DELAY) != usual:
        raise SetupError(f"{master} did not take {' '.join(usual)} back, so that another system would be measured")


async def _follow(one: Told, master: Told) -> None:
    """Follow the master. Start anew if not in sync, because a replica waits a second before it retries."""
    if await _replicas_wrong([one], master):
        await one.call("REPLICAOF", "NO", "ONE")
        await one.call("REPLICAOF", master.address, master.port)


async def _replicas_wrong(replicas: list[Told], master: Told) -> list[str]:
    wanted = ["slave", master.address, master.port, "connected"]
    roles = [(one, await one.call("ROLE")) for one in replicas]
    return [f"{one} is no replica of {master} in sync (ROLE {role[:4]})" for one, role in roles if role[:4] != wanted]


async def _begin(one: Told, system: System, master: Address) -> None:
    """Let a Sentinel monitor this master, and no other, from a random moment on.

    Otherwise all would ping, and miss the master, in step. MONITOR resets every setting, so all are set again.
    """
    await asyncio.sleep(random.uniform(0, PING_S))
    name = system.on_local.sentinel.master
    known = await one.call("SENTINEL", "MASTERS")
    if name in (pairs(each)["name"] for each in known):
        await one.call("SENTINEL", "REMOVE", name)
    await one.call("SENTINEL", "MONITOR", name, *master, quorum(system))
    for option, value in sentinel_settings(system).items():
        await one.call("SENTINEL", "SET", name, option, value)


async def _introduce(watchers: list[Told], system: System, master: Address) -> None:
    """Publish to every Sentinel the hellos of all others: their address, their id, and the master that they monitor."""
    watched = f"{system.on_local.sentinel.master},{master[0]},{master[1]},0"
    hellos = [(one, f"{one.address},{one.port},{await one.call('SENTINEL', 'MYID')},0,{watched}") for one in watchers]
    for one in watchers:
        for other, hello in hellos:
            if other is not one:
                await one.call("PUBLISH", HELLO, hello)


async def _watchers_wrong(watchers: list[Told], system: System) -> list[str]:
    """Return what each Sentinel lacks. An instance with flags besides its kind is down or not connected."""
    name, wrong = system.on_local.sentinel.master, []
    others = (("slave", "REPLICAS", system.replicas), ("sentinel", "SENTINELS", system.sentinels - 1))
    for one in watchers:
        for kind, ask, wanted in (("master", "MASTERS", 1), *others):
            words = ("SENTINEL", ask) if kind == "master" else ("SENTINEL", ask, name)
            known = [pairs(each) for each in await one.call(*words)]
            if len(known) != wanted:
                wrong.append(f"Sentinel {one} knows {len(known)} of {wanted} {ask.lower()}")
            for each in known:
                if each["flags"] != kind or each.get("master-link-status", "ok") != "ok":
                    wrong.append(f"Sentinel {one} holds {each['ip']}:{each['port']} for {each['flags']}")
    return wrong


async def _until_right(look: Callable[[], Awaitable[list[str]]]) -> None:
    """Wait until `look` finds nothing wrong. On timeout, the error says what is wrong."""
    wrong: list[str] = []

    async def right() -> bool:
        wrong[:] = await look()
        return not wrong

    await until(right, within_s=COMPLETE_S, every_s=LOOK_S, because=lambda: "; ".join(wrong))
