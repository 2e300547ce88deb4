"""Rules about applications that were out or late, their settings, and names that did not resolve."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from chaos.analysis.applications import hung_s
from chaos.analysis.history import host
from chaos.analysis.interval import Interval
from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding, PathResult
from chaos.analysis.wording import plural, seconds, seconds_text
from chaos.model import ErrorCode
from chaos.record.events import Resolved

LEAST_S = 1.0
"""A name that does not resolve for a shorter time than this, in seconds, has a record that is just being changed."""
HUNG_S = 10.0
"""A call that is still under way after this many seconds has no time-out, since nobody sets a longer one."""
LATE_S = 1.0
"""An application that is back this many seconds later than its address is late because of its own settings."""


@dataclass(frozen=True, slots=True)
class Words:
    """How a library's time-outs and retries are set, in the library's own words.

    `{n}` stands for the number of retries.
    """

    waits: str
    retries: str


POOL = Words(
    "socket_connect_timeout=1, socket_timeout=1",
    "Have the library try until the outage is over: retry=Retry(ExponentialBackoff(cap=1, base=0.1), {n}), "
    "retry_on_error=[ConnectionError, TimeoutError, ReadOnlyError].",
)
WORDS = {
    "redis-py": POOL,
    "valkey-py": POOL,
    "valkey-glide": Words(
        "request_timeout",
        "Try again in the application until the outage is over: GLIDE itself tries again to connect alone.",
    ),
    "celery": Words(
        'broker_transport_options={{"socket_connect_timeout": 1, "socket_timeout": 5}}, and the same '
        "as redis_socket_connect_timeout and redis_socket_timeout for the results",
        'Have it try until the outage is over: task_publish_retry_policy={{"max_retries": {n}, "interval_max": 1}}.',
    ),
}
"""Maps the beginning of a library's name to its words."""
ANY = Words(
    "a time-out for connecting and one for replies",
    "Try again until the outage is over: {n} times, about a second apart.",
)


def words_of(path: PathResult, over_s: float = 0.0) -> Words:
    """Return the words of a path's library, with enough retries to carry a call over an outage of `over_s` seconds.

    With a back-off that doubles from 0.1 s up to 1 s, the first four retries take 1.5 s, and every further one takes a
    second.
    """
    library = path.calls.library if path.calls else path.about
    words = next((words for begin, words in WORDS.items() if library.startswith(begin)), ANY)
    retries = 4 + max(0, math.ceil(over_s - 1.5))
    return Words(words.waits.format(), words.retries.format(n=retries))


def application_stays_out(measured: Measured) -> Iterator[Finding]:
    """Find an application that never wrote again although meters wrote to its address again."""
    back = {path.address for path in measured.working if path.head and path.head.end_s}
    for path in measured.paths.values():
        if not path.application or path.address not in back:
            continue
        under_way_s = hung_s(measured.history, measured.history.clients_by_path[path.name])
        if under_way_s is not None and under_way_s >= HUNG_S:
            yield _hung(measured, path, under_way_s)
        elif path.never_again:
            yield _never_again(path)


def application_came_late(measured: Measured) -> Iterator[Finding]:
    """Find an application that was back later than its address, and name the setting that would have helped."""
    for path, service_s in _beside_its_service(measured):
        back_s, blocked_s = path.recovered_s, path.longest_blocked_s or 0.0
        if back_s is None or back_s.is_open or back_s.least - service_s.most < LATE_S:
            continue
        late_s = back_s.least - service_s.most
        waited = blocked_s >= LATE_S
        words = words_of(path)
        why = f"one call blocked for {seconds(blocked_s, 1)}" if waited else "its calls went on failing"
        yield Finding(
            name="an application came back late",
            sentence=f"{path.name} wrote again {seconds(late_s, 1)} later than {path.address} was back: {why} "
            f"({_settings(path)}).",
            severity="slow" if path.gate else "note",
            since_s=service_s.most,
            until_s=back_s.most,
            rows=(f"{path.name}: back at {seconds_text(back_s)}, {path.address} at {seconds_text(service_s)}",),
            advice=f"Let the calls of {path.name} wait less: {words.waits}."
            if waited
            else f"Have {path.name} connect again when a connection is lost or leads to no master.",
            price="A command that takes longer than its time-out fails, and may have been applied." if waited else "",
        )


def failed_without_a_retry(measured: Measured) -> Iterator[Finding]:
    """Find calls that failed during an outage and would have outlasted it with retries."""
    for path, service_s in _beside_its_service(measured):
        failed = sum(path.calls.classes.values()) if path.calls else 0
        if not failed:
            continue
        kinds = (
            ", ".join(f"{count} {name}" for name, count in list(path.calls.classes.items())[:3]) if path.calls else ""
        )
        yield Finding(
            name="calls that failed",
            sentence=f"{plural(failed, 'call')} of {path.name} failed ({kinds}), while {path.address} was out until "
            f"{seconds(service_s.most, 1)} ({_settings(path)}).",
            severity="note",
            since_s=0.0,
            until_s=service_s.most,
            rows=(f"{path.name}: {kinds}",),
            advice=words_of(path, service_s.most).retries,
            price=f"A call then blocks for up to {seconds(service_s.most, 1)}, and a write may be applied twice.",
        )


