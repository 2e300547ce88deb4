"""The command line: the commands that `failover --help` lists. `init` and `watch` are in `chaos.cli_running`.

A command reads its options, calls one function, prints the result, and returns the exit code. Modules that need numpy,
matplotlib or chaostoolkit are imported by the command that uses them, because they take seconds to load.
"""

import sys
import traceback
import webbrowser
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from chaos import __version__
from chaos.analysis.result import CampaignResult, Verdict
from chaos.cli_running import Read, init, watch
from chaos.errors import EXIT_CODES, INCONCLUSIVE, PASS, HarnessError, NoCampaignError, ScenarioError, SetupError
from chaos.options import RUN, SCENARIOS, SET, Options, of_variant, options, setting
from chaos.record.layout import CAMPAIGN, no_campaign
from chaos.scenario.lookup import shipped

REPORTS = Path("reports")
REPORT, SUMMARY = "report.html", "summary.json"
ONE_SCENARIO = ("claim", "resume", "keep", "agent_image")
"""The options that a campaign of variants does not have. `failover run --resume` resumes such a campaign too, and
variants are played on local, where there is no cluster to keep and no image."""
VARIANT_TRIALS, KILL = 20, "kill-master"
"""The default number of trials of each variant, and the default experiment."""

directory = click.argument("directory", type=click.Path(path_type=Path))


@click.group(commands=[init, watch], context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, message="failover %(version)s")
def cli() -> None:
    """Find out where every second of a Redis Sentinel failover goes, and whether the recovery claim holds.

    \b
    Exit codes: 0 pass · 1 fail · 5 inconclusive · 2 a bad file or option
                3 something missing, or no healthy start · 4 the harness failed
    """


def campaign_options(
    command: Callable[..., int], *, without: Collection[str] = (), defaults: Mapping[str, str] = MappingProxyType({})
) -> Callable[..., int]:
    """Add every option that `chaos.options` declares for `failover run`, each under the name of its field.

    `defaults` says in the help what a command takes that has a default of its own.
    """
    for name, option in reversed(options(RUN).items()):
        if name in without:
            continue
        typed = {"type": Read("value", option.read), "metavar": option.metavar} if option.read else {"is_flag": True}
        about, _, _ = option.help.partition("  [default: ")
        text = f"{about}  [default: {defaults[name]}]" if name in defaults else option.help
        command = click.option(f"--{option.flag}", name, help=text, multiple=option.gather is not None, **typed)(
            command
        )
    return command


