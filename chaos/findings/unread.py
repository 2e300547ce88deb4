"""Logs that could not be read. If a report does not name a cause, it may be in such a log."""

from collections.abc import Iterator

from chaos.analysis.logs import unread
from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding
from chaos.analysis.wording import plural
from chaos.model import MemberKind

SHOWN = 160
"""How many characters of a line are quoted."""


def log_not_read(measured: Measured) -> Iterator[Finding]:
    """Find a log that has lines whose time is not known, or a server's log in a format that is not known."""
    for opened, path in measured.history.logs:
        server = opened.component in (MemberKind.REDIS, MemberKind.SENTINEL)
        found = unread(path, server=server)
        if found is None:
            continue
        some = f"{found.lines} of {plural(found.of, 'line')}"
        yield Finding(
            name="a log that cannot be read",
            sentence=f"Of the log of {opened.pod} {some} could not be read: {found.because}. "
            "What they say is missing from the cause and from the milestones.",
            severity="note",
            since_s=measured.history.started_s or 0.0,
            explains=(),
            rows=(f"{path.name}: {found.text[:SHOWN]}",),
            advice="Have the server log to standard output, in its own format or in Valkey's logfmt.",
        )