def worker_ended(measured: Measured) -> Iterator[Finding]:
    """Find a worker that ended because of the failover, so that its tasks wait until somebody starts it again."""
    for path in measured.paths.values():
        tasks = path.calls.tasks if path.calls else None
        if tasks is None or tasks.ended_s is None:
            continue
        yield Finding(
            name="a worker ended",
            sentence=f"The worker of {path.name} ended at {seconds(tasks.ended_s, 1)} with {tasks.ended}, and "
            f"{plural(tasks.stuck, 'task')} waited at the end ({_settings(path)}).",
            severity="out" if path.gate else "note",
            since_s=tasks.ended_s,
            rows=(f"{path.name}: {tasks.ended}",),
            advice="Set broker_channel_error_retry=True, so that an answer such as READONLY makes the worker connect "
            "again and does not end it, and let a supervisor start a worker that ends.",
        )


def tasks_of_a_worker(measured: Measured) -> Iterator[Finding]:
    """Find tasks that were accepted and never done, or done twice."""
    for path in measured.paths.values():
        tasks = path.calls.tasks if path.calls else None
        if tasks is None or not (tasks.lost or tasks.twice or tasks.stuck):
            continue
        told = ((tasks.lost, "lost"), (tasks.twice, "done twice"), (tasks.stuck, "stuck at the end"))
        said = ", ".join(f"{plural(count, 'task')} {what}" for count, what in told if count)
        price = "A task that a lost worker had begun is then done twice." if tasks.lost else ""
        yield Finding(
            name="tasks of a worker",
            sentence=f"Of {tasks.accepted} tasks that {path.name} handed over: {said} ({_settings(path)}).",
            severity="lost" if tasks.lost else "note",
            since_s=0.0,
            rows=(f"{path.name}: {said}",),
            advice="Set task_acks_late=True, and visibility_timeout in broker_transport_options to somewhat more than "
            "the longest task takes, so that what a lost connection took along is handed out again."
            if tasks.lost or tasks.stuck
            else "Make tasks idempotent: with a broker that fails over, some are done twice.",
            price=price,
        )


def _beside_its_service(measured: Measured) -> Iterator[tuple[PathResult, Interval]]:
    """Yield each application that worked before the fault, with when the last meter of its address was back."""
    for path in measured.paths.values():
        if not path.application or path.state != "works":
            continue
        back = [one.recovered_s for one in measured.working if one.address == path.address and one.recovered_s]
        if back and not any(one.is_open for one in back):
            yield path, max(back, key=lambda one: one.most)


def _settings(path: PathResult) -> str:
    told = path.calls.settings if path.calls else {}
    return ", ".join(f"{name} {value or 'none'}" for name, value in told.items()) or "it told no time-outs"


def _never_again(path: PathResult) -> Finding:
    stays = "connection" in path.never_again and path.never_again.startswith(ErrorCode.READONLY.words)
    name, close = "an application stayed out", "Have the application connect again after an error."
    if stays:
        name = "an application stayed on a replica"
        close = "Have applications close a connection that says READONLY; redis-py does with "
        close += "retry_on_error=[ReadOnlyError]."
    return Finding(
        name=name,
        sentence=f"{path.name} never wrote again though {path.address} was back: {path.never_again}.",
        severity="out",
        since_s=0.0,
        explains=("reconnection", "after recovery"),
        rows=(f"{path.name}: its last call met {path.never_again}",),
        advice=close,
    )


def _hung(measured: Measured, path: PathResult, under_way_s: float) -> Finding:
    return Finding(
        name="a call without a time-out",
        sentence=f"A call of {path.name} had not ended after {under_way_s:.0f} s, when the trial did, though "
        f"{path.address} was back: its client has no time-out ({path.about}).",
        severity="out",
        since_s=measured.history.end_s - under_way_s,
        explains=("reconnection", "after recovery"),
        rows=(f"{path.name}: its last call was sent at {measured.history.end_s - under_way_s:.3f} s and has no end",),
        advice=f"Give the client time-outs for connecting and for replies: {words_of(path).waits}.",
        price="A command that takes longer than its time-out fails, and may have been applied.",
    )


def name_not_found(measured: Measured) -> Iterator[Finding]:
    """Find a name that clients were given and that did not resolve. A name that never resolved explains no outage."""
    history, end_s = measured.history, measured.history.end_s
    given = {host(path.address) for path in measured.paths.values()}
    for name in dict.fromkeys(fact.event.name for fact in history.facts(Resolved) if fact.event.name in given):
        told = [fact for fact in history.facts(Resolved) if fact.event.name == name]
        for number, fact in enumerate(told):
            following = told[number + 1].latest_s if number + 1 < len(told) else None
            lasted_s = (end_s if following is None else following) - fact.latest_s
            if fact.event.addresses or lasted_s < LEAST_S or (following is not None and following <= 0):
                continue
            until = "" if following is None else f" until {following:.1f} s"
            sentence = f"The name {name} never resolved{until}: {fact.event.error}."
            if number:
                since = f"did not resolve from {fact.latest_s:.1f} s on{until}"
                sentence = f"The name {name} {since}: {fact.event.error}. It had resolved before."
            yield Finding(
                name="name not found",
                sentence=sentence,
                severity="slow" if following is not None else "out" if number else "note",
                since_s=fact.latest_s,
                until_s=following,
                explains=("endpoint", "routing", "reconnection", "unattributed") if number else (),
                rows=(f"{name}: {fact.event.error}",),
            )
