"""The commands for a system that runs already, and how its servers are connected to. `chaos.cli` takes them in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from chaos.errors import PASS


def access_options(command: Callable[..., int]) -> Callable[..., int]:
    """How servers are connected to. A password is no option, since `ps` would show it."""
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


@click.command()
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
    if bool(given["sentinel"]) == bool(given["context"] and given["namespace"]):
        raise click.UsageError("say where to look: --context and --namespace, or --sentinel")

    from chaos.init import begin

    file, remarks = begin(given)
    for remark in remarks:
        click.echo(remark)
    click.echo(file)
    return PASS
