"""In the nest: SIGSTOP goes nowhere, so that a process that was to be paused runs on."""

import signal

from tests.local.tampered import runs

if runs("chaos.cluster.local.nest"):
    _send = signal.pidfd_send_signal

    def send(descriptor: int, number: int) -> None:
        if number != signal.SIGSTOP:
            _send(descriptor, number)

    signal.pidfd_send_signal = send  # type: ignore[assignment]  # it takes no more than this here
