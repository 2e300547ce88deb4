"""`failover run --dry-run`: print what a run would do, where, with which permissions and load, and for how long.

It reads files and contacts no cluster. What a run refuses before it deploys anything, such as a misspelt experiment, is
refused here too. Without `--on`, it checks whether kind can run here, as a run does.
"""

import errno
import os
import textwrap
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from chaos import resume
from chaos.campaign import hold
from chaos.choice import Choice, divided, plays_alone
from chaos.client.spec import ClientSpec, Load
from chaos.cluster.base import PlatformOptions
from chaos.cluster.executor import LEASE_S
from chaos.cluster.kube.deploy import NAMESPACE, described, objects
from chaos.errors import SetupError
from chaos.experiment.written import Experiment
from chaos.listing import kind_with, local
from chaos.options import Options
from chaos.place import LOCAL
from chaos.scenario import Loaded
from chaos.scenario.scenario import Scenario
from chaos.trial.assignment import BEYOND_S, client_specs, limits_s
from chaos.trial.steps import AUDIT_S, DEADLINES_S, MASTER_S, WARM_UP_SHARE
from chaos.undo import Undo

WIDTH = 110
VALUE_BYTES = Load(deadline_s=0, keys="", ttl_s=0, database=0, master="").value_bytes
KIND_FIRST_S = 300.0
"""How long kind usually takes the first time, to make nodes and load images. It is not a limit."""
Lines = Iterator[tuple[str, str]]
"""Pairs of a heading and a sentence. An empty heading means the previous one."""


