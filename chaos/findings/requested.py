"""A failover that somebody asked for and that Sentinel refused."""

from collections.abc import Iterator

from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding
from chaos.record.events import FailoverAsked

WHY = {
    "NOGOODSLAVE": "it had no replica that it would promote",
    "INPROG": "a failover was under way already",
}
"""What the first word of the reply to SENTINEL FAILOVER means."""


def requested_failover_refused(measured: Measured) -> Iterator[Finding]:
    """Find a SENTINEL FAILOVER that a member sent before it ended, and that was answered with an error."""
    for fact in measured.history.facts(FailoverAsked):
        asked, code = fact.event, fact.event.reply.partition(" ")[0]
        if code == "OK":
            continue
        down_s = measured.middle_s("sdown")
        then = (
            f" It was called down at {down_s:.1f} s instead." if down_s is not None and down_s > fact.latest_s else ""
        )
        yield Finding(
            name="requested failover refused",
            sentence=f"{asked.member} asked {asked.sentinel} for a failover at {fact.latest_s:.1f} s and was refused "
            f"({code}): {WHY.get(code, asked.reply)}.{then}",
            severity="slow",
            since_s=fact.latest_s,
            until_s=down_s,
            explains=("trigger", "detection", "unattributed"),
            rows=(f"{asked.sentinel} to SENTINEL FAILOVER: {asked.reply}",),
        )
