"""A Celery application: each call hands a task to a worker, whose broker and result backend are the Redis under test.

It speaks docs/client-contract.md, as every client does. Its worker is a process of its own. What the worker begins and
has done it tells at once and past Redis, so that the count does not depend on what Redis forgets. At the end the broker
is asked which tasks still wait in it.
"""

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from select import poll
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
"""What the worker finds in its environment: where it connects, and the descriptors to which it tells things."""
READY_S = 40.0
DRAIN_S, LOOK_S = 3.0, 0.1
"""How long tasks may still be done at the end before they count as stuck, and how often that is looked at."""
QUEUE, UNACKED = "celery", "unacked"
"""Where kombu keeps what waits and what a worker has fetched, after the prefix."""
NONE_WAITS = -1
"""The number in the line that says that the broker was asked, and that all that wait have been told."""


def application(to: Connect) -> celery.Celery:
    """Make Celery as a service's own module does: broker and backend are given, and all else is its defaults.

    Its keys begin with the client's prefix, so that several of these clients stay apart.
    """
    (host, port), accesses = split_address(to.address), Accesses.from_environment()
    redis = accesses.redis
    user = f"{quote(redis.user, '')}:{quote(redis.password, '')}@" if redis.user or redis.password else ""
    scheme = "sentinel" if to.via_sentinel else "redis" if redis.tls is None else "rediss"
    url = f"{scheme}://{user}{f'[{host}]' if ':' in host else host}:{port}/{to.database}"
    options: dict[str, Any] = {"global_keyprefix": to.prefix}
    if to.via_sentinel:
        asking = {**login(accesses.sentinel), "ssl": accesses.sentinel.tls is not None}
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
    )
    app.task(name="count")(count)
    return app


def count(number: int) -> int:
    """The task. It does nothing but tell, so that its begin and its end lie together."""
    for state in ("begun", "done"):
        Says(int(os.environ[TELLS]))({"task": number, "state": state})
    return number


def celery_client(to: Connect, tell: Says) -> Ready:
    app = application(to)
    _start_worker(to, tell)
    task = app.tasks["count"]

    def write(key: str, _value: str, _ttl_ms: int) -> None:
        task.apply_async((int(key.rpartition(":")[2]),), task_id=key)

    def close() -> None:
        for number in _waiting(app, to.prefix):
            tell({"task": number, "state": "waiting"})
        tell({"task": NONE_WAITS, "state": "looked"})

    with app.connection_for_write() as connection:
        channel = connection.default_channel
        waits = {name: getattr(channel, name) for name in ("socket_timeout", "socket_connect_timeout")}
    conf = app.conf
    settings = {
        **{name: None if value is None else f"{value:g} s" for name, value in waits.items()},
        "redis_socket_timeout": f"{conf.redis_socket_timeout:g} s",
        "task_publish_retry_policy.max_retries": str(conf.task_publish_retry_policy["max_retries"]),
        "task_acks_late": "yes" if conf.task_acks_late else "no",
    }
    return Ready(library="celery", version=celery.__version__, settings=settings, write=write, close=close)


def _start_worker(to: Connect, tell: Says) -> None:
    """Start the worker, and wait until it takes tasks. It ends with this process. Raises TimeoutError."""
    heard, told = os.pipe()
    asked = json.dumps({name: getattr(to, name) for name in Connect.__slots__})
    subprocess.Popen(
        [sys.executable, "-m", "chaos.client.celery_client", WORKER],
        env=os.environ | {TO: asked, TELLS: str(tell.fd), IS_READY: str(told)},
        stdin=subprocess.DEVNULL,
        pass_fds=(tell.fd, told),
        preexec_fn=die_with_parent,
    )
    os.close(told)
    waiting = poll()
    waiting.register(heard)
    if not waiting.poll(READY_S * 1000) or not os.read(heard, 1):
        raise TimeoutError(f"the Celery worker ended, or took no task within {READY_S:g} s")
    os.close(heard)


def _waiting(app: celery.Celery, prefix: str) -> list[int]:
    """The tasks that the broker still has, when those that were handed over last have had time to be done."""
    with app.connection_for_read() as connection:
        client, limit = connection.default_channel.client, monotonic() + DRAIN_S
        while found := list(_numbers(client, prefix)):
            if monotonic() > limit:
                return found
            poll().poll(LOOK_S * 1000)
    return []


def _numbers(client: Any, prefix: str) -> Iterator[int]:  # noqa: ANN401  kombu's client of Redis
    queued = [json.loads(text) for text in client.lrange(f"{prefix}{QUEUE}", 0, -1)]
    fetched = [json.loads(text)[0] for text in client.hvals(f"{prefix}{UNACKED}")]
    for message in (*queued, *fetched):
        yield int(message["headers"]["id"].rpartition(":")[2])


def work() -> None:
    """Be the worker, as Celery's own command line starts one, with one process for its tasks."""

    def ready(**_: object) -> None:
        os.write(int(os.environ[IS_READY]), b"+")

    worker_ready.connect(ready, weak=False)
    app = application(Connect(**json.loads(os.environ[TO])))
    app.worker_main(["--quiet", WORKER, "--concurrency=1", "--loglevel=WARNING"])


if __name__ == "__main__":
    if sys.argv[1:] == [WORKER]:
        work()
    else:
        run(celery_client)
