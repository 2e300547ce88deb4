"""The probes that an experiment's file can call.

chaostoolkit checks a probe's value only in the steady-state hypothesis; in a method it merely records it. A probe that
waits therefore raises if the harness fails, and returns what it saw if the system does.
"""

from chaos.experiment import recovery
from chaos.experiment.session import current

LOOK_S = 30.0
"""How long one look at the recording may take."""
BEYOND_S = 60.0
"""How much longer than its own time limit a waiting probe may take."""


def recording_is_live() -> bool:
    """Return whether the agent answers and its clients' operations arrive."""
    session = current()
    return session.call(recovery.is_live(session), within_s=LOOK_S)


def healthy() -> bool:
    """Return whether ROLE, Sentinels, label and endpoints name one master, and all replicas are in sync. After a fault
    the probe waits for this, for as long as the trial watches on after recovery.
    """
    session = current()
    wrong = session.call(recovery.healthy(session), within_s=session.scenario.limits.watch + BEYOND_S)
    if wrong:
        session.note(f"not healthy{' after the method' if session.effect_ns else ''}: {'; '.join(wrong)}")
    return not wrong


def wait_until_recovered() -> str:
    """Wait until every path is back and stable and the failover is over, and return a sentence. If this takes longer
    than the limit, the sentence says what is missing; that is a result, and raises nothing.
    """
    session = current()
    return session.call(recovery.recovered(session), within_s=session.scenario.limits.recovery + BEYOND_S)


def hold(seconds: float) -> str:
    """Wait until `seconds` after t = 0."""
    session = current()
    session.call(recovery.hold(session, seconds), within_s=seconds + BEYOND_S)
    return f"held until {seconds:g} s after t = 0"
