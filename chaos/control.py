"""The chaostoolkit control that every experiment of ours names: under `chaos run` it opens a campaign of one trial.

Where a trial is open already, as in a worker of `failover run`, it does nothing and loads nothing. chaostoolkit
forgives a control that fails, so nothing here may be relied on for recording: an experiment's first steady-state probe
is `recording_is_live`, which fails where no trial is open.
"""

from typing import Any

from chaoslib.exceptions import InterruptExecution

from chaos.errors import HarnessError
from chaos.experiment import session

_open: list[Any] = []
"""The campaign that was opened here. chaostoolkit calls functions and has no place for an object of ours."""


def before_experiment_control(context: dict[str, Any], configuration: dict[str, Any], **_: Any) -> None:  # noqa: ANN401
    """Open the trial and return when it is ready. Of all exceptions only InterruptExecution stops an experiment."""
    if session.is_open():
        return
    from chaos.control_campaign import OneTrial  # what this loads costs seconds that a worker need not spend

    try:
        _open.append(OneTrial.begun(context, configuration))
    except HarnessError as error:
        raise InterruptExecution(f"{error} (exit code {error.exit_code} of failover)") from error


def after_experiment_control(context: dict[str, Any], state: dict[str, Any], **_: Any) -> None:  # noqa: ANN401
    """Close the trial. `chaos run` exits by what the journal says, so it is told the verdict there."""
    if _open:
        state["deviated"] = not _open.pop().ended(state)
