"""The way between chaoslib's thread and the trial's loop: bounded, interruptible, and healing all the same."""

import asyncio
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.errors import ExperimentError, SetupError
from chaos.experiment import session as door
from chaos.experiment.session import Interrupted, Session
from chaos.experiment.threads import LoopThread, MainThread, awake
from chaos.undo import Undo, UndoJournal


async def nothing_beside(_undos: Sequence[Undo]) -> None:
    """Nothing is kept where the system is."""


class Heals:
    """A cluster of which only healing is asked."""

    def __init__(self) -> None:
        self.healed = 0

    async def heal(self) -> str:
        self.healed += 1
        return ""


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    with LoopThread() as thread:
        yield thread


@pytest.fixture
def session(loop: LoopThread, tmp_path: Path) -> Session:
    part: Any = None
    journal = UndoJournal(tmp_path, "trial-000", nothing_beside)
    scene: Any = SimpleNamespace(cluster=Heals(), held=[], events=None, journal=journal)
    return Session(part, "any", scene, part, part, part, part, loop.loop)


def test_a_call_gives_what_the_coroutine_returned(session: Session) -> None:
    assert session.call(asyncio.sleep(0, 7), within_s=10) == 7


def test_a_call_that_takes_too_long_is_an_error(session: Session) -> None:
    with pytest.raises(ExperimentError, match=r"did not end within 0\.05 s"):
        session.call(asyncio.sleep(5), within_s=0.05)


def test_an_error_of_ours_is_kept_for_the_trial_since_chaoslib_passes_on_only_its_text(session: Session) -> None:
    async def fails() -> None:
        raise SetupError("the agent is gone")

    with pytest.raises(SetupError):
        session.call(fails(), within_s=10)
    assert isinstance(session.failure, SetupError)


def test_an_interruption_ends_the_call_under_way_and_heals_at_once(session: Session) -> None:
    threading.Timer(0.1, session.interrupt, ["told to"]).start()
    begun = time.monotonic()
    with pytest.raises(Interrupted, match="told to"):
        session.call(asyncio.sleep(20), within_s=30)

    assert time.monotonic() - begun < 10
    assert session.call(asyncio.sleep(0), within_s=10, healing=True) is None
    assert session.scene.cluster.healed == 1  # type: ignore[attr-defined]


def test_an_interruption_that_comes_while_a_call_begins_ends_it_too(session: Session) -> None:
    class Late(set[Any]):
        def add(self, call: object) -> None:
            session.interrupt("told to")
            super().add(call)

    session._calls = Late()
    begun = time.monotonic()
    with pytest.raises(Interrupted, match="told to"):
        session.call(asyncio.sleep(20), within_s=30)

    assert time.monotonic() - begun < 10


def test_after_an_interruption_only_healing_is_done(session: Session) -> None:
    session.interrupt("told to")
    with pytest.raises(Interrupted):
        session.call(asyncio.sleep(0), within_s=10)

    session.call(session.heal(), within_s=10, healing=True)
    assert session.scene.cluster.healed == 2  # type: ignore[attr-defined]


def test_a_second_interruption_changes_nothing(session: Session) -> None:
    session.interrupt("first")
    session.interrupt("second")

    assert session.interrupted == "first"


def test_activities_get_the_open_session_and_an_error_where_there_is_none(session: Session) -> None:
    with pytest.raises(ExperimentError, match="no trial is open here"):
        door.current()
    with door.opened(session):
        assert door.current() is session
        assert door.is_open()
    assert not door.is_open()


def test_the_main_thread_does_what_the_loop_asks_and_gives_back_what_it_raised(loop: LoopThread) -> None:
    main = MainThread()

    async def asks() -> tuple[str, str]:
        name = await main.call(lambda: threading.current_thread().name)
        try:
            await main.call(lambda: [][0])
        except IndexError as error:
            return name, str(error)
        raise AssertionError("no error came back")

    ended = loop.submit(asks())
    main.serve(until=ended)

    assert ended.result(1) == (threading.main_thread().name, "list index out of range")


def test_a_signal_that_does_not_wake_the_waiting_thread_is_acted_on_soon(loop: LoopThread) -> None:
    """One that comes just before a thread falls asleep; here one that the kernel gave to another thread."""
    acted: list[float] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: acted.append(time.monotonic()))
    begun = time.monotonic()
    other = threading.Thread(target=time.sleep, args=[5])
    try:
        other.start()
        assert other.ident is not None
        threading.Timer(0.2, signal.pthread_kill, [other.ident, signal.SIGUSR1]).start()
        awake(loop.submit(asyncio.sleep(5)), within_s=20)
    finally:
        signal.signal(signal.SIGUSR1, before)
        other.join()
    assert acted[0] - begun < 4


def test_a_wait_in_pieces_is_still_bounded_and_gives_what_was_raised(loop: LoopThread) -> None:
    async def fails() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        awake(loop.submit(fails()), within_s=5)
    begun, long = time.monotonic(), loop.submit(asyncio.sleep(20))
    with pytest.raises(TimeoutError):
        awake(long, within_s=0.15)
    long.cancel()
    assert time.monotonic() - begun < 10
