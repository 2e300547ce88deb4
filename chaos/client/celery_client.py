"""A Celery application: each call hands a task to a worker, whose broker and result backend are the Redis under test.

It keeps to docs/client-contract.md, as every client does. Its worker is a process of its own. The worker reports at
once which task it begins and has done, and does so past Redis, so that the count does not depend on what Redis forgets.
The end of the worker is reported, too. At the end, Redis itself is asked which tasks still wait in the broker and which
have a result. That uses a connection of its own, which is not held up by a call that hangs.
"""

import json
import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from select import poll
from threading import Thread
from time import monotonic
from typing import Any
from urllib.parse import quote

import celery
from celery.signals import worker_ready

from chaos.access import Accesses
from chaos.client.contract import Connect, Ready, Says, run
from chaos.client.libraries import login
from chaos.linux import die_with_parent
from chaos.model import split_address

WORKER = "worker"
TO, TELLS, IS_READY = "FAILOVER_CELERY", "FAILOVER_CELERY_TELLS", "FAILOVER_CELERY_READY"
"""The worker's environment variables: where it connects, and the descriptors to which it writes its reports."""
READY_S = 40.0
DRAIN_S, LOOK_S = 3.0, 0.1
"""How many seconds tasks have at the end before they count as stuck, and how often that is checked."""
QUEUE, UNACKED, RESULT = "celery", "unacked", "celery-task-meta-"
"""Redis keys, after the prefix: kombu's tasks that wait and that were fetched, and Celery's results by task id."""
SUCCESS, BATCH = "SUCCESS", 500
NONE_WAITS = -1
"""The task number in the line that says that Redis was asked, and that all of its answer was told."""
BOUNDED = "celery-bounded"
"""The name of Celery with settings that bring it back by itself. `celery` has Celery's defaults."""
BOUNDS: dict[str, Any] = {"socket_connect_timeout": 1, "socket_timeout": 5}
"""Time-outs in seconds.

Without them, a call and a worker wait for an address that is gone for as long as the kernel does.
"""
BOUNDED_CONF = {
    **{f"redis_{name}": seconds for name, seconds in BOUNDS.items()},
    "broker_channel_error_retry": True,
    "broker_connection_max_retries": None,
}
"""With `broker_channel_error_retry`, READONLY makes a worker connect again. Otherwise READONLY ends it."""
DIED, ERROR = b"Unrecoverable error: ", re.compile(rb"(?:\w+\.)*(\w+(?:Error|Exception): .*)")
"""What Celery writes before the error that ends its worker, and a pattern for the line that has the error."""


def application(to: Connect, named: str = "celery") -> celery.Celery:
    """Return Celery as a service's own module makes it: with broker and backend, and defaults for all else.

    Its keys begin with the client's prefix, so that several of these clients stay apart.
    """
    (host, port), accesses = split_address(to.address), Accesses.from_environment()
    redis = accesses.redis
    user = f"{quote(redis.user, '')}:{quote(redis.password, '')}@" if redis.user or redis.password else ""
    scheme = "sentinel" if to.via_sentinel else "redis" if redis.tls is None else "rediss"
    url = f"{scheme}://{user}{f'[{host}]' if ':' in host else host}:{port}/{to.database}"
    options: dict[str, Any] = {"global_keyprefix": to.prefix, **(BOUNDS if named == BOUNDED else {})}
    if to.via_sentinel:
        asking = {**login(accesses.sentinel), "ssl": accesses.sentinel.tls is not None}
        asking |= BOUNDS if named == BOUNDED else {}
        options |= {"master_name": to.master, "sentinel_kwargs": asking}
    app = celery.Celery("failover", broker=url, backend=url)
    secure = {name: value for name, value in login(redis).items() if name.startswith("ssl_")}
    if secure:
        app.conf.update(
            broker_use_ssl=secure | {"ssl_cert_reqs": ssl.CERT_REQUIRED},
            redis_backend_use_ssl=secure | {"ssl_cert_reqs": ssl.CERT_REQUIRED},
        )
    app.conf.update(
        broker_transport_options=options,
        result_backend_transport_options=options,
        broker_connection_retry_on_startup=True,
        **(BOUNDED_CONF if named == BOUNDED else {}),
    )
    app.task(name="count")(count)
    return app


def count(number: int) -> int:
    """Do the task, which only reports its begin and its end, so that these lie close together."""
    for state in ("begun", "done"):
        Says(int(os.environ[TELLS]))({"task": number, "state": state})
    return number


