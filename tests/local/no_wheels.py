"""In the command itself: no wheel has brought a server, whatever is installed here."""

from tests.local.tampered import runs

if runs("chaos"):
    from chaos.cluster.local.servers import WHEELS

    WHEELS.clear()
