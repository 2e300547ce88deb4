"""A watch as a list of steps.

1. Write down what was asked, and start the agent, whose clients and observers run in a process of their own.
2. Start the clients. If a calm system is late at the usual deadline, take a longer one, and say so.
3. Start the user's command, if there is one.
4. Read what the agent records. When trouble begins, open an entry; when it is over, read the keys back and close it.
5. End by time, by a count of failovers, by a signal, or when the command has ended and the system is stable.
6. Remove our keys, end the agent, and make the report.

Whatever ends the watch, what was recorded is kept and reported.
"""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from chaos.agent.orders import MEMBERS, START, STOP, AgentSpec
from chaos.campaign import unused
from chaos.client.spec import Load
from chaos.clock import HOST, mono_ns
from chaos.model import Member, MemberKind, Outcome
from chaos.observe.itself import pressure
from chaos.record.events import (
    ClientsStarted,
    ClientsStopped,
    Event,
    MembersKnown,
    Note,
    SentinelAddress,
    Stamped,
    WatchEnd,
    pair_event,
)
from chaos.record.layout import CAMPAIGN, CLOSED, MANIFEST, SETTINGS
from chaos.trial.assignment import utc_now
from chaos.trial.record import write_json
from chaos.trial.steps import DEADLINES_S
from chaos.until import until
from chaos.watch.entries import MINUTE_NS, Entry, Minutes, Recent, Transport
from chaos.watch.guest import Around, GuestWish, too_full_now
from chaos.watch.keys import Keys
from chaos.watch.members import look_again
from chaos.watch.processes import COMMAND_LOG, JUDGED_S, RunningMeters, UserCommand, judged_apart
from chaos.watch.trouble import Trouble
from chaos.watch.written import Described, client_specs, origin

TICK_S = 0.2
"""How often, in seconds, what the agent has recorded is read."""
ROLL_S = 10.0
"""How often, in seconds, the agent begins new files."""
LEAD_S = 30.0
"""How many seconds before an outage are kept with it: its baseline, and the time of the losses from before it."""
TTL_S = 3600
"""How many seconds our keys live if nothing removes them."""
FAR_S = 1.0
"""The deadline, in seconds, that is tried after those of a trial. It is for a network between us and the system."""
WARM_UP_S = 4.0
"""How many seconds clients run at each deadline that is tried."""
LATE_SHARE = 0.005
"""If a larger share of operations is late in a calm system, the next longer deadline is tried."""
AGAIN_S = 10.0
"""How often, in seconds, the Sentinels are asked who is there."""
AFTER_COMMAND_S = 10.0
"""How many seconds after a command's end and down-after-milliseconds its consequences may still begin."""
REACH_NS = 2_000_000_000
"""Trouble that begins within this time after the end of a command counts as its consequence."""
STARTED_S, STOPPED_S = 60.0, 20.0
FOR_EVER_S = 10 * 365 * 86400.0
RECOVERY_S = 180.0
"""How many seconds after its end a command's outage is waited for."""
NOT_BACK, STABLE = f"not everything is back {RECOVERY_S:g} s after the command", "the command has ended, all is stable"
MINUTES = "minutes.jsonl"

Says = Callable[[str], None]
"""Shows a line to the user at once."""


