"""The operator's way: one reconcile every `every_s`, whatever has happened meanwhile and however long one takes."""

import asyncio

from chaos.clock import mono_ns
from chaos.cluster.local.controller.board import Board, Label, Spec
from chaos.cluster.local.controller.calls import Caller, Patience
from chaos.cluster.local.controller.reconcile import reconcile
from chaos.cluster.local.controller.steps import Action, Call, Failed, Look, Steps


async def resync(spec: Spec, board: Board) -> None:
    """Without end. It watches no pod and no Sentinel: the first reconcile is at the start, the others by the clock."""
    caller, due_ns = Caller(Patience()), mono_ns()
    while True:
        await attempt(reconcile(spec), caller, board)
        due_ns = next_ns(due_ns, mono_ns(), int(spec.every_s * 1e9))
        await asyncio.sleep(max(0, due_ns - mono_ns()) / 1e9)


def next_ns(due_ns: int, now_ns: int, period_ns: int) -> int:
    """When the next reconcile is due. Ticks that came during the last are one, as in the operator's queue, and at once.

    The phase stays: ticks are multiples of the period after the first.
    """
    return due_ns + max(1, (now_ns - due_ns) // period_ns) * period_ns


async def attempt(steps: Steps[None], caller: Caller, board: Board) -> None:
    """Do what the steps say, to their end or to their error, which is logged as the operator does."""
    try:
        action = next(steps)
        while True:
            try:
                done = await _do(action, caller, board)
            except Failed as error:
                action = steps.throw(error)
            else:
                action = steps.send(done)
    except StopIteration:
        return
    except Failed as error:
        board.note("error", f"error on object processing: {error}")


async def _do(action: Action, caller: Caller, board: Board) -> object:
    if isinstance(action, Call):
        return await caller.call(action.address, action.words)
    if isinstance(action, Look):
        return board.pods
    if isinstance(action, Label):
        board.label(action)
    else:
        board.note(action.level, action.text)
    return None