def variants_options(experiments: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Return what adds the options of `failover run`, without those that a campaign of variants cannot take."""
    own = {"on": "local", "scenario": SCENARIOS["local"], "experiments": experiments, "trials": str(VARIANT_TRIALS)}
    return partial(campaign_options, without=ONE_SCENARIO, defaults=own)


def side(name: str, which: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Add the option `--a` or `--b`, with the settings of one of two variants."""
    text = f"Of the {which} variant, over the scenario; repeatable: redis.min-replicas-to-write=1."
    return click.option(f"--{name}", type=Read("setting", setting), metavar=SET.metavar, help=text, multiple=True)


def scenario_of(named: str | None, given: Mapping[str, Any]) -> str | None:
    """Return the scenario, which may be an argument or an option."""
    if named and given["scenario"] not in (None, named):
        raise click.UsageError(f"two scenarios are given, {named} and {given['scenario']}: leave one out")
    return named or given["scenario"]


def variants_asked(named: str | None, given: Mapping[str, Any]) -> Options:
    """Return the options of `failover ab` and `failover sweep`.

    They run on local by default, where each trial has its own system.
    """
    wanted = asked({"trials": VARIANT_TRIALS, **_said(given), "scenario": scenario_of(named, given)})
    unsaid = None if wanted.suite else (KILL,)
    return replace(wanted, on=wanted.on or "local", experiments=wanted.experiments or unsaid)


def _said(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def asked(given: Mapping[str, Any]) -> Options:
    """Return the options of a campaign from click's values. Missing ones keep their defaults."""
    declared = options(RUN)
    said = _said(given)
    gathered = {
        name: gather(said[name]) for name, option in declared.items() if (gather := option.gather) and name in said
    }
    return Options(**{**said, **gathered}, command=shown(sys.argv))


@cli.command()
@click.argument("named", metavar="[SCENARIO]", required=False)
@campaign_options
@click.option("--quiet", is_flag=True, help="Only the verdict.")
@click.option("--list", "listed", is_flag=True, help="Play nothing: list what can be played, and where.")
def run(named: str | None, quiet: bool, listed: bool, **given: Any) -> int:  # noqa: ANN401  # click hands over what was declared
    """Play experiments on a scenario, and report."""
    wanted = asked(given | {"scenario": scenario_of(named, given)})
    if listed:
        from chaos import listing

        for line in listing.listing(wanted, listing.places()):
            click.echo(line)
        return PASS
    if wanted.dry_run:
        return described(wanted)
    result, _ = played(wanted, quiet=quiet)
    return EXIT_CODES[result.verdict]


def described(wanted: Options) -> int:
    """Say what a campaign would do."""
    from chaos import dry_run

    click.echo(dry_run.text(wanted))
    return PASS


def played(wanted: Options, *, quiet: bool) -> tuple[CampaignResult, Path]:
    """Play a campaign, and tell of it. Returns its result and its directory."""
    from chaos import campaign
    from chaos.report.terminal import Terminal

    terminal = Terminal(quiet=quiet)
    result, folder = campaign.run(wanted, terminal.tell)
    terminal.closing(result, folder / REPORT)
    return result, folder


@cli.command(short_help="Play two variants in pairs, and say how they differ.")
@click.argument("named", metavar="[SCENARIO]", required=False)
@side("a", "first")
@side("b", "second")
@variants_options(KILL)
@click.option("--quiet", is_flag=True, help="Only the verdict and the comparison.")
def ab(named: str | None, quiet: bool, **given: Any) -> int:  # noqa: ANN401  # as in `run`
    """Play two variants of a scenario side by side, in pairs of one seed, and say how they differ.

    20 trials of kill-master each on local, unless told otherwise.
    """
    variants = {name: of_variant(given.pop(name)) for name in ("a", "b")}
    if variants["a"] == variants["b"]:
        raise click.UsageError("the two do not differ: give --b KEY=VALUE, as in --b redis.min-replicas-to-write=1")
    wanted = replace(variants_asked(named, given), variants=variants)
    if wanted.dry_run:
        return described(wanted)
    from chaos.compare import compare_variants

    result, folder = played(wanted, quiet=quiet)
    for sentence in compare_variants(folder):
        click.echo(sentence)
    return PASS if result.verdict is not Verdict.INCONCLUSIVE else INCONCLUSIVE


@cli.command(short_help="Play several values of one setting, and say what each costs.")
@click.argument("named", metavar="[SCENARIO]", required=False)
@click.option(
    "--over", metavar="KEY=V1,V2", help="The setting and its values: sentinel.down-after-milliseconds=1000,5000."
)
@click.option("--again", type=click.Path(path_type=Path), metavar="DIR", help="Tell of a sweep that was played.")
@variants_options(f"{KILL}, and four pauses")
@click.option("--quiet", is_flag=True, help="Only the verdict, the table and the best setting.")
def sweep(named: str | None, over: str | None, again: Path | None, quiet: bool, **given: Any) -> int:  # noqa: ANN401
    """Play a scenario with several values of one setting, and say which keeps its promise at what price.

    Of each value 20 kills on local, and as many pauses of a healthy master of 0.5, 1, 2 and 4 s each, unless told
    otherwise: a failover that comes of these is one that nobody needed.
    """
    from chaos.report import sweep as swept

    if again is None:
        variants = _over(over)
        experiments = {"experiments": swept.experiments()} if not given["experiments"] else {}
        wanted = replace(variants_asked(named, given | experiments), variants=variants)
        if wanted.dry_run:
            return described(wanted)
        _, again = played(wanted, quiet=quiet)
    for line in swept.write(again):
        click.echo(line)
    return PASS


def _over(given: str | None) -> dict[str, dict[str, str]]:
    """Return the settings of each variant of a sweep, by a name such as `down-after-milliseconds=1000`."""
    key, equals, values = (given or "").partition("=")
    each = [value for value in values.split(",") if value]
    if not key or not equals or len(set(each)) < 2:
        raise click.UsageError("--over takes a setting and two values or more: --over redis.hz=10,100")
    return {f"{key.rpartition('.')[2]}={value}": of_variant([(key, value)]) for value in each}


@cli.command()
@directory
@click.option("--parquet", is_flag=True, help="Also write each trial's operations as Parquet.")
def analyse(directory: Path, parquet: bool) -> int:
    """Make a campaign's report again, from its raw files."""
    if parquet and find_spec("pyarrow") is None:
        raise SetupError("--parquet needs pyarrow, which is not installed: pip install 'failover-harness[parquet]'")

    from chaos.report.files import report as reported
    from chaos.report.terminal import Terminal

    result, page = reported(directory)
    if parquet:
        from chaos.record.parquet import export
        from chaos.record.reader import trials

        for trial in trials(directory):
            export(trial)
    Terminal().closing(result, page)
    return EXIT_CODES[result.verdict]


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path), required=False)
@click.option("--sample", is_flag=True, help="Open the report that comes with failover: one real campaign.")
def report(directory: Path | None, sample: bool) -> int:
    """Open a campaign's report, or the newest under reports/."""
    page = shipped() / REPORTS / "sample" / REPORT if sample else newest(directory or REPORTS, REPORT) / REPORT
    if not page.is_file():
        raise ScenarioError(f"{page} is not there; `failover analyse {page.parent}` makes it")
    click.echo(page)
    webbrowser.open(page.resolve().as_uri())
    return PASS


