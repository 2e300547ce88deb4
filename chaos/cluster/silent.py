"""Describe the members that do not answer while a system starts: the container's state, and the last lines of its log.

A wait for such a member prints the description after `DESCRIBED_S`, before its time limit.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from chaos.cluster.health import Facts
from chaos.model import MemberKind
from chaos.record.events import Pod
from chaos.record.layout import LOGS
from chaos.scenario.scenario import System
from chaos.scenario.settings import names_of

DESCRIBED_S = 8.0
"""A member that has not answered for this long is described to the user."""
FINAL = frozenset({"ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError"})
"""Kubernetes's reasons for a waiting container that no waiting resolves: its manifest is wrong."""
TAIL_BYTES, LINES = 1 << 14, 3
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* ")


def last_words(lines: Iterable[str]) -> str:
    """Return the last lines of a log in one sentence, without time stamps.

    A line that repeats is given once, with a count.

    For example: `its log ends: "getent: not found" (23 times)`.
    """
    said = [(text, len(list(same))) for text, same in groupby(_STAMP.sub("", line).strip() for line in lines) if text]
    if not said:
        return "its log is empty"
    shown = (f'"{text}"{f" ({times} times)" if times > 1 else ""}' for text, times in said[-LINES:])
    return f"its log ends: {', '.join(shown)}"


def tail(path: Path | None) -> list[str]:
    """Return the last lines of a log file, or none if there is no such file."""
    if path is None or not path.is_file():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return file.read().decode("utf-8", "replace").splitlines()


def state(pod: Pod | None) -> str:
    """Return the state of a member's container in words, from the platform's last event about its pod."""
    if pod is None:
        return "there is no such pod"
    parts = [
        f"its container waits ({pod.waiting})" if pod.waiting else "",
        f"no node takes it ({pod.unschedulable})" if pod.unschedulable else "",
        f"its process runs since {pod.started_at}" if pod.started_at and not pod.waiting else "",
        f"it was started again {pod.restarts} times" if pod.restarts else "",
        f"the container before ended with {pod.ended}" if pod.ended else "",
    ]
    return ", ".join(part for part in parts if part) or f"its phase is {pod.phase}"


def silent(facts: Facts, directory: Path) -> Iterator[str]:
    """Yield a sentence for each member that does not answer, or whose pod is not Ready. `directory` is the trial's."""
    asked = ((one, facts.role(one)) for one in facts.of(MemberKind.REDIS))
    mute = {one.name for one, said in asked if said is None}
    mute |= {one.name for one in facts.of(MemberKind.SENTINEL) if facts.sentinel(one) is None}
    mute |= {name for name, pod in facts.pods.items() if not pod.ready}
    for name in sorted(mute):
        pod, log = facts.pods.get(name), facts.logs.get(name)
        yield f"{name}: {state(pod)}; {last_words(tail(directory / LOGS / log if log else None))}"


def final(facts: Facts, system: System) -> Iterator[str]:
    """Yield what is wrong with the system and will not change by waiting."""
    for name, pod in sorted(facts.pods.items()):
        if pod.waiting in FINAL:
            yield f"{name} cannot start: {state(pod)}"
    for kind, expected in ((MemberKind.SENTINEL, system.settings.sentinel), (MemberKind.REDIS, system.settings.redis)):
        for member in facts.of(kind):
            known = facts.settings.get(member.name)
            if known is None or known.error:
                continue
            for setting in expected:
                if not any(name in known.settings for name in names_of(setting)):
                    yield f"{member.name} has no setting {setting}; a server of another version may have it"
