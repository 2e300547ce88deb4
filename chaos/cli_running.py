"""The commands for a system that already runs, and the options for connecting to its servers.

`chaos.cli` includes them.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from chaos.errors import PASS


def access_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options for connecting to servers. A password is not an option, because `ps` would show it."""
    file = click.Path(path_type=Path, exists=True, dir_okay=False)
    for name, named in (("sentinel", "Sentinel"), ("", "Redis")):
        of = f"--{name}-" if name else "--"
        variable = f"FAILOVER_{named.upper()}_PASSWORD"
        says = f"A file whose first line is {named}'s password.  [default: the variable {variable}]"
        command = click.option(f"{of}password-file", type=file, help=says)(command)
        command = click.option(f"{of}user", help=f"The user to log in to {named} as.")(command)
    for option, says in (
        ("--key", "The key of our certificate."),
        ("--cert", "Our certificate, where servers ask for one."),
        ("--cacert", "The authority of the servers' certificates.  [default: those of this machine]"),
    ):
        command = click.option(option, type=file, help=says)(command)
    bears = click.option("--server-name", help="The name that certificates bear.  [default: the host's]")
    speaks = click.option("--tls", is_flag=True, help="Speak TLS, to Redis and to Sentinel.")
    return speaks(bears(command))


OF_NAMESPACE = {"--context", "--namespace", "--name", "--kubeconfig", "--manifests"}
"""What `init` takes for a namespace. All else but --out is for a Sentinel."""


@click.command(short_help="Write a scenario from a system that runs.")
@click.option("--context", help="A context of the kubeconfig: which cluster to read.")
@click.option("--namespace", help="Where the system runs.")
@click.option("--name", default="", help="Which system, if the namespace has several.")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="[default: $KUBECONFIG, or ~/.kube/config]")
@click.option("--manifests", multiple=True, metavar="PATH", help="What deploys the system; repeatable, in order.")
@click.option("--sentinel", metavar="HOST:PORT", help="A Sentinel, instead of a namespace: for `failover watch`.")
@click.option("--master", help="Sentinel's name for the master, if it watches several.")
@access_options
@click.option("--out", type=click.Path(path_type=Path), help="[default: scenarios/ and the name of what was found]")
def init(**given: Any) -> int:  # noqa: ANN401  # click hands over what was declared
    """Write a scenario from what runs, in a namespace or behind a Sentinel. Nothing there is changed.

    \b
    failover init --context prod --namespace cache
    failover init --sentinel redis-a:26379
    """
    asked = {one.opts[0] for one in click.get_current_context().command.params if given[str(one.name)]} - {"--out"}
    if not given["sentinel"] and not (given["context"] and given["namespace"]):
        raise click.UsageError("say where to look: --context and --namespace, or --sentinel")
    other = asked & OF_NAMESPACE if given["sentinel"] else asked - OF_NAMESPACE
    if other:
        asks = "--sentinel asks a Sentinel and no cluster" if given["sentinel"] else "--context asks a cluster alone"
        raise click.UsageError(f"{asks}: leave out {', '.join(sorted(other))}")

    from chaos.init import begin

    file, remarks = begin(given)
    for remark in remarks:
        click.echo(remark)
    click.echo(file)
    return PASS


def address(text: str) -> str:
    from chaos.scenario.units import parse_address

    return parse_address(text)


def duration(text: str) -> float:
    from chaos.scenario.units import parse_duration

    return parse_duration(text)


def rate(text: str) -> float:
    from chaos.scenario.units import parse_rate

    return parse_rate(text)


def mapped(text: str) -> tuple[str, str]:
    """Parse `A=B` of `--map`: the address that Sentinel announces, and the one under which it is reached from here."""
    told, equals, reached = text.partition("=")
    if not equals:
        raise ValueError(f'"{text}" is no map; write 172.18.0.3:6379=localhost:6380')
    return address(told), address(reached)


class Read(click.ParamType[Any]):
    """A click type whose values a function parses. The function raises ValueError with a sentence."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401  click's
        try:
            return self._read(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


ADDRESS, DURATION, RATE = Read("address", address), Read("time", duration), Read("rate", rate)
ADDRESSES = Read("address,…", lambda text: [address(one) for one in text.split(",")])
MAP = Read("told=reached", mapped)


@click.command(short_help="Measure a system that runs, and do nothing to it.")
@click.option("--scenario", metavar="NAME|PATH", help="What `failover init --sentinel` wrote; options hold over it.")
@click.option(
    "--sentinel", "sentinels", type=ADDRESSES, multiple=True, help="A Sentinel, which tells the others, or several."
)
@click.option("--service", "services", type=ADDRESS, multiple=True, help="An address that clients write to.")
@click.option("--master", help="Sentinel's name for the master. It is needed if a Sentinel watches several.")
@click.option(
    "--map", "maps", type=MAP, multiple=True, help="172.18.0.3:6379=localhost:6380: how it is reached from here."
)
@click.option("--read-only", is_flag=True, help="Send reads: they see outages and no losses.")
@click.option("--for", "for_s", type=DURATION, help="End after this time, such as 10m.")
@click.option("--until", type=click.IntRange(min=1), metavar="N", help="End after so many failovers.")
@click.option("--expect", "expect_s", type=DURATION, help="Promise that every outage is over by then, such as 15s.")
@click.option("--rate", "rate_hz", type=RATE, default="20/s", show_default=True, help="How often each client sends.")
@click.option(
    "--deadline",
    "deadline_s",
    type=DURATION,
    help="An operation is bad if it takes longer.  [default: chosen, from 100ms on]",
)
@click.option(
    "--stable",
    "stable_s",
    type=DURATION,
    default="5s",
    show_default=True,
    help="An outage is over once nothing was bad for so long.",
)
@click.option("--database", type=click.IntRange(min=0), default=0, metavar="N", help="Redis's database.")
@access_options
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("reports"), show_default=True, help="Where reports go."
)
@click.option("--quiet", is_flag=True, help="Only the verdict.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND …]")
def watch(**given: Any) -> int:  # noqa: ANN401  # click hands over what was declared
    """Measure a Redis that runs already, and do nothing to it.

    It needs addresses and no more: no Kubernetes, no root. Without a command it watches until Ctrl-C, or as long as
    --for or --until say. A command after -- is started, and watched until the system is stable again.

    \b
    failover watch --sentinel redis-a:26379
    failover watch --sentinel redis-a:26379 --expect 15s -- kubectl delete pod redis-0

    Without --expect the exit code says only whether it was measured.
    """
    from chaos.watch.command import of_scenario, watched

    source = click.get_current_context().get_parameter_source
    typed = {name: value for name, value in given.items() if source(name) is not ParameterSource.DEFAULT}
    written = of_scenario(given["scenario"]) if given["scenario"] else {}
    return watched({**given, **written, **typed}, " ".join(["failover", *sys.argv[1:]]))
