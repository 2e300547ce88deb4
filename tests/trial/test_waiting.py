"""Waiting for work that a signal ends."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator

import pytest

from chaos.errors import HarnessError, InterruptedTrial
from chaos.trial.waiting import Waiting


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    with Waiting() as one:
        yield one


async def endless(undone: list[str]) -> None:
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0.05)
        undone.append("undone")


def test_a_signal_ends_the_work_and_is_raised_once_that_is_undone(waiting: Waiting) -> None:
    undone: list[str] = []
    with pytest.raises(InterruptedTrial, match="interrupted by SIGTERM"):
        waiting.until_done(endless(undone))
    assert undone == ["undone"]


def test_whoever_waits_is_told_that_the_event_loop_was_ended(waiting: Waiting) -> None:
    """As by a library that leaves by SystemExit: without this, the main thread would wait for ever."""

    async def leaves() -> None:
        asyncio.get_running_loop().call_soon(sys.exit, 1)
        await asyncio.Event().wait()

    with pytest.raises(HarnessError, match=r"the event loop was ended by SystemExit\(1\)"):
        waiting.until_done(leaves())


def test_what_is_begun_after_an_interruption_does_not_start(waiting: Waiting) -> None:
    waiting.interrupt("enough")
    begun: list[str] = []

    async def work() -> None:
        begun.append("begun")

    with pytest.raises(InterruptedTrial, match="enough"):
        waiting.until_done(work())
    assert begun == []


def test_work_with_an_end_of_its_own_is_not_cancelled(waiting: Waiting) -> None:
    """As a trial's worker, which undoes its fault and says that it was interrupted."""
    told: list[str] = []

    async def work() -> None:
        waiting.interrupt("enough")
        await asyncio.sleep(0.05)
        told.append("ended by itself")

    waiting.until_done(work(), told.append)
    assert told == ["enough", "ended by itself"]


def test_what_takes_things_away_is_done_whatever_comes(waiting: Waiting) -> None:
    done: list[str] = []

    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.05)
        done.append("done")

    waiting.whatever_comes(work(), within_s=30)
    assert done == ["done"]
