"""Runs all observers of one trial. They watch the members that the platform names, as these change."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from chaos.access import Accesses
from chaos.model import Member, MemberKind
from chaos.observe.proxies import ProxyObserver
from chaos.observe.roles import RoleObserver
from chaos.observe.sentinels import PublishedObserver, SentinelObserver
from chaos.observe.watch import ObservedMember, PolledFact, SettingsLog, supervised
from chaos.record.event_files import EventWriter

Identity = tuple[str, str, str, int]

GONE = "no longer a member"


def identity(member: Member) -> Identity:
    """Return what tells a member from others. It does not change if the member's process restarts in place."""
    return member.name, member.uid, member.address, member.port


class Observer(Protocol):
    async def observe(self) -> None:
        """Watch until something breaks."""

    def lost(self, error: str) -> None:
        """Write that the member is not seen any more, unless that was written already."""


@dataclass(frozen=True, slots=True)
class Watch:
    """The observers of one member, and their tasks."""

    observers: tuple[Observer, ...]
    tasks: tuple[asyncio.Task[None], ...]

    def cancel(self) -> None:
        for task in self.tasks:
            task.cancel()


class Observers:
    """Runs observers in `group`. An event that cannot be written ends the group, and nothing else about a member does.

    `master` is Sentinel's name for the master, and `accesses` say how to connect to members. `settings` are read beside
    the usual ones. Each is given as the names that it may have.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        master: str,
        events: EventWriter,
        accesses: Accesses,
        settings: Iterable[Sequence[str]] = (),
    ) -> None:
        self._group = group
        self._master = master
        self._events = events
        self._accesses = accesses
        self._declared = tuple(settings)
        self._watched: dict[Identity, Watch] = {}
        self._roles: defaultdict[str, PolledFact] = defaultdict(PolledFact)
        self._settings: defaultdict[str, PolledFact] = defaultdict(PolledFact)
        self._proxies: defaultdict[str, PolledFact] = defaultdict(PolledFact)
        self._observers: dict[MemberKind, Callable[[Member], tuple[Observer, ...]]] = {
            MemberKind.REDIS: self._redis,
            MemberKind.SENTINEL: self._sentinel,
            MemberKind.PROXY: self._proxy,
        }

    def follow(self, members: Iterable[Member]) -> None:
        """Watch exactly these members from now on. Members that were watched before keep their connections."""
        wanted = {identity(member): member for member in members if member.kind in self._observers}
        for gone in self._watched.keys() - wanted.keys():
            watch = self._watched.pop(gone)
            watch.cancel()
            for observer in watch.observers:
                observer.lost(GONE)
        for new in wanted.keys() - self._watched.keys():
            self._watched[new] = self._watch(wanted[new])

    def stop(self) -> None:
        for watch in self._watched.values():
            watch.cancel()
        self._watched.clear()

    def _watch(self, member: Member) -> Watch:
        observers = self._observers[member.kind](member)
        tasks = (self._group.create_task(supervised(one.observe, one.lost), name=member.name) for one in observers)
        return Watch(observers, tuple(tasks))

    def _redis(self, member: Member) -> tuple[Observer, ...]:
        observed = ObservedMember(member, self._events, self._accesses.redis)
        settings = SettingsLog(observed, self._settings[member.name], self._declared)
        return (RoleObserver(observed, self._roles[member.name], settings),)

    def _sentinel(self, member: Member) -> tuple[Observer, ...]:
        observed = ObservedMember(member, self._events, self._accesses.sentinel)
        settings = SettingsLog(observed, self._settings[member.name])
        return SentinelObserver(observed, self._master, settings), PublishedObserver(observed)

    def _proxy(self, member: Member) -> tuple[Observer, ...]:
        return (ProxyObserver(ObservedMember(member, self._events), self._proxies[member.name]),)
