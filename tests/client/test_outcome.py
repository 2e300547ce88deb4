"""The tables that decide every outcome."""

import errno

import pytest

from chaos.client.outcome import of_errno, of_reply, unanswered
from chaos.model import ErrorCode, Outcome
from tests.rig import REDIS, Rig, wait_for


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ("READONLY You can't write against a read only replica.", ErrorCode.READONLY),
        ("LOADING Redis is loading the dataset in memory", ErrorCode.LOADING),
        ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", ErrorCode.MASTERDOWN),
        ("NOREPLICAS Not enough good replicas to write.", ErrorCode.NOREPLICAS),
        ("MISCONF Errors writing to the AOF file: No space left on device", ErrorCode.MISCONF),
        ("NOAUTH Authentication required.", ErrorCode.AUTH),
        ("OOM command not allowed when used memory > 'maxmemory'.", ErrorCode.OOM),
    ],
)
def test_a_refused_write_has_surely_not_been_applied(reply: str, error: ErrorCode):
    assert of_reply(reply) == (Outcome.FAILED, error)


@pytest.mark.parametrize("reply", ["ERR upstream failure", "READONLYISH x", ""])
def test_any_other_error_reply_leaves_it_unknown(reply: str):
    assert of_reply(reply) == (Outcome.UNKNOWN, ErrorCode.OTHER_REPLY)


def test_without_a_reply_only_what_was_sent_is_unknown():
    assert unanswered(True, ErrorCode.CLOSED) == (Outcome.UNKNOWN, ErrorCode.CLOSED)
    assert unanswered(False, ErrorCode.REFUSED) == (Outcome.FAILED, ErrorCode.REFUSED)
    assert unanswered(False, ErrorCode.CLOSED) == (Outcome.FAILED, ErrorCode.NOT_SENT)


def test_the_kernels_words():
    assert of_errno(errno.ECONNREFUSED) is ErrorCode.REFUSED
    assert of_errno(errno.EHOSTUNREACH) is ErrorCode.UNREACHABLE
    assert of_errno(errno.ECONNRESET) is ErrorCode.RESET
    assert of_errno(errno.EMFILE) is ErrorCode.OTHER
    assert of_errno(None) is ErrorCode.OTHER


@pytest.mark.redis
def test_every_server_refuses_with_the_words_of_the_table(rig_of: Rig):
    first, second, _ = REDIS

    def refused(name: str, *command: str) -> ErrorCode:
        return of_reply(str(rig_of.call(name, *command))).error

    assert refused(second, "SET", "k", "v") is ErrorCode.READONLY
    rig_of.call(first, "CONFIG", "SET", "min-replicas-to-write", "5")
    assert refused(first, "SET", "k", "v") is ErrorCode.NOREPLICAS
    rig_of.call(second, "CONFIG", "SET", "replica-serve-stale-data", "no")
    rig_of.kill(first)
    wait_for(lambda: rig_of.call(second, "ROLE")[3] != "connected", "the replica has lost its master")
    assert refused(second, "GET", "k") is ErrorCode.MASTERDOWN
    rig_of.call(second, "CONFIG", "SET", "requirepass", "x")
    assert refused(second, "GET", "k") is ErrorCode.AUTH
