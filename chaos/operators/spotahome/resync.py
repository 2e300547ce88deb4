"""The operator's loop on the local cluster: a reconcile every `every_s`, even if the last one failed.

A command is sent as go-redis v8 does with its defaults (options.go): a connection for each call, 5 s to connect, 3 s
for a reply, and three more attempts if either fails or takes too long. An address that drops packets therefore costs 20
s a call, and a process that hangs 12 s.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from hiredis import ReplyError

from chaos.access import PLAIN, Access, Accesses
from chaos.clock import mono_ns
from chaos.cluster.local.controller import Address, ApiServer, Label, Task
from chaos.model import MemberKind
from chaos.operators.spotahome import LABEL_LINE
from chaos.operators.spotahome.reconcile import Action, Failed, Look, RedisCall, Steps, reconcile
from chaos.resp import Resp

RETRIED = ("LOADING ", "READONLY ", "CLUSTERDOWN ", "TRYAGAIN ")
"""The beginnings of error replies after which a command is sent again (go-redis v8, error.go)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """The time-outs and the attempts of one call. `backoff_s` doubles with each attempt."""

    dial_s: float = 5.0
    read_s: float = 3.0
    attempts: int = 4
    backoff_s: float = 0.008


class Caller:
    def __init__(self, patience: Patience) -> None:
        self._patience = patience

    async def call(self, address: Address, words: tuple[str | int, ...], access: Access = PLAIN) -> Any:  # noqa: ANN401  any of RESP's types
        """Return the reply. Raises Failed with the error of the last attempt, which may be an error reply."""
        met = ""
        for attempt in range(self._patience.attempts):
            if attempt:
                await asyncio.sleep(self._patience.backoff_s * 2**attempt)
            try:
                async with Resp.connect(*address, self._patience.dial_s, access) as connection:
                    async with asyncio.timeout(self._patience.read_s):
                        reply = await connection.call(*words)
            except OSError as error:
                what = "i/o timeout" if isinstance(error, TimeoutError) else error.strerror or str(error)
                met = f"{address[0]}:{address[1]}: {what}"
                continue
            if not isinstance(reply, ReplyError):
                return reply
            met = str(reply)
            if not met.startswith(RETRIED):
                break
        raise Failed(met)


async def resync(task: Task, api: ApiServer) -> None:
    """Reconcile at once, and then by the clock until cancelled. The operator watches no pod and no Sentinel."""
    caller, due_ns = Caller(Patience()), mono_ns()
    while True:
        await attempt(reconcile(task), caller, api)
        due_ns = next_ns(due_ns, mono_ns(), int(task.every_s * 1e9))
        await asyncio.sleep(max(0, due_ns - mono_ns()) / 1e9)


def next_ns(due_ns: int, now_ns: int, period_ns: int) -> int:
    """Return when the next reconcile is due: at a multiple of the period after the first one.

    All multiples that passed during the last reconcile are played as one, at once, as the operator's queue merges them.
    """
    return due_ns + max(1, (now_ns - due_ns) // period_ns) * period_ns


async def attempt(steps: Steps[None], caller: Caller, api: ApiServer) -> None:
    """Carry out the actions of `steps` until these end or fail. A failure is logged in the operator's words."""
    try:
        action = next(steps)
        while True:
            try:
                done = await _do(action, caller, api)
            except Failed as error:
                action = steps.throw(error)
            else:
                action = steps.send(done)
    except StopIteration:
        return
    except Failed as error:
        api.note("error", f"error on object processing: {error}")


async def _do(action: Action, caller: Caller, api: ApiServer) -> object:
    if isinstance(action, RedisCall):
        kind = next((pod.component for pod in api.pods if pod.address == action.address), "redis")
        return await caller.call(action.address, action.words, Accesses.from_environment().of(MemberKind(kind)))
    if isinstance(action, Look):
        return api.pods
    if isinstance(action, Label):
        name, role = action.pod, action.role
        api.note("info", f"{LABEL_LINE}, namespace: local, pod name: {name}, labels: map[role:{role}]")
        api.label(action)
    else:
        api.note(action.level, action.text)
    return None
