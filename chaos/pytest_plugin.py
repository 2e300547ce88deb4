"""The pytest plugin: experiments as test items, and the `failover` fixture for a team's own tests.

An experiment's file becomes an item only if it names our control and is given on the command line, itself or by its
folder `experiments`. So a bare `pytest` never affects a cluster. An item passes or fails by its trial's verdict. An
inconclusive trial, or a failure of the harness, is an error.

Modules that play trials are imported when the first trial is played, because that import takes seconds.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chaos.errors import HarnessError
from chaos.options import PYTEST, Option, Options, options

if TYPE_CHECKING:
    from chaos.testing import Failover, PlayedTrial

CONTROL = "chaos.control"
PREFIX = "failover_"
"""The prefix of our options' names inside pytest, because other plugins may have an `out` or a `seed` too."""
FOLDER = "experiments"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("failover", "failover: trials of a Redis Sentinel system (as `failover run` takes them)")
    for name, option in options(PYTEST).items():
        how = {"type": _reader(option), "metavar": option.metavar} if option.read else {}
        action = "append" if option.gather else "store" if option.read else "store_true"
        group.addoption(f"--{option.flag}", dest=PREFIX + name, action=action, help=option.help, **how)


def _reader(option: Option) -> Callable[[str], Any]:
    """Return a function that reads the option's value, and whose errors have the class whose text argparse shows."""

    def value(text: str) -> Any:  # noqa: ANN401  whatever the field holds
        assert option.read is not None
        try:
            return option.read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return value


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "ExperimentFile | None":
    if file_path.suffix == ".yaml" and _is_given(file_path, parent.config) and CONTROL in file_path.read_text():
        return ExperimentFile.from_parent(parent, path=file_path)
    return None


@pytest.fixture(scope="session")
def failover(request: pytest.FixtureRequest) -> "Failover":
    """Plays trials: `failover.run("kill-master", scenario="scenarios/ours")`."""
    return opened(request.config)


def pytest_sessionfinish(session: pytest.Session) -> None:
    held = session.config.stash.get(HELD, None)
    if held is not None:
        held.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    held = terminalreporter.config.stash.get(HELD, None)
    for report in held.reports if held else ():
        terminalreporter.write_line(f"failover report: {report}")


HELD: "pytest.StashKey[Failover]" = pytest.StashKey()


def opened(config: pytest.Config) -> "Failover":
    """Return the Failover of this test run. It is created on first use."""
    if HELD not in config.stash:
        from chaos.testing import Failover

        config.stash[HELD] = Failover(asked(config))
    return config.stash[HELD]


class ExperimentFile(pytest.File):
    """The file of an experiment. Each item in it is a trial."""

    def collect(self) -> Iterator["ExperimentItem"]:
        wanted = asked(self.config)
        chosen = wanted.experiments
        if chosen and "all" not in chosen and self.path.stem not in chosen:
            return
        for nth in range(wanted.trials):
            item = ExperimentItem.from_parent(self, name=f"{self.path.stem}-{nth + 1}")
            if self.config.pluginmanager.hasplugin("timeout"):
                item.add_marker(pytest.mark.timeout(0))
            yield item


class ExperimentItem(pytest.Item):
    """One trial. It is played in the setup, where a failure is an error; the call then judges the system.

    pytest's timeout does not apply: a trial has its own time limits, and has to undo its fault at the end.
    """

    measured: "PlayedTrial"

    def setup(self) -> None:
        try:
            self.measured = opened(self.config).run(str(self.path))
        except HarnessError as error:
            pytest.fail(str(error), pytrace=False)

    def runtest(self) -> None:
        if not self.measured.passed:
            pytest.fail(self.measured.explain(), pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


def _is_given(file: Path, config: pytest.Config) -> bool:
    """Return whether the file is on the command line, itself or by its folder `experiments` or a folder in that."""
    folders = [parent for parent in file.parents if FOLDER in parent.parts]
    given = [(config.invocation_params.dir / arg.partition("::")[0]).resolve() for arg in config.args]
    return any(one in given for one in [file, *folders])


def asked(config: pytest.Config) -> Options:
    """Return the options of a campaign from pytest's command line."""
    said = {}
    for name, option in options(PYTEST).items():
        value = config.getoption(PREFIX + name)
        if value is not None:
            said[name] = option.gather(value) if option.gather else value
    return Options(**said, command=" ".join(["pytest", *map(str, config.invocation_params.args)]))
