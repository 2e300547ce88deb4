"""The options of a campaign, declared once, in the fields of `Options`.

The command line turns them into click options, the pytest plugin into pytest options, and `chaos run` reads them from
the environment, such as `FAILOVER_SCENARIO` for `--scenario`. This module loads the standard library only, so that
`failover --help` is quick.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

SCENARIOS = {"kind": "redis-operator", "local": "operator-model"}
"""The default scenario of each place."""
EXPERIMENTS = ("kill-master", "partition-master")
"""The default experiments."""
SUITE_NAMES = ("slo", "hand-over", "clients", "all")
"""The names for `--suite`. `chaos.suites` defines the suites."""
PREFIX = "FAILOVER_"
YES, NO = ("1", "true", "yes"), ("0", "false", "no")
RUN, PYTEST, CHAOS_RUN = "failover run", "pytest", "chaos run"


@dataclass(frozen=True, kw_only=True, slots=True)
class Registered:
    """A platform for `--on`. `of` is its class as module:name, which is imported only when it is used.

    `own_system` is true if every trial has its own system, so that several can run at once. `beside` is true if several
    systems can run side by side on request, and are reused.
    """

    of: str
    own_system: bool = False
    beside: bool = False


PLATFORMS = {
    "kind": Registered(of="chaos.cluster.kube.platform:KindPlatform", beside=True),
    "local": Registered(of="chaos.cluster.local.platform:LocalPlatform", own_system=True),
}
"""The platforms, by the name for `--on`. Others can be added here, as the tests do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """How to give one field of `Options`: as `--flag` on a command line, or as `FAILOVER_FLAG` in the environment.

    `read` turns a text into a value, and raises ValueError with a sentence. Without it the option is a switch. `gather`
    joins several values, for an option that may be repeated.
    """

    flag: str
    help: str
    metavar: str = ""
    read: Callable[[str], Any] | None = None
    gather: Callable[[Sequence[Any]], Any] | None = None
    by: tuple[str, ...] = (RUN, PYTEST, CHAOS_RUN)

    @property
    def variable(self) -> str:
        return PREFIX + self.flag.upper().replace("-", "_")


