"""Services by packet rules where the agent is, as kube-proxy makes them."""

from collections.abc import Callable, Sequence

from chaos.net.nft import Services
from chaos.net.service import Service

ADDRESSES = "10.96.0"


class Rules:
    """Keeps `chaos.cluster.local.endpoints.Programs`."""

    addresses = ADDRESSES

    def __init__(self, services: Services) -> None:
        self._services = services
        self._programmed: list[Service] = []

    def apply(self, wanted: Sequence[Service], done: Callable[[], object]) -> None:
        """Before it returns."""
        if list(wanted) != self._programmed:
            self._services.apply(wanted)
            self._programmed = list(wanted)
        done()

    def processes(self) -> list[tuple[str, int]]:
        """The kernel needs none."""
        return []

    async def end(self) -> None:
        """They go with their namespace."""
