"""The probes that an experiment's file names.

chaostoolkit looks at a probe's value only in the steady-state hypothesis; in a method it merely notes it. A probe that
waits therefore raises when the harness fails, and returns what it saw when the system does.
"""

from chaos.experiment import recovery
from chaos.experiment.session import current

LOOK_S = 30.0
"""How long one look at what was recorded may take."""
BEYOND_S = 60.0
"""What a waiting probe may take beyond the limit that it keeps by itself."""


def recording_is_live() -> bool:
    """Return whether a trial is open, the agent answers and its clients' operations arrive.

    Raises where no trial is open.
    """
    session = current()
    return session.call(recovery.is_live(session), within_s=LOOK_S)


def healthy() -> bool:
    """Return whether ROLE, Sentinels, label and endpoints name one master, and all replicas are in sync.

    After a fault it waits for that until the trial has watched on.
    """
    session = current()
    wrong = session.call(recovery.healthy(session), within_s=session.scenario.limits.watch + BEYOND_S)
    if wrong:
        session.note(f"not healthy{' after the method' if session.effect_ns else ''}: {'; '.join(wrong)}")
    return not wrong


def wait_until_recovered() -> str:
    """Wait until every path is back and stable and the failover is over, and say so.

    If that does not come within the limit it is the system's failing: what is missing is returned, and nothing raised.
    """
    session = current()
    return session.call(recovery.recovered(session), within_s=session.scenario.limits.recovery + BEYOND_S)


def hold(seconds: float) -> str:
    """Do nothing until `seconds` after t = 0."""
    session = current()
    session.call(recovery.hold(session, seconds), within_s=seconds + BEYOND_S)
    return f"held until {seconds:g} s after t = 0"