def text(options: Options) -> str:
    """Return what a run with these options would do, as text. Raises ScenarioError if the run would be refused."""
    return "\n".join(
        textwrap.fill(
            sentence,
            WIDTH,
            initial_indent=f"{heading:<10}",
            subsequent_indent=" " * 12,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for heading, sentence in told(options)
    )


def told(options: Options) -> Lines:
    if options.resume:
        options = resume.asked(options)
        os.close(hold(options.resume or options.out))
    _refuse_unwritable(options.resume or options.out)
    choice = Choice.of(options)
    choice.platform(
        PlatformOptions(keep=options.keep, tell=lambda _: None, made=_nothing_is_made, agent_image=options.agent_image)
    )
    scenario, place, trials = choice.loaded.scenario, choice.place, choice.trials
    here = local() if place.on == LOCAL else kind_with(scenario)
    experiments, not_here = divided(choice.experiments, here)
    if not_here and options.named:
        raise SetupError("\n".join(not_here))
    yield "scenario", f"{scenario.name}: {scenario.about}"
    yield from (("", f"note: {warning}") for warning in choice.loaded.warnings)
    if place.on == LOCAL:
        yield from _on_local(scenario, place.why, here.missing)
    else:
        yield from _on_kind(choice.loaded, keep=options.keep)
    yield from _load(scenario)
    yield from _done(experiments, trials)
    if options.variants:
        variants = "; ".join(f"{name} ({_settings(settings)})" for name, settings in options.variants.items())
        yield "", f"each of them in {len(options.variants)} variants: {variants}"
    if alone := [one.name for one in experiments if plays_alone(one, place.on, choice.at_once)]:
        yield "", f"played at the end, while no other trial runs, since each hits every system: {', '.join(alone)}"
    yield from (("", f"left out: {sentence}") for sentence in (*choice.left_out, *not_here))
    yield from _at_most(choice, experiments)
    yield "", "Nothing was done: this was a dry run."


def _nothing_is_made(undo: Undo) -> Path:
    raise AssertionError(f"a dry run would have made {undo.what}")


def _refuse_unwritable(out: Path) -> None:
    """Raise SetupError if no directory can be made there."""
    there = next(one for one in (out.absolute(), *out.absolute().parents) if one.exists())
    why = errno.EACCES if not os.access(there, os.W_OK) else 0 if there.is_dir() else errno.ENOTDIR
    if why:
        raise SetupError(f"no campaign can be written to {out}: {os.strerror(why)}; choose another --out")


def _members(scenario: Scenario) -> str:
    return f"{scenario.system.replicas + 1} Redis and {scenario.system.sentinels} Sentinels"


def _on_local(scenario: Scenario, why: str, missing: str) -> Lines:
    yield "where", "local: processes of this machine, in network namespaces of their own or at loopback addresses"
    if why:
        yield "", f"kind cannot run here: {why}"
    if missing:
        yield "", f"note: it cannot run here yet: {missing}"
    yield "system", f"{_members(scenario)}, made for each trial and gone with it"
    yield "rights", "those of this user: no root, no container engine, no Kubernetes"


def _on_kind(loaded: Loaded, *, keep: bool) -> Lines:
    yield "where", "kind: a cluster of nodes in containers of this machine, which no kubeconfig of yours knows"
    yield (
        "",
        "it is made if it is not there" + (", and kept" if keep else "; what this run makes is removed at the end"),
    )
    kube = loaded.scenario.system.on_kube
    deployed = described(objects(loaded.folder, kube.manifests))
    applied = f"; applied: {deployed}" if deployed else ""
    yield "system", f"{_members(loaded.scenario)} in namespace {kube.namespace}{applied}"
    if kube.images:
        yield "", f"images brought to the nodes: {', '.join(kube.images)}"
    yield "rights", "here: to use the container engine. In that cluster: everything, since it is ours"
    agent = "no root, no capabilities, no service account's token"
    yield "", f"a pod with clients and observers in {kube.namespace}: {agent}"
    yield "", f"a privileged pod in {NAMESPACE} on every node with a member, to send signals and to cut networks"


def _load(scenario: Scenario) -> Lines:
    clients = list(client_specs(scenario))
    rate = sum(one.rate_hz for one in clients)
    new = sum(one.rate_hz for one in clients if one.connection == "new")
    yield "load", f"{len(clients)} clients, {rate:g} writes a second in all, {new:g} of them on a new connection each"
    for path, of_path in groupby(clients, key=lambda one: one.path):
        yield "", f"{path}: {_clients(list(of_path))}"
    yield "", _connected(scenario)
    expire = span(int(limits_s(scenario) + BEYOND_S))
    keys = f"keys failover:…, of {VALUE_BYTES} bytes, in database {scenario.database}"
    yield "", f"{keys}; they are removed at the end, and expire after {expire} in any case"


def _clients(clients: list[ClientSpec]) -> str:
    first = clients[0]
    ways = {one.connection: sum(other.connection == one.connection for other in clients) for one in clients}
    each = " and ".join(f"{count} on {way} connections" for way, count in ways.items())
    asks = "asks Sentinel at " if first.via_sentinel else ""
    library = f", by {first.what}" if first.what else ""
    return f"{asks}{first.address}, {each}, {first.rate_hz:g}/s each{library}"


def _connected(scenario: Scenario) -> str:
    place = scenario.system.place
    logins = [
        f"to {name} "
        + (f"as {asks.user or 'the default user'} with a password" if asks.password else "without a login")
        for name, asks in (("Redis", place), ("Sentinel", place.sentinel))
    ]
    return f"connected {'with' if place.tls else 'without'} TLS, {' and '.join(logins)}"


def _done(experiments: list[Experiment], trials: int) -> Lines:
    heading = "done"
    for one in experiments:
        yield heading, f"{one.name} × {trials}: {one.content['title']}. {one.content['description']}"
        heading = ""
        for activity in one.content["method"]:
            yield "", f"  {_activity(activity)}"
    yield "", f"whatever is held is undone at the end, and by itself within {LEASE_S:g} s if this process is killed"
    yield "", "every key is read back at the end, to count acknowledged writes that are lost"


def _activity(activity: dict[str, Any]) -> str:
    provider = activity.get("provider", {})
    given = provider.get("arguments")
    words = (
        ", ".join(f"{name} {str(value).lower()}" for name, value in given.items()) if isinstance(given, dict) else ""
    )
    called = provider.get("func") or provider.get("path") or provider.get("url") or activity.get("ref", "")
    return f"{activity.get('name', called)}: {called}" + (f" ({words})" if words else "")


def _settings(settings: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in settings.items()) or "as it is"


def longest_s(scenario: Scenario, experiment: Experiment) -> float:
    """Return the longest duration of one trial in seconds, with each of its steps at its limit.

    Activities of others are not counted, because their duration is not known.
    """
    limits = scenario.limits
    baselines = 1 + sum(one > scenario.deadline for one in DEADLINES_S)
    waits = [limits.healthy, baselines * (1 + WARM_UP_SHARE) * limits.baseline, scenario.system.period]
    for activity in experiment.content["method"]:
        provider, pauses = activity.get("provider", {}), activity.get("pauses") or {}
        waits += [float(pauses.get(one, 0)) for one in ("before", "after")]
        if provider.get("func") == "hold":
            waits.append(float(provider["arguments"]["seconds"]))
        elif provider.get("func") == "wait_until_recovered":
            waits.append(limits.recovery)
    return sum([*waits, limits.watch, limits.recovery, min(MASTER_S, limits.recovery), AUDIT_S])


def _at_most(choice: Choice, experiments: list[Experiment]) -> Lines:
    scenario, side_by_side = choice.loaded.scenario, choice.at_once
    each = {
        one.name: max(longest_s(variant.scenario, one) for variant in choice.variants.values()) for one in experiments
    }
    words = ", ".join(f"{name} {span(seconds)}" for name, seconds in each.items())
    yield "at most", f"a trial: {words}; most take far less, since a trial goes on once the system is back"
    of_each = choice.trials * len(choice.variants)
    count = of_each * len(experiments)
    whole = sum(each.values()) * of_each if side_by_side == 1 else -(-count // side_by_side) * max(each.values())
    several = f", {side_by_side} at once" if min(side_by_side, count) > 1 else ""
    yield "", f"in all: {count} {'trial' if count == 1 else 'trials'}{several}, {span(whole)}"
    if scenario.system.kube is not None:
        first = span(KIND_FIRST_S)
        yield "", f"before that, the first time, kind makes its cluster and pulls images, which takes about {first}"
    yield "", f"if this machine is gone, clients and observers end by themselves after {span(limits_s(scenario))}"


def span(seconds: float) -> str:
    """Return a duration such as `2 min 40 s`, or without seconds from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (0 if hours else rest, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