@cli.command(short_help="Say by the exit code what became of a campaign.")
@directory
@click.option(
    "--require",
    type=click.Choice(["conclusive", "pass"]),
    default="pass",
    show_default=True,
    help="conclusive: a fail is fine too, for then the harness did its work.",
)
@click.option(
    "--gate",
    type=click.Choice(["claim", "known", "regression"]),
    default="claim",
    show_default=True,
    help="claim: by what is promised. known: by --expected, red on any change, and on a pass that nobody expected."
    " regression: by the nights before, red once fresh trials confirm that tonight is slower.",
)
@click.option(
    "--expected",
    type=click.Path(path_type=Path, dir_okay=False),
    default="expected.yaml",
    show_default=True,
    help="What is known of a system that does not keep its promises.",
)
@click.option("--max-age", metavar="36h", help="Red if the newest campaign in the directory is older.")
@click.option("--confirm", is_flag=True, help="Play fresh trials of what --gate regression has an alarm of.")
def check(directory: Path, **given: Any) -> int:  # noqa: ANN401  # as in `run`
    """Say by the exit code what became of a campaign, or of the newest one in a directory."""
    folder = newest(directory, SUMMARY, CAMPAIGN)
    if not (folder / SUMMARY).is_file():  # a run that was killed; the night before it is not judged instead
        raise no_campaign(folder, SUMMARY)

    from chaos import gates
    from chaos.scenario.units import parse_duration

    try:
        most_s = parse_duration(given["max_age"]) if given["max_age"] else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--max-age") from error
    nights = folder.resolve().parent if folder == directory else directory
    asked = gates.Asked(**{**given, "max_age": most_s, "nights": nights})
    lines, code = gates.judge(folder, asked, datetime.now(UTC))
    for line in lines:
        click.echo(line)
    return code


@cli.command(short_help="Say how two campaigns differ.")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path), required=False)
@click.option("--unlike", is_flag=True, help="Compare what was played with another scenario, place or machine, too.")
def compare(first: Path, second: Path | None, unlike: bool) -> int:
    """Say how two campaigns differ, and the smallest difference that they could have shown.

    One campaign alone is one of `failover ab`, whose two variants are compared.
    """
    from chaos.compare import compare as compared
    from chaos.compare import compare_variants

    for sentence in compared(first, second, unlike=unlike) if second else compare_variants(first):
        click.echo(sentence)
    return PASS


@cli.command(short_help="Undo and remove what runs left that were killed.")
@click.option("--dry-run", is_flag=True, help="Only say what would be undone and removed.")
@click.option("--cluster", is_flag=True, help="Also remove the kind cluster of this checkout, which --keep left.")
def cleanup(dry_run: bool, cluster: bool) -> int:
    """Undo and remove what runs left that were killed; runs that live are left alone."""
    import asyncio

    from chaos.cleanup import cleanup as cleaned

    asyncio.run(cleaned(click.echo, dry_run=dry_run, cluster=cluster))
    return PASS


@cli.command(short_help="Make one page of all campaigns in a directory, night by night.")
@directory
@click.option("--openmetrics", is_flag=True, help="Also write the newest night as OpenMetrics.")
def history(directory: Path, openmetrics: bool) -> int:
    """Make one page of all campaigns in a directory, night by night, and what a dashboard takes of the newest."""
    from chaos.report.nights import write

    click.echo(write(directory, openmetrics=openmetrics))
    return PASS


@cli.command(short_help="Say what is missing here, and what brings it.")
def doctor() -> int:
    """Say what is missing here, and what brings it; 0 where a run can start on kind or on local."""
    from chaos.doctor import diagnose

    findings = diagnose()
    for finding in findings:
        click.echo(finding.line())
    return PASS if findings[-1].ok else SetupError.exit_code


def newest(folder: Path, file: str, *others: str) -> Path:
    """Return `folder` if it is a campaign's, or the newest in it that has `file` or one of `others`.

    Names begin with the time. Raises NoCampaignError. Before anything was played, it says how to make a report.
    """
    found = [folder, *sorted(folder.glob("[0-9]*/"), reverse=True)]
    campaign = next((one for one in found if any((one / name).is_file() for name in (file, *others))), None)
    if campaign is None and folder == REPORTS:
        raise NoCampaignError(
            f"no report in {folder}/; `failover run` makes one, and `failover report --sample` shows one"
        )
    if campaign is None:
        raise no_campaign(folder, file)
    return campaign


def shown(command: Sequence[str]) -> str:
    """Return the command as the user typed it."""
    return " ".join(["failover", *command[1:]])


def entry(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. A traceback is printed only for a bug, which the message says."""
    try:
        return cli.main(list(arguments), prog_name="failover", standalone_mode=False) or PASS
    except click.ClickException as error:
        error.show()
        return ScenarioError.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _failed("interrupted", 130)
    except HarnessError as error:
        return _failed(str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001  # the last place that can still say it in a sentence
        traceback.print_exc()
        return _failed(f"a mistake in failover itself, not in your system: {error!r}", HarnessError.exit_code)


def _failed(text: str, code: int) -> int:
    click.echo(f"error: {text}", err=True)
    return code


def main() -> None:
    sys.exit(entry(sys.argv[1:]))
