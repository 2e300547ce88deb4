"""Intervals. An interval is what is known about a time or a count, and every figure of an analysis is one."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self

Judgement = Literal["pass", "fail", "undecided", "not-applicable"]


@dataclass(frozen=True, order=True, slots=True)
class Interval:
    """A value that lies between `least` and `most`, both included.

    An interval without a `most` is open: what it measures was not over when watching stopped. It is printed as `>
    least`. Example: a window that began at 0.04 s and still had no good operation at 60.04 s is `Interval(60.0)`.
    """

    least: float
    most: float = math.inf

    @classmethod
    def at(cls, value: float) -> Self:
        """Return the interval of a value that is known exactly."""
        return cls(value, value)

    @property
    def is_open(self) -> bool:
        return math.isinf(self.most)

    @property
    def middle(self) -> float:
        """The value that stands for the interval in a table. It is `least` if the interval is open."""
        return self.least if self.is_open else (self.least + self.most) / 2

    @property
    def width(self) -> float:
        return self.most - self.least

    def judged(self, limit: float) -> Judgement:
        """Return whether the value is within `limit`, or `undecided` if the limit lies inside the interval.

        An open interval whose `least` has reached the limit fails, because it was not over by then.
        """
        if self.least > limit or (self.is_open and self.least >= limit):
            return "fail"
        return "pass" if self.most <= limit else "undecided"

    def shifted(self, seconds: float) -> "Interval":
        return Interval(self.least + seconds, self.most + seconds)

    def widened(self, before: float, after: float) -> "Interval":
        return Interval(self.least - before, self.most + after)

    def within(self, outer: "Interval") -> "Interval":
        """Return the interval with both edges moved to lie within `outer`."""
        return Interval(
            min(max(self.least, outer.least), outer.most),
            max(min(self.most, outer.most), outer.least),
        )

    def overlaps(self, other: "Interval") -> bool:
        return self.least < other.most and other.least < self.most


def total(intervals: Iterable[Interval]) -> Interval:
    """Return the sum of intervals: the sum of their `least` and the sum of their `most`."""
    found = list(intervals)
    return Interval(sum(one.least for one in found), sum(one.most for one in found))
