"""A Sentinel that stopped acting because its own clock or its machine stood still."""

from collections.abc import Iterator

from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding


def tilt(measured: Measured) -> Iterator[Finding]:
    entered = [one for one in measured.said if one.channel == "+tilt" and one.at_s.most > 0]
    if not entered:
        return
    left = [one for one in measured.said if one.channel == "-tilt" and one.at_s.most > 0]
    names = sorted({one.sentinel for one in entered})
    yield Finding(
        name="TILT",
        sentence=f"{', '.join(names)} entered TILT at {entered[0].at_s.middle:.1f} s: a Sentinel that was held up for "
        "2 s acts on nothing for 30 s.",
        severity="slow",
        since_s=entered[0].at_s.middle,
        until_s=left[-1].at_s.middle if left else None,
        explains=("detection", "quorum", "election", "unattributed"),
        rows=tuple(one.evidence for one in entered),
    )
