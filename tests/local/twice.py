"""The master is killed a second time, shortly before or after `re-armed`, and whether that was survived.

benchmarks/rearmed.py plays such trials; the reckoning here is of their recordings alone.
"""

import math
from dataclasses import dataclass

from chaos.analysis.losses import TAIL_S
from chaos.analysis.measured import Measured
from chaos.analysis.rearmed import lacked

SLOWER_S = 1.0
"""A kill is survived later than another one if its paths are out for so much longer."""


@dataclass(frozen=True, kw_only=True)
class SecondKill:
    """What a second kill met and what became of it. Times are seconds, `at_s` from t = 0 on.

    `lacked` is what by re-armed kept the system from surviving it, and empty if nothing did. `armed_s` is from when on
    nothing did, before that kill. `out_s` is the longest outage that it brought any path of the meters, infinite if
    that did not end. `lost` counts acknowledged writes that were more than a second old then, which every replica
    should have had, and are not there at the end.
    """

    at_s: float
    lacked: str
    armed_s: float | None
    failed_over: bool
    out_s: float
    lost: int

    @property
    def survived(self) -> bool:
        """Another master was made, all paths came back to it, and what was safe before is there."""
        return self.failed_over and math.isfinite(self.out_s) and self.lost == 0


def first_armed_s(measured: Measured) -> float | None:
    """When it was first re-armed after t = 0, though it may not have stayed so; None if it never was."""
    spells = lacked(measured.history, measured.said)
    return next((since_s.middle for since_s, lacks in spells if not lacks and since_s.least > 0), None)


def second_kill(measured: Measured) -> SecondKill | None:
    """Reckon it from the recording of a trial with two kills. None if the second one was not made."""
    history = measured.history
    made = [fault for fault in history.faults if fault.effect_s is not None]
    if len(made) < 2 or made[1].effect_s is None:
        return None
    at_s = made[1].effect_s
    before = [(since_s, lacks) for since_s, lacks in lacked(history, measured.said) if since_s.most < at_s.least]
    since_s, lacks = before[-1]
    ends = [
        math.inf if window.end_s is None else window.end_s.most
        for path in measured.working
        for window in path.windows
        if window.end_s is None or window.end_s.most > at_s.least
    ]
    ops = history.ops
    old = (ops.done_s > 0) & (ops.done_s < at_s.least - TAIL_S)
    later = [one for one in measured.attempts if one.started.at_s.least > at_s.least]
    return SecondKill(
        at_s=at_s.middle,
        lacked=lacks,
        armed_s=None if lacks else since_s.middle,
        failed_over=any(one.completed for one in later),
        out_s=max(ends, default=at_s.middle) - at_s.middle,
        lost=int((ops.lost & old).sum()),
    )


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A kill a second before and one a second after the moment at which the system was said to be re-armed."""

    before: SecondKill
    after: SecondKill

    @property
    def counts(self) -> bool:
        """Whether the kills came when they should, as the recordings of both have it."""
        return bool(self.before.lacked) and not self.after.lacked

    @property
    def is_as_said(self) -> bool:
        """The kill after it is survived, and the one before it is not, or later."""
        worse = not self.before.survived or self.before.out_s > self.after.out_s + SLOWER_S
        return self.after.survived and worse
