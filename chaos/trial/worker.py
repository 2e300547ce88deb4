"""The worker process of a trial: chaostoolkit runs in the main thread, and the trial in the event loop of another.

It reads its spec from the first line of standard input, and writes messages to standard output. A signal interrupts the
trial, and so does the end of its input, which means that the campaign has ended. A second interruption changes nothing.
"""

import fcntl
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from chaos.errors import HarnessError, worst
from chaos.experiment import play
from chaos.experiment.session import Session
from chaos.experiment.threads import LoopThread, MainThread
from chaos.experiment.written import Experiment
from chaos.progress import Message, Tell, Tells
from chaos.trial.assignment import TrialSpec
from chaos.trial.steps import Trial

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Out(Protocol):
    """A stream that takes messages, one per line."""

    def write(self, line: str, /) -> object: ...

    def flush(self) -> object: ...


def work(given: TextIO, out: Out) -> int:
    """Play the trial whose spec is the first line of input, and return the exit code."""
    spec = TrialSpec.parse(given.readline())

    def tell(message: Message) -> None:
        out.write(message.line() + "\n")
        out.flush()

    try:
        _played(spec, tell, given)
    except (HarnessError, ExceptionGroup) as error:
        gravest = worst(error)
        failed = {"error": type(gravest).__name__, "text": str(gravest), "exit_code": gravest.exit_code}
        tell(Message(Tell.FAILED, failed))
        return gravest.exit_code
    return 0


@contextmanager
def signals(interrupt: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Let signals interrupt the trial while in the context.

    Yields a function that installs the handlers again after chaoslib has installed its own.
    """

    def handle(number: int, _frame: object) -> None:
        interrupt(f"interrupted by {signal.Signals(number).name}")

    def install() -> None:
        for number in SIGNALS:
            signal.signal(number, handle)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    install()
    try:
        yield install
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _played(spec: TrialSpec, tell: Tells, given: TextIO) -> None:
    main = MainThread()

    async def player(experiment: Experiment, _session: Session) -> play.Journal:
        return await main.call(lambda: play.play(experiment, install))

    trial = Trial(spec, player, tell)
    with LoopThread() as loop, signals(trial.interrupt) as install:
        threading.Thread(target=_orphaned, args=(given, trial.interrupt), daemon=True).start()
        ended = loop.submit(trial.run())
        main.serve(until=ended)
        ended.result()


def _orphaned(given: TextIO, interrupt: Callable[[str], None]) -> None:
    """Interrupt the trial at the end of the input, which comes when the campaign has ended for any reason."""
    given.read()
    interrupt("interrupted: the campaign is gone")


def main() -> None:
    """Play the trial, with its log locked.

    The lock is held until the last process that the worker started has ended, so that a resumed campaign can wait for
    that.
    """
    fcntl.flock(sys.stderr.fileno(), fcntl.LOCK_EX)
    sys.exit(work(sys.stdin, sys.stdout))