class Watching:
    """One watch. `run` it once. `stop` ends it in order, and may be called from a signal handler of the loop."""

    def __init__(self, asked: GuestWish, around: Around, members: tuple[Member, ...], say: Says) -> None:
        self._asked = asked
        self._say = say
        self._view = around.view
        self._members = members
        self._master = around.view.master_address if around.view else asked.services[0]
        started, name = utc_now(), (around.view.master if around.view else asked.services[0]).replace(":", "-")
        self.directory = unused(asked.out / f"{started[:16].replace(':', '')}-watch-{name}")
        self._described = Described(asked=asked, campaign=self.directory.name, name=name, started=started)
        self._clients = list(client_specs(asked))
        self._load = Load(
            deadline_s=asked.deadline_s or DEADLINES_S[0],
            keys=f"failover:{self.directory.name}:",
            ttl_s=TTL_S,
            database=asked.database,
            master=around.view.master if around.view else "",
            read_only=asked.read_only,
        )
        self._transport = Transport(self.directory / "agent")
        self._recent = Recent(round(LEAD_S * 1e9))
        self._keys = Keys(asked, self._recent, self._clients, around.view.master_address if around.view else "")
        self._trouble = Trouble(self._clients, self._load.master, round(self._load.deadline_s * 1e9))
        self._minutes = Minutes(self.directory / MINUTES, self._clients)
        self._command = UserCommand(words=asked.command) if asked.command else None
        self._ending = self._full = ""
        self._entry: Entry | None = None
        self._entries = 0
        self._failovers = 0
        self._blips = 0
        self._calm_since_ns = 0
        self._beat_ns = self._looked_ns = self._cleaned_ns = 0
        self._running: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._started_events = self._stopped_events = 0

    def stop(self, why: str) -> None:
        self._ending = self._ending or why

    async def run(self) -> None:
        self._write_campaign()
        spec = AgentSpec(
            clients=tuple(self._clients),
            load=self._load,
            members=self._members,
            names=tuple(sorted({one for spec in self._clients for one in (spec.address, *spec.others)})),
            limit_s=FOR_EVER_S,
            maps=dict(self._asked.maps),
            roll_s=ROLL_S,
        )
        agent = RunningMeters(self.directory, spec)
        self._host(MembersKnown(members=[one.as_json() for one in self._members]))
        try:
            await self._warm_up(agent)
            begun_ns = mono_ns()
            if self._command:
                self._open(mono_ns(), waits=True)
                self._running = asyncio.create_task(self._command.run(self.directory / COMMAND_LOG))
                self._say(f"{clock()}  command  {' '.join(self._command.words)}")
            while not (why := self._ending or await self._over(begun_ns)):
                await asyncio.sleep(TICK_S)
                await self._tick(agent)
            self._say(f"{clock()}  ends     {why}")
        finally:
            await self._leave(agent)

    # The agent.

    async def _started_with(self, agent: RunningMeters, deadline_s: float) -> None:
        """Start the clients, or start them anew, and wait until the agent reports that they run."""
        self._load = Load.from_json(asdict(self._load) | {"deadline_s": deadline_s})
        self._trouble.deadline_ns = round(deadline_s * 1e9)
        before = self._started_events
        agent.tell(START, {"deadline_s": deadline_s, "most": None})

        async def started() -> bool:
            agent.check()
            self._read()
            return self._started_events > before

        await until(started, within_s=STARTED_S, because="the agent has not started its clients", every_s=0.05)
        self._recent.clear()
        self._calm_since_ns = mono_ns()

    async def _warm_up(self, agent: RunningMeters) -> None:
        """Choose a deadline that a calm system keeps, and name the paths that do not work."""
        asked_s = self._asked.deadline_s
        for deadline_s in (asked_s,) if asked_s else (*DEADLINES_S, FAR_S):
            await self._started_with(agent, deadline_s)
            self._minutes = Minutes(self.directory / MINUTES, self._clients)
            limit_ns = mono_ns() + round(WARM_UP_S * 1e9)
            while mono_ns() < limit_ns and not self._ending:
                await asyncio.sleep(TICK_S)
                agent.check()
                self._read()
            late = self._minutes.late
            if late <= LATE_SHARE * self._minutes.operations or deadline_s == FAR_S:
                break
            if not asked_s:
                self._say(
                    f"note       {late} of {self._minutes.operations} operations took longer than {deadline_s:g} s"
                )
        if self._load.deadline_s > DEADLINES_S[0]:
            self._say(f"note       operations are bad after {self._load.deadline_s * 1000:g} ms")
        bad = dict(self._minutes.unreliable())
        for name, text in bad.items():
            self._say(f"note       {name} {text}; its outages are not waited for")
        self._trouble.ignore(set(bad))
        self._trouble.begin_anew()

    # Every TICK_S.

    async def _tick(self, agent: RunningMeters) -> None:
        agent.check()
        now_ns = mono_ns()
        if now_ns - self._beat_ns >= 1_000_000_000:
            self._beat_ns = now_ns
            self._host(pair_event(HOST).event)
            self._host(pressure())
        self._read()
        if self._trouble.slept and self._entry:
            self._trouble.slept = False
            await self._close("this machine slept")
        if self._trouble.since:
            self._begin_entry(self._trouble.since)
        entry = self._entry
        if entry and not entry.waits and self._trouble.is_over(round(self._asked.stable_s * 1e9), now_ns):
            await self._close("")
        if self._entry is None and now_ns - self._cleaned_ns >= ROLL_S * 1e9:
            self._cleaned_ns = now_ns
            await self._keys.remove(self._load)
        self._look_now_and_then(agent, now_ns)
        if now_ns - self._minutes.begun_ns >= MINUTE_NS:
            line = self._minutes.close(utc_now(), self._master)
            self._say(f"{clock()}  {'trouble' if self._entry else 'calm':<8} {line}")

    def _look_now_and_then(self, agent: RunningMeters, now_ns: int) -> None:
        if now_ns - self._looked_ns < AGAIN_S * 1e9 or (self._looking and not self._looking.done()):
            return
        if self._looking:
            self._looking.result()
        self._looked_ns = now_ns
        self._looking = asyncio.create_task(self._look_again(agent))

    def _read(self) -> None:
        """Take what the agent has recorded. Events come first, because they say when we stalled."""
        for stamped in self._transport.events():
            self._take(stamped)
        for data, row in self._transport.rows():
            if row.outcome not in (Outcome.FAILED, Outcome.MISSED):
                self._keys.sent[row.client] = row.seq
            self._recent.take_row(row, data)
            if self._entry:
                self._entry.take_row(data)
            self._minutes.take_row(row, self._trouble.deadline_ns)
            if said := self._trouble.take_row(row):
                self._say(f"{clock()}  {said}")
        self._recent.forget(mono_ns())
        if self._entry:
            self._entry.flush()

    def _take(self, stamped: Stamped[Event]) -> None:
        event = stamped.event
        if not self._trouble.is_ours(event):
            return
        self._recent.take_event(stamped)
        if self._entry:
            self._entry.take_event(stamped)
        self._minutes.take_event(event)
        if isinstance(event, ClientsStarted):
            self._started_events += 1
        elif isinstance(event, ClientsStopped):
            self._stopped_events += 1
        elif isinstance(event, SentinelAddress) and event.address:
            self._master = event.address
        if said := self._trouble.take_event(stamped):
            self._say(f"{clock()}  {said}")

    def _host(self, event: Event, *, at_ns: int | None = None, since_ns: int | None = None) -> None:
        stamp = mono_ns() if at_ns is None else at_ns
        self._take(Stamped(event=event, domain=HOST, at_ns=stamp, since_ns=since_ns))

    async def _look_again(self, agent: RunningMeters) -> None:
        """Follow the members as they come and go, and stop if a Redis becomes too full for our keys. A Redis has to be
        too full at two looks, since a replica that is synchronised holds more for a moment.
        """
        members = await look_again(self._asked, self._members)
        if members != self._members:
            self._members = members
            self._host(MembersKnown(members=[one.as_json() for one in members]))
            agent.tell(MEMBERS, [one.as_json() for one in members])
        if self._asked.read_only:
            return
        redis = [one.name for one in members if one.kind is MemberKind.REDIS]
        was_full, self._full = self._full, await too_full_now(self._asked, redis)
        if was_full and self._full:
            self.stop(self._full)

    # Entries.

    def _begin_entry(self, since: Stamped[Any]) -> None:
        """Open an entry for trouble that has begun, or use the command's entry if the command caused the trouble."""
        entry, first_ns = self._entry, since.since_ns or since.at_ns
        if entry is None:
            self._open(first_ns)
        elif entry.waits:
            assert self._command is not None
            end_ns = self._command.end_ns
            if end_ns is None or first_ns <= end_ns + REACH_NS:
                entry.waits, entry.of_command = False, True
            else:
                entry.close()
                shutil.rmtree(entry.directory)
                self._open(first_ns)

    def _open(self, first_ns: int, *, waits: bool = False) -> None:
        begin_ns = max(first_ns - round(LEAD_S * 1e9), self._calm_since_ns)
        number = self._entries
        self._entry = Entry(self.directory / f"trial-{number:03d}", number, begin_ns, waits=waits)
        self._entry.begin(self._recent, self._transport.header)
        self._write_manifest(self._entry)

    async def _close(self, why: str) -> None:
        """Read the keys back, write the events that set the entry's t = 0, close the entry, and say what it was."""
        entry = self._entry
        assert entry is not None
        if why:
            entry.take_event(Stamped(event=Note(text=why), domain=HOST, at_ns=mono_ns()))
        entry.take_event(Stamped(event=WatchEnd(), domain=HOST, at_ns=mono_ns()))
        command = self._command if entry.waits or entry.of_command else None
        for stamped in origin(command, self._trouble.since, entry.since_ns):
            entry.take_event(stamped)
        entry.close()
        await self._keys.audit(entry.directory, self._load, self._members)
        self._write_manifest(entry)
        write_json(entry.directory / SETTINGS, self._recent.settings())
        write_json(entry.directory / CLOSED, {"ended": "complete", "step": 4, "error": "", "at": utc_now()})
        self._entry = None
        self._calm_since_ns = max(self._calm_since_ns, self._trouble.last_ns + 1_000_000_000)
        switched = len(self._trouble.failovers)
        self._trouble.begin_anew()
        try:
            found = await judged_apart(entry.directory)
        except TimeoutError:
            late = f"its analysis took longer than {JUDGED_S:g} s; the report does it again"
            found = {"anything": True, "failovers": min(1, switched), "because": "", "lines": [late]}
        if not found["anything"] and not entry.waits:
            self._blips += 1
            self._say(f"{clock()}  nothing  no outage and no failover: {found['because'] or 'stalls of this machine'}")
            shutil.rmtree(entry.directory)
            return
        self._entries += 1
        self._failovers += found["failovers"]
        for line in found["lines"]:
            self._say(f"{clock()}  entry {entry.number}  {line}")

    # The end.

    async def _over(self, begun_ns: int) -> str:
        """Return why the watch is over, or an empty string while it is not."""
        now_ns, asked, command = mono_ns(), self._asked, self._command
        if asked.for_s is not None and now_ns - begun_ns >= asked.for_s * 1e9:
            return f"after {asked.for_s:g} s, as asked"
        if asked.until is not None and self._failovers >= asked.until:
            return f"after {self._failovers} failovers, as asked"
        if self._running and self._running.done():
            self._running.result()
        if command is None or command.end_ns is None:
            return ""
        if self._entry and not self._entry.waits:
            return NOT_BACK if now_ns - command.end_ns >= RECOVERY_S * 1e9 else ""
        down_after_s = self._view.down_after_s if self._view and self._entry else 0.0
        quiet_ns = now_ns - max(command.end_ns, self._trouble.last_ns)
        return STABLE if quiet_ns >= (AFTER_COMMAND_S + down_after_s) * 1e9 else ""

    async def _leave(self, agent: RunningMeters) -> None:
        """Stop the clients, close what is open, remove our keys, end the agent, and write down how it went."""
        if self._looking:
            self._looking.cancel()
        try:
            await self._stop_clients(agent)
            if self._entry is None and not self._entries and self._started_events:
                self._open(self._calm_since_ns)
            if self._entry:
                self._entry.waits |= self._trouble.since is None
                await self._close("the watch ended")
        finally:
            if why := await self._keys.remove(self._load, all_of_them=True):
                self._say(f"note       our last keys could not be removed, and go within an hour ({why})")
            await agent.end()
            if self._command and self._command.code is None and self._command.begin_ns:
                self._say(f"note       the command still runs; its output goes to {self.directory / COMMAND_LOG}")
            self._write_campaign()

    async def _stop_clients(self, agent: RunningMeters) -> None:
        """Stop the clients, and take the rest of what they recorded."""

        before = self._stopped_events

        async def stopped() -> bool:
            self._read()
            return self._stopped_events > before or not agent.lives

        if agent.lives and self._started_events:
            agent.tell(STOP, {})
            await until(stopped, within_s=STOPPED_S, because="the agent has not stopped its clients")
        self._read()

    def _write_campaign(self) -> None:
        outcome = {
            "operations": self._minutes.operations,
            "deadline_s": self._load.deadline_s,
            "failovers": self._failovers,
            "nothing": self._blips,
            "command": self._command.as_json() if self._command else None,
        }
        write_json(self.directory / CAMPAIGN, self._described.campaign_json(outcome))

    def _write_manifest(self, entry: Entry) -> None:
        of_command = entry.of_command or (entry.waits and self._command is not None)
        here = "failover" if self._trouble.failovers else "outage"
        kind = "command" if of_command else "calm" if entry.waits else here
        manifest = self._described.manifest_json(entry.number, kind, self._load, self._members)
        write_json(entry.directory / MANIFEST, manifest)


def clock() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")
