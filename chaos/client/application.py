"""Has an application client make calls, and records what they met. The client is a process of its own, in any language.

A meter measures the service. An application client shows what an application sees of it: what its library retries, and
how long a call blocks. It works in a closed loop. docs/client-contract.md says what is written to the client and read
from it. Run this as `python -m chaos.client.application`, with its job on the first line of standard input. It ends
when standard input ends.
"""

import json
import math
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from chaos.client.outcome import OK, Decision, of_reply
from chaos.client.spec import READY, STOP_S, ClientSpec, Job, key_of
from chaos.clock import mono_ns
from chaos.linux import die_with_parent
from chaos.model import ErrorCode, Outcome, RowFlag
from chaos.record.event_files import EventWriter
from chaos.record.events import (
    ApplicationCall,
    ApplicationErrors,
    ApplicationTask,
    ApplicationWorker,
    ConnectionClosed,
    ConnectionOpened,
)
from chaos.record.layout import NOBODY, Row
from chaos.record.ops_files import RowWriter, ops_header

CONTRACT = 1
"""The version of docs/client-contract.md."""
LONG_NS = 1_000_000_000
"""A call that takes longer than this is an event of its own."""
READY_NS = 45 * 10**9
"""How long a client may take until it is ready."""
LONGEST_LINE, LONGEST_HOW = 1 << 16, 200
CHUNK = 1 << 16
CODES = {code.words: code for code in ErrorCode}
CONNECTIONS: dict[str, type[ConnectionOpened | ConnectionClosed]] = {
    "opened": ConnectionOpened,
    "closed": ConnectionClosed,
}
OURS = dict.fromkeys(("celery", "celery-bounded"), "chaos.client.celery_client")
"""Maps each library that is not in `chaos.client.libraries` to its program."""


class ClientError(Exception):
    """The client cannot go on: it ended, or it does not keep to the contract. The text says which."""


def command_of(spec: ClientSpec) -> Sequence[str]:
    """Return the client's command: the user's own, or a program of ours with the name of the library or function."""
    if spec.command:
        return spec.command
    return [sys.executable, "-m", OURS.get(spec.library, "chaos.client.libraries"), spec.client or spec.library]


