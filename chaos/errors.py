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
    """Anything that is the harness's own failing; its text is one sentence for the user, without a traceback."""

    exit_code: ClassVar[int] = 4


class ScenarioError(HarnessError):
    """A file or an option that cannot be used as written."""

    exit_code = 2


class SetupError(HarnessError):
    """Something is missing, or the system never became healthy."""

    exit_code = 3


class NeverHealthyError(SetupError):
    """The system cannot become healthy as it is written, so that nobody waits for it or deploys it anew."""


class CrowdedError(SetupError):
    """The machine was too crowded to measure a trial, which says nothing of the system or of the next trial."""


class FaultError(HarnessError):
    """A fault that could not be applied or undone."""


class RecordingError(HarnessError):
    """A recording that cannot be read."""


class NoCampaignError(RecordingError):
    """A directory that was named and is not there, or holds no campaign: nothing is wrong with any recording."""

    exit_code = 2


class ExperimentError(HarnessError):
    """An experiment that was not played as it is written."""


class InterruptedTrial(HarnessError):
    """A signal, or the end of whoever started it, ended a trial early. What was done to the system is undone."""

    exit_code = 130


PASS, FAIL, INCONCLUSIVE = 0, 1, 5
EXIT_CODES = {"pass": PASS, "fail": FAIL, "inconclusive": INCONCLUSIVE}
"""The exit code of each verdict; that of an error is on its class."""


def error_named(name: str) -> type[HarnessError]:
    """The class of an error that another process told of by its name; HarnessError if there is none of that name."""
    known = [*HarnessError.__subclasses__(), *SetupError.__subclasses__()]
    return next((one for one in known if one.__name__ == name), HarnessError)


def worst(error: BaseException) -> HarnessError:
    """The error that the user should read first, of a trial that failed while it was played and while it was undone.

    A fault that was not undone comes before anything. Otherwise what went wrong first is the cause of the rest.
    """
    found = in_time(error)
    faults = [one for one in found if isinstance(one, FaultError)]
    return (faults or found or [HarnessError(str(error) or type(error).__name__)])[0]


def in_time(error: BaseException) -> list[HarnessError]:
    """The harness's own errors in a group, in the order in which they were raised; none for a mistake in the program.

    An error that was raised while another one was handled comes after that one.
    """
    if isinstance(error, BaseExceptionGroup):
        before = in_time(error.__context__) if error.__context__ is not None else []
        return before + [one for part in error.exceptions for one in in_time(part)]
    return [error] if isinstance(error, HarnessError) else []
