"""How each path fares while a trial runs: in the baseline, at its first failure, and when it is back.

This steers the trial and informs the user. The verdict is computed later, from the files.
"""

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass

from chaos.experiment.observed import Observed
from chaos.model import WORKS_SHARE, ErrorCode
from chaos.record.live import LiveClient

LATE = (
    ErrorCode.REPLY_TIMEOUT,
    ErrorCode.CONNECT_TIMEOUT,
    ErrorCode.DISCOVERY_TIMEOUT,
    ErrorCode.NOT_SENT,
)
"""The errors of an operation that had no answer in time."""
LATE_SHARE = 0.002
"""If a larger share of operations than this is late before any fault, the deadline is too short for the machine."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the clients of one path did before any fault."""

    good: int
    bad: int
    errors: Counter[ErrorCode]

    @property
    def late(self) -> int:
        return sum(self.errors[code] for code in LATE)

    @property
    def works(self) -> bool:
        return self.good > 0 and self.good >= WORKS_SHARE * (self.good + self.bad)

    @property
    def is_late(self) -> bool:
        """Whether the path works but for late answers, so that a longer deadline would help."""
        count = self.good + self.bad
        answered = self.good > 0 and self.good + self.late >= WORKS_SHARE * count
        return answered and self.late > LATE_SHARE * count

    @property
    def error(self) -> ErrorCode:
        """The error that most of its operations met."""
        return next((code for code, _ in self.errors.most_common(1)), ErrorCode.NONE)

    @property
    def sentence(self) -> str:
        """A sentence on a path that works never or not always. It follows the path's name."""
        if self.good == 0:
            return f"never worked: {self.error.sentence}"
        share = self.good / (self.good + self.bad)
        return f"is unreliable: {share:.0%} of its operations were good, and of the others: {self.error.sentence}"


def baselines(observed: Observed, since_ns: int) -> dict[str, Baseline]:
    """Return the baseline of each path, from the operations due at or after `since_ns` on the agent's clock."""
    found = {}
    for path, clients in sorted(observed.ops.paths().items()):
        errors: Counter[ErrorCode] = sum((client.errors_since(since_ns) for client in clients), Counter())
        good, bad = sum(client.ok(since_ns) for client in clients), sum(client.bad(since_ns) for client in clients)
        found[path] = Baseline(good, bad, errors)
    return found


def mark(observed: Observed, proven: frozenset[str], gap_ns: int) -> None:
    """Show the user the first failed operation after t = 0, and each path that is back."""
    if observed.seen.effect_ns is None:
        return
    since_ns = observed.at_agent(observed.seen.effect_ns)
    good = observed.ops.recovered(since_ns, gap_ns, observed.now_at_agent())
    for path in sorted(proven):
        failed = [client for client in observed.ops.paths()[path] if client.bad(since_ns)]
        if not failed:
            continue
        at_ns = observed.agent_at_host(min(client.first_bad_ns(since_ns) or 0 for client in failed))
        codes = (code for client in failed for code in client.errors_since(since_ns))
        observed.seen.mark("first failed operation", at_ns, f"{path}: {next(codes, ErrorCode.NONE).words}")
        if good[path]:
            observed.seen.mark(f"recovered, {path}", observed.agent_at_host(max(map(_back_ns, failed))), "")


def _back_ns(client: LiveClient) -> int:
    """Return when the first good operation after the last bad one was answered. If there is none, take the last good
    one. An application's operation may be due before the last bad one and be answered long after it.
    """
    after = bisect_right(client.good_ns, client.last_bad_ns() or 0)
    return client.answered_ns[min(after, len(client.answered_ns) - 1)]
