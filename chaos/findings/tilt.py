"""A Sentinel that distrusted its own clock, and so did nothing."""

from collections.abc import Iterator

from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding

TILT_S = 30
"""How long TILT lasts at least."""


def tilt(measured: Measured) -> Iterator[Finding]:
    """Find each time from a Sentinel's +tilt to its -tilt."""
    for entered in (one for one in measured.said if one.channel == "+tilt"):
        left = next(
            (
                one
                for one in measured.said
                if one.channel == "-tilt" and one.sentinel == entered.sentinel and one.at_s >= entered.at_s
            ),
            None,
        )
        until = f"until {left.at_s.middle:.1f} s" if left else "until the end"
        yield Finding(
            name="TILT",
            sentence=f"{entered.sentinel} was in TILT from {entered.at_s.middle:.1f} s {until}: its timer had come "
            f"more than 2 s late, or its clock had jumped. For {TILT_S} s it then takes no part in any failover.",
            severity="slow",
            since_s=entered.at_s.middle,
            until_s=left.at_s.middle if left else None,
            explains=("detection", "quorum", "election", "promotion", "endpoint", "unattributed"),
            rows=(entered.evidence, *((left.evidence,) if left else ())),
            advice="Give every Sentinel a core that it need not wait for, and a clock that does not jump.",
        )
