"""Rules about pods that do not run (crash loops, OOMKilled, unschedulable), and about logs that could not be read."""

from collections.abc import Callable, Iterator

from chaos.analysis.history import Fact
from chaos.analysis.logs import unread
from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding
from chaos.analysis.wording import LOG_NOT_READ, plural
from chaos.findings.members import ANY_PHASE
from chaos.model import MemberKind
from chaos.record.events import Pod

STARTING = ("", "ContainerCreating", "PodInitializing")
"""The reasons of a container that waits because it is starting."""
KILLED_FOR_MEMORY = "OOMKilled"


def pod_does_not_run(measured: Measured) -> Iterator[Finding]:
    """Find a container that waits for another reason than its start, such as CrashLoopBackOff or ImagePullBackOff."""
    for name, facts in _by_pod(measured).items():
        for why in dict.fromkeys(one.event.waiting for one in facts if one.event.waiting not in STARTING):
            first = next(one for one in facts if one.event.waiting == why)
            ended = next((one.event.ended for one in facts if one.event.ended), "")
            last = f"; its container ended with {ended}" if ended else ""
            word = "crash-loops" if why == "CrashLoopBackOff" else f"does not start ({why})"
            until_s = _until_s(facts, first, lambda pod: pod.ready)
            until = "" if until_s is None else f" until {until_s:.1f} s"
            yield Finding(
                name="crash loop" if why == "CrashLoopBackOff" else "pod does not start",
                sentence=f"{name} {word} from {first.latest_s:.1f} s on{until}, after "
                f"{plural(first.event.restarts, 'restart')}{last}.",
                severity="out" if until_s is None else "slow",
                since_s=first.latest_s,
                until_s=until_s,
                explains=ANY_PHASE,
                rows=(f"{name}: waiting {why}, restarts {first.event.restarts}, ended {ended or 'unknown'}",),
            )


def killed_for_memory(measured: Measured) -> Iterator[Finding]:
    """Find a container that the kernel killed because it used more memory than its limit.

    A pod also reports an end from before the trial. An end counts only if the container was restarted since the first
    fault.
    """
    begin_s = min((fault.requested_s for fault in measured.history.faults), default=0.0)
    before = (one for one in measured.history.facts(Pod) if one.latest_s < begin_s)
    known = {one.event.uid: one.event.restarts for one in before}
    for name, facts in _by_pod(measured).items():
        killed = (one for one in facts if one.event.ended == KILLED_FOR_MEMORY)
        first = next((one for one in killed if one.event.restarts > known.get(one.event.uid, 0)), None)
        if first is None:
            continue
        meant = any(fault.name == "oom" for fault in measured.history.faults)
        yield Finding(
            name="killed for memory",
            sentence=f"{name} was killed for memory ({KILLED_FOR_MEMORY}) before {first.latest_s:.1f} s: it used more "
            "than its container's limit.",
            severity="slow",
            since_s=first.earliest_s,
            explains=ANY_PHASE,
            rows=(f"{name}: ended {first.event.ended}, restarts {first.event.restarts}",),
            advice=""
            if meant
            else "Raise the container's memory limit, or lower maxmemory well below it: a save and a replica's copy "
            "need memory beside the data.",
            price="" if meant else "Memory.",
        )


def cannot_be_scheduled(measured: Measured) -> Iterator[Finding]:
    """Find a pod for which the scheduler finds no node. The finding quotes the scheduler."""
    for name, facts in _by_pod(measured).items():
        first = next((one for one in facts if one.event.unschedulable), None)
        if first is None:
            continue
        until_s = _until_s(facts, first, lambda pod: not pod.unschedulable)
        until = "the end" if until_s is None else f"{until_s:.1f} s"
        yield Finding(
            name="cannot be scheduled",
            sentence=f"{name} cannot be scheduled, from {first.latest_s:.1f} s until {until}: "
            f"{first.event.unschedulable}",
            severity="out" if until_s is None else "slow",
            since_s=first.latest_s,
            until_s=until_s,
            explains=ANY_PHASE,
            rows=(f"{name}: {first.event.unschedulable}",),
        )


def _by_pod(measured: Measured) -> dict[str, list[Fact[Pod]]]:
    """Return each pod's states since the first fault, by the pod's name. Earlier trouble has no part in the trial."""
    begin_s = min((fault.requested_s for fault in measured.history.faults), default=0.0)
    found: dict[str, list[Fact[Pod]]] = {}
    for fact in measured.history.facts(Pod):
        if fact.latest_s >= begin_s:
            found.setdefault(fact.event.name, []).append(fact)
    return found


def _until_s(facts: list[Fact[Pod]], first: Fact[Pod], over: Callable[[Pod], bool]) -> float | None:
    """Return the time of the first state after `first` for which `over` is true, or None."""
    return next((one.latest_s for one in facts if one.latest_s > first.latest_s and over(one.event)), None)


QUOTED, BEGUN = 160, 60
"""How many characters of a log line a row quotes, and how many a sentence quotes."""


def quoted(text: str, most: int = BEGUN) -> str:
    """Return the beginning of a line, without characters that a terminal would obey."""
    told = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text[: most + 1])
    return f"{told[:most]}…" if len(told) > most else told


def log_not_read(measured: Measured) -> Iterator[Finding]:
    """Find a log that has lines without a known time, or a server's log in an unknown format."""
    for opened, path in measured.history.logs:
        server = opened.component in (MemberKind.REDIS, MemberKind.SENTINEL)
        found = unread(path, server=server)
        if found is None:
            continue
        some = f"{found.lines} of {plural(found.of, 'line')}"
        yield Finding(
            name=LOG_NOT_READ,
            sentence=f"Of the log of {opened.pod} {some} could not be read: {found.because}, as line {found.number} of "
            f"{path.name}, `{quoted(found.text)}`. What they say is missing from the cause and from the milestones.",
            severity="note",
            since_s=measured.history.started_s or 0.0,
            explains=(),
            rows=(f"{path.name}:{found.number}: {quoted(found.text, QUOTED)}",),
            advice=""
            if found.gone
            else "Have the server log to standard output, in its own format or in Valkey's logfmt.",
        )
