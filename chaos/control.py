"""The chaostoolkit control that our experiments name. Under `chaos run` it opens a campaign of one trial.

In a worker of `failover run`, where a trial is already open, it does nothing. chaostoolkit ignores a failing control,
so the recording must not depend on it: an experiment's first steady-state probe is `recording_is_live`, which fails if
no trial is open.
"""

from typing import Any

from chaoslib.exceptions import InterruptExecution

from chaos.errors import HarnessError
from chaos.experiment import session

_open: list[Any] = []
"""The open campaign. It is global, because chaostoolkit calls plain functions."""


def before_experiment_control(context: dict[str, Any], configuration: dict[str, Any], **_: Any) -> None:  # noqa: ANN401
    """Open the trial, and return when it is ready.

    Raises InterruptExecution, the only exception that stops chaostoolkit.
    """
    if session.is_open():
        return
    from chaos.control_campaign import OneTrial  # takes seconds to import, and workers do not need it

    try:
        _open.append(OneTrial.begun(context, configuration))
    except HarnessError as error:
        raise InterruptExecution(f"{error} (exit code {error.exit_code} of failover)") from error


def after_experiment_control(context: dict[str, Any], state: dict[str, Any], **_: Any) -> None:  # noqa: ANN401
    """Close the trial, and put its verdict into the journal, from which `chaos run` derives its exit code."""
    if _open:
        state["deviated"] = not _open.pop().ended(state)
