"""In the agent: a wrong entry in the table of outcomes. What a replica refuses counts as written."""

from tests.local.tampered import runs

if runs("chaos.agent"):
    from chaos.client.outcome import OK, REPLIES

    REPLIES["READONLY"] = OK