def celery_client(named: str, to: Connect, tell: Says) -> Ready:
    app = application(to, named)
    _start_worker(to, named, tell)
    asked: list[str] = []
    looking = Thread(target=_look_at_the_end, args=(to, asked, tell), daemon=True)
    looking.start()
    task = app.tasks["count"]

    def write(key: str, _value: str, _ttl_ms: int) -> None:
        asked.append(key)
        task.apply_async((_number(key),), task_id=key)

    with app.connection_for_write() as connection:
        channel = connection.default_channel
        waits = {name: getattr(channel, name) for name in ("socket_timeout", "socket_connect_timeout")}
        visible = channel.visibility_timeout
    conf = app.conf
    settings = {
        **{name: None if value is None else f"{value:g} s" for name, value in waits.items()},
        "redis_socket_timeout": f"{conf.redis_socket_timeout:g} s",
        "task_publish_retry_policy.max_retries": str(conf.task_publish_retry_policy["max_retries"]),
        "broker_channel_error_retry": "yes" if conf.broker_channel_error_retry else "no",
        "task_acks_late": "yes" if conf.task_acks_late else "no",
        "visibility_timeout": f"{visible:g} s",
    }
    return Ready(library="celery", version=celery.__version__, settings=settings, write=write, close=looking.join)


def _start_worker(to: Connect, named: str, tell: Says) -> None:
    """Start the worker, which ends with this process, and wait until it takes tasks. Raises TimeoutError."""
    heard, told = os.pipe()
    asked = json.dumps({name: getattr(to, name) for name in Connect.__slots__})
    worker = subprocess.Popen(
        [sys.executable, "-m", "chaos.client.celery_client", WORKER, named],
        env=os.environ | {TO: asked, TELLS: str(tell.fd), IS_READY: str(told)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=(tell.fd, told),
        preexec_fn=die_with_parent,
    )
    os.close(told)
    Thread(target=_follow, args=(worker, tell), daemon=True).start()
    waiting = poll()
    waiting.register(heard)
    if not waiting.poll(READY_S * 1000) or not os.read(heard, 1):
        raise TimeoutError(f"the Celery worker ended, or took no task within {READY_S:g} s")
    os.close(heard)


def _follow(worker: "subprocess.Popen[bytes]", tell: Says) -> None:
    """Pass on what the worker writes, and report how it ended."""
    assert worker.stderr is not None
    died, why = False, ""
    for line in worker.stderr:
        sys.stderr.buffer.write(line)
        sys.stderr.flush()
        died = died or DIED in line
        if died and (error := ERROR.match(line)):
            why = error[1].decode(errors="replace")  # the last of several errors is the one that was raised
    code = worker.wait()
    how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
    tell({"worker": why or how})


def _look_at_the_end(to: Connect, asked: list[str], tell: Says) -> None:
    """Report what Redis has of the tasks once standard input has ended, even while a call still hangs.

    Redis is read past Celery: the lists of the broker, and the keys of the results.
    """
    ends = poll()
    ends.register(0, 0)  # only the end of the input is reported
    ends.poll()
    with application(to, BOUNDED).connection_for_read() as connection:
        connection.ensure_connection(max_retries=2, interval_start=LOOK_S)
        client = connection.default_channel.client
        for number in _waiting(client, to.prefix):
            tell({"task": number, "state": "waiting"})
        for at in range(0, len(asked), BATCH):
            keys = asked[at : at + BATCH]
            for key, value in zip(keys, client.mget([f"{to.prefix}{RESULT}{key}" for key in keys]), strict=True):
                if value and json.loads(value)["status"] == SUCCESS:
                    tell({"task": _number(key), "state": "result"})
    tell({"task": NONE_WAITS, "state": "looked"})


def _waiting(client: Any, prefix: str) -> list[int]:  # noqa: ANN401  kombu's client of Redis
    """Return the tasks that the broker still has after the last ones have had time to be done."""
    limit = monotonic() + DRAIN_S
    while found := list(_numbers(client, prefix)):
        if monotonic() > limit:
            return found
        poll().poll(LOOK_S * 1000)
    return []


def _numbers(client: Any, prefix: str) -> Iterator[int]:  # noqa: ANN401  kombu's client of Redis
    queued = [json.loads(text) for text in client.lrange(f"{prefix}{QUEUE}", 0, -1)]
    fetched = [json.loads(text)[0] for text in client.hvals(f"{prefix}{UNACKED}")]
    for message in (*queued, *fetched):
        yield _number(message["headers"]["id"])


def _number(task: str) -> int:
    """Return the number of the call that handed a task over. The task's id is the call's key, and ends with it."""
    return int(task.rpartition(":")[2])


def work() -> None:
    """Run the worker, as Celery's own command line does, with one process for its tasks."""

    def ready(**_: object) -> None:
        os.write(int(os.environ[IS_READY]), b"+")

    worker_ready.connect(ready, weak=False)
    app = application(Connect(**json.loads(os.environ[TO])), sys.argv[2])
    app.worker_main(["--quiet", WORKER, "--concurrency=1", "--loglevel=WARNING"])


if __name__ == "__main__":
    if sys.argv[1] == WORKER:
        work()
    else:
        run(partial(celery_client, sys.argv[1]))
