"""Decides the outcome of an operation by a reply or an error of the kernel. No other file decides outcomes."""

import errno
import ssl
from typing import NamedTuple

from chaos.model import ErrorCode, Outcome


class Decision(NamedTuple):
    outcome: Outcome
    error: ErrorCode


OK = Decision(Outcome.OK, ErrorCode.NONE)

REPLIES = {
    "READONLY": Decision(Outcome.FAILED, ErrorCode.READONLY),
    "LOADING": Decision(Outcome.FAILED, ErrorCode.LOADING),
    "MASTERDOWN": Decision(Outcome.FAILED, ErrorCode.MASTERDOWN),
    "NOREPLICAS": Decision(Outcome.FAILED, ErrorCode.NOREPLICAS),
    "MISCONF": Decision(Outcome.FAILED, ErrorCode.MISCONF),
    "NOAUTH": Decision(Outcome.FAILED, ErrorCode.AUTH),
    "WRONGPASS": Decision(Outcome.FAILED, ErrorCode.AUTH),
    "NOPERM": Decision(Outcome.FAILED, ErrorCode.AUTH),
    "OOM": Decision(Outcome.FAILED, ErrorCode.OOM),
    "BUSY": Decision(Outcome.FAILED, ErrorCode.OTHER_REPLY),
    "UNBLOCKED": Decision(Outcome.FAILED, ErrorCode.OTHER_REPLY),
}
"""Maps the first word of an error reply to its decision.

Redis checks each of these before it executes a write (processCommand).
"""

OTHER_REPLY = Decision(Outcome.UNKNOWN, ErrorCode.OTHER_REPLY)
"""The decision for any other error reply. A proxy may have sent it after the write."""

ERRNOS = {
    errno.ECONNREFUSED: ErrorCode.REFUSED,
    errno.ECONNRESET: ErrorCode.RESET,
    errno.EPIPE: ErrorCode.RESET,
    errno.EHOSTUNREACH: ErrorCode.UNREACHABLE,
    errno.ENETUNREACH: ErrorCode.UNREACHABLE,
    errno.EHOSTDOWN: ErrorCode.UNREACHABLE,
    errno.ETIMEDOUT: ErrorCode.CONNECT_TIMEOUT,
}


def of_reply(text: str) -> Decision:
    """Return the decision for an error reply."""
    return REPLIES.get(text.partition(" ")[0], OTHER_REPLY)


def of_errno(number: int | None) -> ErrorCode:
    return ERRNOS.get(number or 0, ErrorCode.OTHER)


def of_tls(error: OSError) -> ErrorCode:
    """Return what ended a connection with TLS. If the other side merely closed it, TLS did not fail."""
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return ErrorCode.CLOSED
    if isinstance(error, ssl.SSLWantWriteError):  # the kernel took no more, as of a link without TLS
        return ErrorCode.OTHER
    return ErrorCode.TLS_FAILED if isinstance(error, ssl.SSLError) else of_errno(error.errno)


def unanswered(sent: bool, error: ErrorCode) -> Decision:
    """Return the decision for an operation that got no reply.

    It may have been applied if it was sent, and surely was not otherwise. If it still waited for its connection when
    the meter closed the connection, its error is NOT_SENT and not CLOSED.
    """
    if sent:
        return Decision(Outcome.UNKNOWN, error)
    return Decision(Outcome.FAILED, ErrorCode.NOT_SENT if error is ErrorCode.CLOSED else error)
