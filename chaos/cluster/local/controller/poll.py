"""The poller: asks for the master at a steady pace, as a script in a loop does."""

from chaos.cluster.local.controller.asking import named_by, sentinels
from chaos.cluster.local.controller.board import Address, Board, Spec
from chaos.cluster.local.controller.labels import moving
from chaos.observe.watch import Pace


async def poll(spec: Spec, board: Board) -> None:
    """Every `every_s` take the word of the first Sentinel that answers, whatever it knows. Without end."""
    pace = Pace(spec.every_s)
    while True:
        master = await _first_named(spec, board)
        if master:
            for label in moving(master, board.pods):
                board.label(label)
        else:
            board.note("warning", f"no Sentinel names a master {spec.master}")
        await pace.beat()


async def _first_named(spec: Spec, board: Board) -> Address | None:
    for pod in sentinels(board.pods):
        word = await named_by(pod.address, spec.master)
        if word:
            return word.master
    return None