class Conversation:
    """The lines that this process and the client's process exchange."""

    def __init__(self, spec: ClientSpec) -> None:
        """Start the client. Raises ClientError if that cannot be done."""
        paths = os.pathsep.join(dict.fromkeys((spec.folder, spec.started_in)))
        try:
            self._client = subprocess.Popen(
                command_of(spec),
                cwd=spec.folder or None,
                env=os.environ | {"FAILOVER_CLIENT_PATH": paths},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                process_group=0,
                bufsize=0,
                preexec_fn=die_with_parent,
            )
        except OSError as error:
            raise ClientError(f"it cannot be started: {error}") from error
        assert self._client.stdin is not None
        assert self._client.stdout is not None
        self._stdin, self._stdout = self._client.stdin, self._client.stdout.fileno()
        self._rest = b""
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)
        self._poll.register(self._stdout, select.POLLIN)
        self.stopped_ns: int | None = None
        """When our own input ended, which tells us to stop, or None."""

    def say(self, line: dict[str, Any]) -> None:
        try:
            self._stdin.write(json.dumps(line).encode() + b"\n")
        except BrokenPipeError:
            raise ClientError(self._ended()) from None

    def hear(self, until_ns: int) -> Iterator[dict[str, Any]]:
        """Yield what the client says until `until_ns`. Stop earlier once it has said something.

        Raises ClientError if the client ended, or does not keep to the contract.
        """
        wait_ms = max(0, math.ceil((until_ns - mono_ns()) / 1e6))
        for fd, _ in self._poll.poll(wait_ms):
            if fd == 0:
                if not os.read(0, CHUNK):
                    self.stopped_ns = mono_ns()
                    self._poll.unregister(0)
                continue
            data = os.read(fd, CHUNK)
            if not data:
                raise ClientError(self._ended())
            *lines, self._rest = (self._rest + data).split(b"\n")
            if len(self._rest) > LONGEST_LINE:
                raise ClientError("it wrote a line without an end")
            yield from map(parsed, lines)

    def leave(self) -> None:
        """End the client's input, which tells it that no more requests come."""
        self._stdin.close()

    def rest(self, limit_ns: int) -> Iterator[dict[str, Any]]:
        """Yield what the client still says until it has ended by itself, or until `limit_ns`."""
        with suppress(ClientError):  # which is raised when its output ends
            while mono_ns() < limit_ns:
                yield from self.hear(limit_ns)

    def kill(self) -> None:
        """Kill the client and its children if they still run."""
        self._stdin.close()
        with suppress(ProcessLookupError):
            os.killpg(self._client.pid, signal.SIGKILL)
        self._client.wait(timeout=STOP_S)

    def _ended(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._client.wait(timeout=1)
        code = self._client.returncode
        how = "closing its output" if code is None else f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        return f"it ended by itself with {how}"


def parsed(line: bytes) -> dict[str, Any]:
    """Return one line of the client. Raises ClientError if it is not a JSON object."""
    with suppress(ValueError):
        found = json.loads(line)
        if isinstance(found, dict):
            return found
    raise ClientError(f"it wrote a line that is no JSON object: {line[:80].decode(errors='replace')}")


class Application:
    """One application client, and the record of its calls."""

    def __init__(self, job: Job, client: Conversation, events: EventWriter) -> None:
        self._job = job
        self._client = client
        self._events = events
        self._record: RowWriter | None = None
        self._seq = job.first_seq
        self._connections = 0
        self._opened = False
        self._answer: dict[str, Any] | None = None
        self._errors: dict[str, int] = {}
        self._told_ns = 0
        self._value = "x" * job.load.value_bytes

    def begin(self) -> None:
        """Tell the client where to connect, wait until it is ready, and begin the record with what it says of itself.

        Raises ClientError if the client does not become ready.
        """
        job, limit_ns = self._job, mono_ns() + READY_NS
        self._client.say(
            {
                "do": "connect",
                "contract": CONTRACT,
                "address": job.connect,
                "via_sentinel": job.spec.via_sentinel,
                "master": job.load.master,
                "database": job.load.database,
                "prefix": key_of(job.load, job.spec.number, 0).removesuffix("0"),
            }
        )
        while self._answer is None:
            if self._client.stopped_ns or mono_ns() > limit_ns:
                raise ClientError("it was not ready when it was told to stop, or after 45 s")
            self._hear(limit_ns)
        if "library" not in self._answer:
            raise ClientError(f"it is not ready: {str(self._answer.get('error', self._answer))[:80]}")
        self._record = RowWriter(job.rows_path, ops_header(job.domain, [described(job.spec, self._answer)]))
        self._answer = None

    def run(self) -> bool:
        """Call at the client's rate until the stop. Return whether the last call ended.

        After a call that took longer than a period, the next one begins at once. A call that blocks at the stop has
        STOP_S more. If it does not end, its row stays in flight.
        """
        period_ns = round(1e9 / self._job.spec.rate_hz)
        due_ns = mono_ns()
        while self._client.stopped_ns is None:
            if (now_ns := mono_ns()) < due_ns:
                self._hear(due_ns)
                if self._answer is not None:
                    raise ClientError(f"it answered without being asked: {str(self._answer)[:80]}")
            elif self.call(now_ns):
                due_ns = max(due_ns + period_ns, mono_ns())
            else:
                return False
        return True

    def call(self, begun_ns: int) -> bool:
        """Let the client write one key, for as long as that takes. Return False if the call never ended.

        Every call is a row.
        """
        job, seq = self._job, self._seq
        self._seq += 1
        self._opened, self._answer = False, None
        row = Row(job.spec.number, self._number(), seq, begun_ns, 1, 0, Outcome.IN_FLIGHT, 0, NOBODY, job.target, 0)
        slot = self._rows.put(row)
        request = {"do": "write", "key": key_of(job.load, job.spec.number, seq), "value": self._value}
        try:
            self._client.say(request | {"ttl_ms": job.load.ttl_s * 1000})
            while self._answer is None:
                if self._client.stopped_ns is not None:
                    self._client.leave()
                    if mono_ns() >= self._limit_ns():
                        return False
                self._hear(self._limit_ns())
            decision = self._decision(self._answer)
        except ClientError:
            self._decided(slot, begun_ns, Decision(Outcome.UNKNOWN, ErrorCode.CLOSED))
            raise
        self._decided(slot, begun_ns, decision)
        self._answer = None
        return True

    def end(self) -> None:
        """Let the client end, and record what it still says of its tasks."""
        self._client.leave()
        for line in self._client.rest(self._limit_ns()):
            self._take(line)

    def close(self) -> None:
        """Close the record."""
        if self._errors:
            self._tell_errors()
        if self._record is not None:
            self._record.close()

    @property
    def _rows(self) -> RowWriter:
        assert self._record is not None, "begin comes first"
        return self._record

    def _limit_ns(self) -> int:
        """Return the end of the next wait for the client: a second from now, or STOP_S after the stop."""
        stopped_ns = self._client.stopped_ns
        return mono_ns() + LONG_NS if stopped_ns is None else stopped_ns + round(STOP_S * 1e9)

    def _hear(self, until_ns: int) -> None:
        for line in self._client.hear(until_ns):
            self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        number = self._job.spec.number
        if kind := CONNECTIONS.get(str(line.get("connection"))):
            if kind is ConnectionOpened:
                self._connections += 1
                self._opened = True
            connection = self._number()
            event = kind(client=number, connection=connection, target=self._job.target, node=None, because="")
            self._events.write(event)
        elif "task" in line:
            self._events.write(ApplicationTask(client=number, task=int(line["task"]), state=str(line.get("state"))))
        elif "worker" in line:
            self._events.write(ApplicationWorker(client=number, how=str(line["worker"])[:LONGEST_HOW]))
        elif self._answer is None:
            self._answer = line
        else:
            raise ClientError("it answered twice")

    def _decision(self, answer: dict[str, Any]) -> Decision:
        """Return what an answer decides.

        The outcome of a failed call is unknown, since one of its attempts may have been applied.
        """
        if answer.get("ok") is True:
            return OK
        if "error" not in answer:
            raise ClientError(f"its answer is neither ok nor an error: {str(answer)[:80]}")
        text = str(answer["error"])
        named = str(answer.get("code", ""))
        if named and named not in CODES:
            raise ClientError(f'"{named[:40]}" is no code; there are {", ".join(CODES)}')
        name = text.split()[0][:40] if text else "no name"
        self._errors[name] = self._errors.get(name, 0) + 1
        if self._errors[name] == 1 or mono_ns() - self._told_ns > LONG_NS:
            self._tell_errors()
        return Decision(Outcome.UNKNOWN, CODES[named] if named else of_reply(text).error)

    def _tell_errors(self) -> None:
        self._told_ns = mono_ns()
        self._events.write(ApplicationErrors(client=self._job.spec.number, counts=dict(self._errors)))

    def _decided(self, slot: int, begun_ns: int, decision: Decision) -> None:
        now_ns = mono_ns()
        self._rows.ask(slot, self._number(), self._job.target, RowFlag.OPENED if self._opened else 0)
        self._rows.finish(slot, (now_ns - begun_ns) // 1000, decision.outcome, decision.error, NOBODY)
        if now_ns - begun_ns > LONG_NS:
            blocked_s = (now_ns - begun_ns) / 1e9
            event = ApplicationCall(client=self._job.spec.number, blocked_s=blocked_s, error=decision.error.name)
            self._events.write(event, at_ns=now_ns, since_ns=begun_ns)

    def _number(self) -> int:
        """Return the number of the connection that was opened last, counted from 0."""
        return max(0, self._connections - 1) & 0xFFFF


def described(spec: ClientSpec, answer: dict[str, Any]) -> dict[str, Any]:
    """Return what the record says of the client: its plan, and what it says of itself.

    `library` is as in `redis-py-pool 8.1.0, socket_timeout 5 s, retries 1`.
    """
    told = answer.get("settings", {})
    settings = {str(name): None if value is None else str(value) for name, value in told.items()}
    name = spec.library or spec.client or str(answer["library"])
    words = [f"{name} {answer.get('version', '')}".strip()]
    words += [f"{setting} {'none' if value is None else value}" for setting, value in settings.items()]
    return asdict(spec) | {"library": ", ".join(words), "settings": settings}


def main() -> int:
    die_with_parent()
    job = Job.loads(os.read(0, CHUNK).decode())
    events, client, application = EventWriter(job.events_path, job.domain), None, None
    try:
        client = Conversation(job.spec)
        application = Application(job, client, events)
        application.begin()
        print(READY, flush=True)  # noqa: T201  to the agent
        if application.run():
            application.end()
    except ClientError as error:
        print(error, file=sys.stderr)  # noqa: T201  to the agent, which writes it down
        return 1
    finally:
        if application is not None:
            application.close()
        if client is not None:
            client.kill()
        events.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
