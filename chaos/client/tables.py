"""Who was asked and who answered, as one byte each in a row; an event says what each index stands for."""

from chaos.record.event_files import EventWriter
from chaos.record.events import NodeSeen, TargetAsked
from chaos.record.layout import NOBODY


class Tables:
    """The indices of one agent, in the order in which they were first seen. From the 256th on nobody is named."""

    def __init__(self, events: EventWriter) -> None:
        self._events = events
        self._targets: dict[str, int] = {}
        self._nodes: dict[str, int] = {}

    def target(self, address: str) -> int:
        index = self._targets.get(address)
        if index is None:
            index = self._targets[address] = min(len(self._targets), NOBODY)
            self._events.write(TargetAsked(index=index, address=address))
        return index

    def node(self, info: bytes, address: str) -> int:
        """Who answered `INFO server`. `address` is where that very node listens, empty where a Service was asked."""
        run_id = _field(info, b"run_id:")
        if not run_id:
            return NOBODY
        index = self._nodes.get(run_id)
        if index is None:
            index = self._nodes[run_id] = min(len(self._nodes), NOBODY)
            version = _field(info, b"redis_version:")
            self._events.write(NodeSeen(index=index, run_id=run_id, version=version, address=address))
        return index


def _field(info: bytes, name: bytes) -> str:
    at = info.find(name)
    return info[at + len(name) : info.find(b"\r", at)].decode() if at >= 0 else ""
