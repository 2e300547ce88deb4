"""The pytest plugin: experiments as test items, and the `failover` fixture for tests of a team's own.

Nothing happens unless it is asked for. A file is an item only when it names our control and is given on the command
line, itself or by its folder `experiments`: a bare `pytest` never does anything to a cluster. An item passes or fails
by its trial's verdict; inconclusive, and a failure of the harness, are errors.

What plays trials is imported when the first one is played: it costs seconds that other test runs need not spend.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chaos.cli_options import DEFAULT_SCENARIOS, parse_settings
from chaos.errors import HarnessError

if TYPE_CHECKING:
    from chaos.testing import Failover, PlayedTrial

CONTROL = "chaos.control"
FOLDER = "experiments"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("failover", "failover: trials of a Redis Sentinel system (as `failover run` takes them)")
    add = group.addoption
    add("--on", default=None, metavar="PLATFORM", help="Where the system runs. [where the scenario does, else kind]")
    add("--scenario", default=None, metavar="NAME|PATH", help=f"What is tested. [{DEFAULT_SCENARIOS}]")
    add("--experiment", action="append", default=[], metavar="NAME", help="Of the collected ones only these.")
    add("--trials", type=int, default=1, metavar="N", help="Of each experiment. [1]")
    add("--seed", type=int, default=None, metavar="N", help="Of every random wait.")
    add("--keep", action="store_true", help="Leave the cluster that this run makes.")
    add("--out", type=Path, default=Path("reports"), metavar="DIR", help="Where the campaign's directory is made.")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="Over the scenario: limits.watch=5s.")
    add("--agent-image", default=None, metavar="REF", help="An image of the agent, instead of building one.")


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
    """What plays trials in this test run, made when it is first asked for."""
    if HELD not in config.stash:
        from chaos.testing import Failover

        config.stash[HELD] = Failover(_options(config))
    return config.stash[HELD]


class ExperimentFile(pytest.File):
    """One experiment; an item a trial."""

    def collect(self) -> Iterator["ExperimentItem"]:
        chosen = self.config.getoption("--experiment")
        if chosen and "all" not in chosen and self.path.stem not in chosen:
            return
        for nth in range(self.config.getoption("--trials")):
            item = ExperimentItem.from_parent(self, name=f"{self.path.stem}-{nth + 1}")
            if self.config.pluginmanager.hasplugin("timeout"):
                item.add_marker(pytest.mark.timeout(0))
            yield item


class ExperimentItem(pytest.Item):
    """The trial is played in the set-up, where what goes wrong is an error; the call judges the system.

    A time limit of the test run's does not hold for it: a trial has its own, and a fault that is undone at its end.
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
    """On the command line itself, or through its folder `experiments` or one inside that."""
    folders = [parent for parent in file.parents if FOLDER in parent.parts]
    given = [(config.invocation_params.dir / arg.partition("::")[0]).resolve() for arg in config.args]
    return any(one in given for one in [file, *folders])


def _options(config: pytest.Config) -> dict[str, object]:
    option = config.getoption
    names = ("on", "scenario", "seed", "keep", "out", "agent_image")
    command = " ".join(["pytest", *map(str, config.invocation_params.args)])
    return {name: option(name) for name in names} | {"settings": parse_settings(option("set")), "command": command}
