"""What to say of a trial that failed more than once: while it was played, and again while it was undone."""

from chaos.errors import FaultError, HarnessError


def worst(error: BaseException) -> HarnessError:
    """The error that the user should read first.

    A fault that was not undone comes before anything; else what went wrong first is the cause of the rest.
    """
    found = list(_in_time(error))
    faults = [one for one in found if isinstance(one, FaultError)]
    return (faults or found or [HarnessError(str(error) or type(error).__name__)])[0]


def _in_time(error: BaseException) -> list[HarnessError]:
    """A group of errors that was raised while another was handled follows that one."""
    if isinstance(error, BaseExceptionGroup):
        before = _in_time(error.__context__) if error.__context__ is not None else []
        return before + [one for part in error.exceptions for one in _in_time(part)]
    return [error] if isinstance(error, HarnessError) else []
