"""An application client: redis-py as the system's users run it, in a process of its own. No other file imports redis.

A meter measures the service, and this measures what an application sees of it: what its library retries, and how long a
call blocks. It works in a closed loop. Run it as `python -m chaos.client.application`, with its job on the first line
of standard input. It ends when standard input does.
"""

import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import redis
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelManagedConnection

from chaos.access import Access, Accesses
from chaos.client.bench import ops_header
from chaos.client.outcome import OK, Decision, of_errno, of_reply, of_tls
from chaos.client.process import STOP_S, Job
from chaos.client.spec import key_of
from chaos.clock import mono_ns
from chaos.linux import die_with_parent
from chaos.model import ErrorCode, Outcome, RowFlag, split_address
from chaos.record.event_files import EventWriter
from chaos.record.events import ApplicationCall, ConnectionClosed, ConnectionOpened
from chaos.record.layout import NOBODY, Row
from chaos.record.ops_files import RowWriter

LONG_NS = 1_000_000_000
"""A call that took longer than this is an event of its own."""

Said = Callable[[type[ConnectionOpened | ConnectionClosed]], None]


class Connection(redis.Connection):
    """redis-py's own connection, which also tells when it was opened and closed."""

    def __init__(self, said: Said, **arguments: Any) -> None:  # noqa: ANN401  redis-py's arguments, passed on
        super().__init__(**arguments)  # type: ignore[no-untyped-call]
        self._said = said
        self.register_connect_callback(self._was_opened)  # type: ignore[no-untyped-call]

    def _was_opened(self, _: redis.Connection) -> None:
        self._said(ConnectionOpened)

    def disconnect(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401
        was_open = self.is_connected
        super().disconnect(*arguments, **named)  # type: ignore[no-untyped-call]
        if was_open:
            self._said(ConnectionClosed)


class SentinelConnection(SentinelManagedConnection, Connection):
    """The same for a client that asks Sentinel for the master whenever it connects."""


class SecureConnection(Connection, redis.SSLConnection):
    """The same over TLS."""


class SecureSentinelConnection(SentinelManagedConnection, SecureConnection):
    """The same over TLS, for a client that asks Sentinel."""


def login(access: Access) -> dict[str, str | bool]:
    """The arguments of redis-py for a login and for the files of TLS.

    redis-py can check a certificate for no other name than that of the host. Where another one is expected, its users
    have the name unchecked, and so it is here. The authority is checked all the same.
    """
    said = {"username": access.user, "password": access.password}
    if (tls := access.tls) is not None:
        said |= {"ssl_ca_certs": tls.ca, "ssl_certfile": tls.certificate, "ssl_keyfile": tls.key}
    given: dict[str, str | bool] = {name: value for name, value in said.items() if value}
    return given | ({"ssl_check_hostname": not tls.server_name} if tls is not None else {})


def redis_py_pool(job: Job, said: Said) -> redis.Redis:
    """Make a client as target systems configure it. All other settings are the library's defaults, retries included.

    If the client asks Sentinel, it is the library's own client of Sentinel, which gets Sentinel's Service as the one
    Sentinel that it knows.
    """
    accesses = Accesses.from_environment()
    secure = accesses.redis.tls is not None
    usual: dict[str, Any] = {
        **login(accesses.redis),
        "said": said,
        "max_connections": 20,
        "retry_on_timeout": True,
        "socket_keepalive": True,
        "health_check_interval": 30,
    }
    database, (host, port) = job.load.database, split_address(job.connect)
    if job.spec.via_sentinel:
        asking = {"socket_keepalive": True, "ssl": accesses.sentinel.tls is not None, **login(accesses.sentinel)}
        known = Sentinel([(host, port)], sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
        through = SecureSentinelConnection if secure else SentinelConnection
        client: redis.Redis = known.master_for(  # type: ignore[no-untyped-call]
            job.load.master, connection_class=through, db=database, **usual
        )
        return client
    kind = SecureConnection if secure else Connection
    pool = redis.ConnectionPool(connection_class=kind, host=host, port=port, db=database, **usual)
    return redis.Redis(connection_pool=pool)


LIBRARIES = {"redis-py-pool": redis_py_pool}


def time_outs(client: redis.Redis) -> str:
    """Name the time-outs of a client's connections, as in `socket_timeout 5 s, socket_connect_timeout none`.

    Versions of redis-py differ in their defaults, and 8 was the first to have any.
    """
    pool = client.connection_pool
    connection = pool.connection_class(**pool.connection_kwargs)  # nothing is connected yet
    values = {name: getattr(connection, name) for name in ("socket_timeout", "socket_connect_timeout")}
    return ", ".join(f"{name} {'none' if value is None else f'{value:g} s'}" for name, value in values.items())


class Application:
    """One application client, and its record."""

    def __init__(self, job: Job, rows: RowWriter, events: EventWriter) -> None:
        self._job = job
        self._rows = rows
        self._events = events
        self._seq = job.first_seq
        self._connections = 0
        self._opened = False
        self._value = b"x" * job.load.value_bytes
        self._redis = LIBRARIES[job.spec.library](job, self._said)

    def run(self, stop: threading.Event) -> None:
        """Call at the client's rate until `stop`. After a call that took longer, the next begins at once."""
        period_ns = round(1e9 / self._job.spec.rate_hz)
        due_ns = mono_ns()
        while not stop.wait(max(0, due_ns - mono_ns()) / 1e9):
            self.call()
            due_ns = max(due_ns + period_ns, mono_ns())

    def call(self) -> None:
        """Write one key, for as long as the library takes. Every call is a row."""
        job, seq, begun_ns = self._job, self._seq, mono_ns()
        self._seq += 1
        self._opened = False
        row = Row(job.spec.number, self._number(), seq, begun_ns, 1, 0, Outcome.IN_FLIGHT, 0, NOBODY, job.target, 0)
        slot = self._rows.put(row)
        try:
            self._redis.set(key_of(job.load, job.spec.number, seq), self._value, px=job.load.ttl_s * 1000)
            decision = OK
        except (redis.RedisError, OSError) as error:
            decision = Decision(Outcome.UNKNOWN, code_of(error))
        self._decided(slot, begun_ns, decision)

    def _decided(self, slot: int, begun_ns: int, decision: Decision) -> None:
        now_ns = mono_ns()
        self._rows.ask(slot, self._number(), self._job.target, RowFlag.OPENED if self._opened else 0)
        self._rows.finish(slot, (now_ns - begun_ns) // 1000, decision.outcome, decision.error, NOBODY)
        if now_ns - begun_ns > LONG_NS:
            blocked_s = (now_ns - begun_ns) / 1e9
            event = ApplicationCall(client=self._job.spec.number, blocked_s=blocked_s, error=decision.error.name)
            self._events.write(event, at_ns=now_ns, since_ns=begun_ns)

    def _number(self) -> int:
        """The number of the connection that was opened last, counted from 0."""
        return max(0, self._connections - 1) & 0xFFFF

    def _said(self, kind: type[ConnectionOpened | ConnectionClosed]) -> None:
        if kind is ConnectionOpened:
            self._connections += 1
            self._opened = True
        number, connection = self._job.spec.number, self._number()
        self._events.write(kind(client=number, connection=connection, target=self._job.target, node=None, because=""))


REPLIES = {
    redis.ReadOnlyError: ErrorCode.READONLY,
    redis.BusyLoadingError: ErrorCode.LOADING,
    redis.exceptions.MasterDownError: ErrorCode.MASTERDOWN,
    redis.AuthenticationError: ErrorCode.AUTH,
    redis.exceptions.NoPermissionError: ErrorCode.AUTH,
}
"""The error replies that redis-py turns into classes, without the first word of the reply."""


def code_of(error: BaseException) -> ErrorCode:
    """Return why the last attempt of a call failed.

    The outcome of a failed call is unknown whatever its code, because an attempt that the library made before the last
    one may have been applied.
    """
    if isinstance(error, MasterNotFoundError):  # Sentinel's error follows a colon; without one, none knew the name
        return ErrorCode.DISCOVERY_FAILED if " : " in str(error) else ErrorCode.NO_MASTER
    for kind, code in REPLIES.items():
        if isinstance(error, kind):
            return code
    if isinstance(error, redis.TimeoutError):
        return ErrorCode.CONNECT_TIMEOUT if "connect" in str(error) else ErrorCode.REPLY_TIMEOUT
    if isinstance(error, redis.ResponseError):
        return of_reply(str(error)).error
    return _code_of_cause(error)


def _code_of_cause(error: BaseException) -> ErrorCode:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, socket.gaierror):
        return ErrorCode.NAME_NOT_FOUND
    if isinstance(cause, ssl.SSLError):
        return of_tls(cause)
    if isinstance(cause, OSError) and cause.errno:
        return of_errno(cause.errno)
    return ErrorCode.CLOSED if "closed" in str(error).lower() else ErrorCode.OTHER


def end_with_input(stop: threading.Event, ended: threading.Event) -> None:
    """Set `stop` when the input ends, and end the process if a call still blocks then. It runs in its own thread."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    stop.set()
    if not ended.wait(STOP_S):
        os._exit(0)  # all rows are in the kernel already, and that of the blocked call stays in flight


def main() -> None:
    die_with_parent()
    job = Job.loads(sys.stdin.readline())
    told = f"{job.spec.library} {redis.__version__}"
    if job.spec.library in LIBRARIES:  # with another library, Application raises below, when its record is begun
        told += f", {time_outs(LIBRARIES[job.spec.library](job, lambda _: None))}"
    client = asdict(job.spec) | {"library": told}
    rows = RowWriter(job.rows_path, ops_header(job.domain, [client]))
    events = EventWriter(job.events_path, job.domain)
    stop, ended = threading.Event(), threading.Event()
    threading.Thread(target=end_with_input, args=(stop, ended), daemon=True).start()
    Application(job, rows, events).run(stop)
    ended.set()
    rows.close()
    events.close()


if __name__ == "__main__":
    main()
