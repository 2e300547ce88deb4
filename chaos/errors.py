"""The error tree. The system's failing is data; only the harness's failing is an exception.

HarnessError
├─ ScenarioError      a bad file or option, with its path and the words that would be right      exit 2
├─ SetupError         something missing, or no healthy start; names the command that fixes it    exit 3
│  ├─ NeverHealthyError  no healthy start, and waiting or deploying anew cannot change that      exit 3
│  └─ CrowdedError       the machine was too crowded to measure a trial; another trial may do    exit 3
├─ FaultError         a heal that failed, an effect that could not be undone                     exit 4
├─ RecordingError     a truncated recording, or one of an unknown format                         exit 4
│  └─ NoCampaignError    the directory that was named is not there, or holds no campaign          exit 2
├─ ExperimentError    chaostoolkit did not play the experiment as written                        exit 4
└─ InterruptedTrial   a signal ended it early; what was recorded is kept                         exit 130
"""

from typing import ClassVar


class HarnessError(Exception):
    """A failure of the harness itself. Its text is a sentence for the user, who gets no traceback."""

    exit_code: ClassVar[int] = 4


class ScenarioError(HarnessError):
    """A file or an option is wrong."""

    exit_code = 2


class SetupError(HarnessError):
    """Something is missing, or the system did not become healthy."""

    exit_code = 3


class NeverHealthyError(SetupError):
    """The system cannot become healthy as it is configured, so waiting or deploying it anew is useless."""


class CrowdedError(SetupError):
    """The machine was too busy to measure a trial. This says nothing about the system or a later trial."""


class FaultError(HarnessError):
    """A fault could not be applied or undone."""


class RecordingError(HarnessError):
    """A recording cannot be read."""


class NoCampaignError(RecordingError):
    """A directory does not exist or contains no campaign."""

    exit_code = 2


class ExperimentError(HarnessError):
    """An experiment was not played as it is written."""


class InterruptedTrial(HarnessError):
    """A signal, or the end of the parent process, ended a trial early. All faults were undone."""

    exit_code = 130


PASS, FAIL, INCONCLUSIVE = 0, 1, 5
EXIT_CODES = {"pass": PASS, "fail": FAIL, "inconclusive": INCONCLUSIVE}
"""The exit code of each verdict. The exit code of an error is in its class."""


def error_named(name: str) -> type[HarnessError]:
    """Return the error class of this name, for an error in another process, or HarnessError if there is none."""
    known = [*HarnessError.__subclasses__(), *SetupError.__subclasses__()]
    return next((one for one in known if one.__name__ == name), HarnessError)


def worst(error: BaseException) -> HarnessError:
    """Return the error that the user should read first, of a trial that failed while it was played or undone.

    An error about a fault that was not undone comes first. Otherwise the earliest error does, because it caused the
    others.
    """
    found = in_time(error)
    faults = [one for one in found if isinstance(one, FaultError)]
    return (faults or found or [HarnessError(str(error) or type(error).__name__)])[0]


def in_time(error: BaseException) -> list[HarnessError]:
    """Return the HarnessErrors in a group, in the order in which they were raised. Other exceptions are left out.

    An error that was raised while another one was handled comes after that one.
    """
    if isinstance(error, BaseExceptionGroup):
        before = in_time(error.__context__) if error.__context__ is not None else []
        return before + [one for part in error.exceptions for one in in_time(part)]
    return [error] if isinstance(error, HarnessError) else []