def at_least(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise ValueError(f'"{text}" is no whole number of at least {least}')
        return int(text)

    return read


def setting(text: str) -> tuple[str, str]:
    """Return `key=value` as a pair."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValueError(f'"{text}" is no setting; write limits.watch=5s')
    return key, value


CLAIM = r"(\d+(?:\.\d+)?)s@(\d+(?:\.\d+)?)/(\d+(?:\.\d+)?)"
"""The form of a claim such as `15s@95/95`: seconds, per cent of all failovers, per cent of confidence."""


def claim(text: str) -> str:
    """Check a claim such as `15s@95/95`: within 15 s in 95 % of all failovers, at 95 % confidence."""
    found = re.fullmatch(CLAIM, text)
    if found is None or not all(0 < float(percent) < 100 for percent in found.groups()[1:]):
        raise ValueError(f'"{text}" is no claim; write 15s@95/95: within 15 s in 95 % of them, at 95 % confidence')
    return text


def of_variant(settings: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return settings as `--set` takes them.

    `redis.…`, `sentinel.…` and `proxy.…` stand for `system.settings.redis.…` and so on.
    """
    short = ("redis.", "sentinel.", "proxy.")
    return {f"system.settings.{key}" if key.startswith(short) else key: value for key, value in settings}


def _names(given: Sequence[str]) -> tuple[str, ...] | None:
    return tuple(given) or None


def _by(option: Option) -> dict[str, Option]:
    return {"option": option}


ON = Option(
    flag="on",
    help="Where the system runs.  [default: where its scenario does, else kind if it can run here, else local]",
    metavar=f"[{'|'.join(SCENARIOS)}]",
    read=str,
)
SCENARIO = Option(
    flag="scenario",
    help="What is tested, and what is promised of it."
    f"  [default: {', '.join(f'{name} on {on}' for on, name in SCENARIOS.items())}]",
    metavar="NAME|PATH",
    read=str,
)
EXPERIMENT = Option(
    flag="experiment",
    help=f"What is done to it; repeatable; `all` for every one.  [default: {', '.join(EXPERIMENTS)}]",
    metavar="NAME|PATH",
    read=str,
    gather=_names,
    by=(RUN, PYTEST),
)
SUITE = Option(
    flag="suite",
    help="Play several by one word. slo: the failures that a promise is asked about. hand-over: the planned ways to"
    " move the master. clients: every client library that is installed here, side by side while the master is killed."
    " all: every experiment that there is.",
    metavar=f"[{'|'.join(SUITE_NAMES)}]",
    read=str,
    by=(RUN,),
)
TRIALS = Option(
    flag="trials", help="Of each experiment.  [default: 1]", metavar="N", read=at_least(1), by=(RUN, PYTEST)
)
CLAIMED = Option(
    flag="claim",
    help="Play as many trials as it takes to say of all failovers: within 15 s in 95 % of them, at 95 % confidence."
    "  With more --trials some of them may miss.",
    metavar="15s@95/95",
    read=claim,
    by=(RUN,),
)
PARALLEL = Option(
    flag="parallel",
    help="Trials at once, each on a system of its own; on kind in a namespace of its own."
    "  [default: two a core on local, 1 on kind]",
    metavar="N",
    read=at_least(1),
    by=(RUN,),
)
SEED = Option(
    flag="seed", help="Of every random wait; printed, so that it can be given again.", metavar="N", read=at_least(0)
)
DRY_RUN = Option(
    flag="dry-run",
    help="Say what would be done, where, with which rights and load, and for how long at most, and do nothing.",
    by=(RUN,),
)
KEEP = Option(
    flag="keep", help="Leave the kind cluster that this run makes; `failover cleanup --cluster` takes it down."
)
OUT = Option(flag="out", help="Where the campaign's directory is made.  [default: reports]", metavar="DIR", read=Path)
SET = Option(
    flag="set",
    help="Over the scenario, repeatable: limits.watch=5s.",
    metavar="KEY=VALUE",
    read=setting,
    gather=dict,
)
RESUME = Option(
    flag="resume",
    help="Go on with the campaign in this directory, whatever ended it; everything else is as it was asked then.",
    metavar="DIR",
    read=Path,
    by=(RUN,),
)
AGENT_IMAGE = Option(
    flag="agent-image", help="An image of the agent, instead of building one.", metavar="REF", read=str
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The options of a campaign. A field that is None is chosen when the campaign begins."""

    on: str | None = field(default=None, metadata=_by(ON))
    scenario: str | None = field(default=None, metadata=_by(SCENARIO))
    experiments: tuple[str, ...] | None = field(default=None, metadata=_by(EXPERIMENT))
    suite: str | None = field(default=None, metadata=_by(SUITE))
    trials: int = field(default=1, metadata=_by(TRIALS))
    claim: str | None = field(default=None, metadata=_by(CLAIMED))
    parallel: int | None = field(default=None, metadata=_by(PARALLEL))
    seed: int | None = field(default=None, metadata=_by(SEED))
    dry_run: bool = field(default=False, metadata=_by(DRY_RUN))
    keep: bool = field(default=False, metadata=_by(KEEP))
    out: Path = field(default=Path("reports"), metadata=_by(OUT))
    settings: Mapping[str, str] = field(default_factory=dict, metadata=_by(SET))
    agent_image: str | None = field(default=None, metadata=_by(AGENT_IMAGE))
    resume: Path | None = field(default=None, metadata=_by(RESUME))
    variants: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The settings of each variant of the scenario, by its name, for `failover ab` and `failover sweep`."""
    command: str = ""
    """The command as it was typed. It is only recorded."""

    @property
    def named(self) -> bool:
        """Whether experiments were named. Of others, such as `all`, those that cannot be played are left out."""
        return self.experiments is not None and "all" not in self.experiments


def options(by: str) -> dict[str, Option]:
    """Return the options that an entry point has: RUN, PYTEST or CHAOS_RUN. The keys are fields of `Options`."""
    declared = ((each.name, each.metadata.get("option")) for each in fields(Options))
    return {name: option for name, option in declared if option is not None and by in option.by}


def from_environment(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields of `Options` from variables, or from a chaostoolkit configuration with the names in lower case.

    A variable in upper case has precedence. Options that may be repeated are split at spaces. Raises ValueError with
    the variable's name.
    """
    found = {}
    for name, option in options(CHAOS_RUN).items():
        said = given.get(option.variable, given.get(option.variable.lower()))
        if said is None or said == "":
            continue
        try:
            found[name] = _value(option, str(said))
        except ValueError as error:
            raise ValueError(f"{option.variable}: {error}") from error
    return found


def _value(option: Option, text: str) -> Any:  # noqa: ANN401  whatever the field holds
    if option.gather and option.read:
        return option.gather([option.read(one) for one in text.split()])
    if option.read:
        return option.read(text)
    if text.lower() not in YES + NO:
        raise ValueError(f'"{text}" is neither yes nor no; write 1 or 0')
    return text.lower() in YES
