"""In the nest: SIGSTOP and SIGKILL go nowhere, so that a process that was to be paused or killed runs on."""

import signal

from tests.local.tampered import runs

if runs("chaos.cluster.local.nest"):
    _send = signal.pidfd_send_signal

    def send(descriptor: int, number: int) -> None:
        if number not in (signal.SIGSTOP, signal.SIGKILL):
            _send(descriptor, number)

    signal.pidfd_send_signal = send  # type: ignore[assignment]  # it takes no more than this here
