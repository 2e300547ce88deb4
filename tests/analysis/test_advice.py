"""Advice, each only where the trials show that it would help."""

import pytest

from chaos.analysis.advice import advice
from chaos.analysis.result import Verdict
from chaos.clock import AGENT
from chaos.model import ErrorCode
from tests.analysis.conftest import Analysed
from tests.recordings import kill_master


@pytest.mark.parametrize("error", [ErrorCode.READONLY, ErrorCode.REFUSED])
def test_a_connection_is_to_be_closed_where_one_was_kept_to_a_replica(analysed: Analysed, error: ErrorCode):
    story = kill_master().out("app", 51.0, 99.0, error=error)
    app = next(client.number for client in story.clients if client.path == "app")
    found = analysed(story.event("connection.opened", 50.0, AGENT, client=app))
    assert ("retry_on_error=[ReadOnlyError]" in advice([found], Verdict.FAIL)) == (error == ErrorCode.READONLY)


def test_a_connection_that_led_back_to_the_master_needs_no_advice(analysed: Analysed):
    assert "READONLY" not in advice([analysed(kill_master())], Verdict.FAIL)
