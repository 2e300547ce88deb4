"""`failover init`: write a scenario for the system in a namespace or behind a Sentinel. Nothing there is changed.

A comment at the top of the file lists what is missing. What cannot be found out is a comment beside its key. The file
can be used as it is.
"""

import asyncio
import os
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml
from hiredis import ReplyError

from chaos.access import REDIS, SENTINEL, Access, Accesses, Tls, denied, trouble
from chaos.cluster.kube.api import Api
from chaos.cluster.kube.effective import from_haproxy, read_settings
from chaos.cluster.kube.found import ASKED, OF_SENTINEL, FoundSystem, LeadingService, found, look, number
from chaos.errors import ScenarioError, SetupError
from chaos.model import split_address
from chaos.observe.watch import pairs
from chaos.resp import Resp, info_fields
from chaos.scenario.load import load
from chaos.scenario.lookup import SCENARIO, shipped
from chaos.scenario.units import parse_address

WIDTH = 112
ANSWER_S = 2.0
"""How long a Sentinel or a Redis may take to connect and to answer."""
PROMISED = "15s"
SLOWER = "asked: is anything slower than Sentinel's ping part of a recovery?"
NEVER_KNOWN = "asked: what is promised to those who use it? Until you say, 15 s stand here"


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftKey:
    """A key of the file. `value` is a list of further keys, or a YAML value. With `asked` the line is a comment."""

    key: str
    value: "Sequence[DraftKey] | Any"
    about: str = ""
    asked: bool = False


@dataclass(kw_only=True, slots=True)
class Draft:
    """A scenario that is being written: the command that it comes from, remarks on what is missing, and its keys."""

    origin: str
    remarks: list[str] = field(default_factory=list)
    entries: list[DraftKey] = field(default_factory=list)

    def text(self) -> str:
        lines = [f"# yaml-language-server: $schema={shipped() / 'scenarios' / 'schema.json'}"]
        lines += _comment(
            f"Written by `{self.origin}`, from what ran there. Where a comment begins with `asked`, it is your turn."
        )
        if self.remarks:
            lines += ["#", "# What is missing there, or could not be read:"]
            lines += [line for remark in self.remarks for line in _comment(remark, "# - ")]
        for entry in self.entries:
            lines += ["", *_lines(entry, "")] if isinstance(entry.value, list) else _lines(entry, "")
        return "\n".join(lines) + "\n"


def _comment(text: str, begins: str = "# ") -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=begins, subsequent_indent="#" + " " * (len(begins) - 1), break_long_words=False
    )


def _lines(entry: DraftKey, indent: str) -> Iterator[str]:
    begins = f"{indent}# {entry.key}:" if entry.asked else f"{indent}{entry.key}:"
    if isinstance(entry.value, list) and entry.value and isinstance(entry.value[0], DraftKey):
        yield begins + (f"  # {entry.about}" if entry.about else "")
        for one in entry.value:
            yield from _lines(one, indent + "  ")
        return
    flow = yaml.safe_dump(entry.value, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True)
    said = f"{begins} {flow.strip().removesuffix('...').strip()}"
    yield f"{said}  # {entry.about}" if entry.about else said


def begin(given: Mapping[str, Any]) -> tuple[Path, list[str]]:
    """Carry out `failover init` with these options. Return the file, and sentences for the user."""
    if given["sentinel"]:
        try:
            address = parse_address(given["sentinel"])
        except ValueError as error:
            raise ScenarioError(f"--sentinel: {error}") from error
        accesses = Accesses.asked(given)
        draft, name = asyncio.run(from_sentinel(address, accesses, master=given["master"]))
        out = given["out"] or Path("scenarios") / name
    else:
        kubeconfig, namespace = kubeconfig_of(given["kubeconfig"]), given["namespace"]
        out = given["out"] or Path("scenarios") / (given["name"] or namespace)
        beside = [os.path.relpath(path, folder_of(out)) for path in given["manifests"]]
        reading = from_namespace(kubeconfig, given["context"], namespace, name=given["name"], manifests=beside)
        draft = asyncio.run(reading)
    return write(draft, out), draft.remarks


def folder_of(out: Path) -> Path:
    """Return the scenario's folder. `out` is the folder or the file in it."""
    return out.parent if out.suffix in (".yaml", ".yml") else out


def write(draft: Draft, out: Path) -> Path:
    """Write the file, and load it as a run would, to check it. Raises ScenarioError if the file exists."""
    file = out if out.suffix in (".yaml", ".yml") else out / SCENARIO
    if file.exists():
        raise ScenarioError(f"{file} is there already and is kept; name another folder with --out")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(draft.text())
    load(str(file))
    return file


# From Kubernetes.


def kubeconfig_of(given: Path | None) -> Path:
    """The kubeconfig that is named, or else the one that kubectl uses. Raises SetupError where it is not there."""
    named = given or Path(os.environ.get("KUBECONFIG", "").partition(":")[0] or Path.home() / ".kube" / "config")
    if not named.is_file():
        raise SetupError(f"there is no kubeconfig {named}: name the file by --kubeconfig, or in KUBECONFIG")
    return named


async def from_namespace(
    kubeconfig: Path, context: str, namespace: str, *, name: str, manifests: Sequence[str]
) -> Draft:
    """Return a draft for the system in a namespace.

    Raises ScenarioError if there is no Redis with Sentinel, or several.
    """
    with Api(kubeconfig, context) as api:
        objects = await look(api, namespace)
        system = found(objects, name)
        from_haproxy(system, objects.configmaps)
        await read_settings(api, system)
    origin = f"failover init --context {context} --namespace {namespace}" + (f" --name {name}" if name else "")
    return drafted(system, namespace, origin=origin, manifests=manifests)


def drafted(system: FoundSystem, namespace: str, *, origin: str, manifests: Sequence[str] = ()) -> Draft:
    """Return the draft for the system that was found."""
    draft = Draft(origin=origin, remarks=system.remarks)
    about = f"Redis in namespace {namespace}, looked after by {system.by}"
    kube = [*_kube(system, namespace, manifests), *_connecting(system)]
    slow = system.operator == "spotahome"
    period = DraftKey(
        key="period",
        value="30s" if slow else "1s",
        about="the operator's resync" if slow else SLOWER,
    )
    settings = {part: system.settings[part] for part in ("sentinel", "redis", "proxy") if system.settings.get(part)}
    known = [DraftKey(key=part, value=values, about=system.said[part]) for part, values in settings.items()]
    draft.entries = [
        DraftKey(key="about", value=about),
        DraftKey(
            key="system",
            value=[
                DraftKey(key="kube", value=kube),
                DraftKey(key="operator", value=system.operator, about=f"it is looked after by {system.by}"),
                DraftKey(key="replicas", value=system.replicas),
                DraftKey(key="sentinels", value=system.sentinels),
                period,
                *([DraftKey(key="settings", value=known)] if known else []),
            ],
        ),
        DraftKey(key="clients", value=list(_clients(system))),
        *_promises(endpoint=system.master is not None or system.front is not None),
        DraftKey(
            key="limits",
            value={"recovery": "180s", "stable": "5s", "watch": "35s" if slow else "15s", "baseline": "10s"}
            | {"healthy": "180s"},
        ),
    ]
    return draft


def _kube(system: FoundSystem, namespace: str, manifests: Sequence[str]) -> Iterator[DraftKey]:
    deployed = "" if manifests else "asked: what deploys it? Without manifests it has to run already, as with --keep"
    yield DraftKey(key="manifests", value=list(manifests), about=deployed)
    yield DraftKey(key="namespace", value=namespace)
    yield DraftKey(key="images", value=system.images)
    redis, sentinel = system.redis, system.sentinel
    pods = {"selector": redis.selector or "?", "port": redis.port, "container": redis.container["name"]}
    yield DraftKey(key="redis", value=pods)
    service = system.asking.service if system.asking else "asked-which"
    yield DraftKey(
        key="sentinel",
        value={"selector": sentinel.selector or "?", "service": service, "port": sentinel.port}
        | {"master": system.master_name, "container": sentinel.container["name"]},
        about="" if system.asking else "asked: by which name do clients reach the Sentinels?",
    )
    if system.operator_pods is not None:
        pods = {"namespace": system.operator_pods.namespace, "selector": system.operator_pods.selector}
        yield DraftKey(key="operator", value=pods)
    if system.proxy is not None:
        port, backend = system.stats
        front = system.front.service if system.front else "asked-which"
        yield DraftKey(
            key="proxy",
            value={"selector": system.proxy.selector or "?", "service": front}
            | ({"port": port, "backend": backend} if port else {})
            | {"container": system.proxy.container["name"]},
        )
    if system.master_label:
        yield DraftKey(key="master_label", value=system.master_label)


def _connecting(system: FoundSystem) -> Iterator[DraftKey]:
    if system.password is not None:
        reference = {"secret": system.password.secret, "key": system.password.key}
        yield DraftKey(key="password", value=reference, about="the Secret's name; the password is nowhere else")
        yield DraftKey(key="user", value="default", about="asked: which user, if not this one?", asked=True)
    if system.tls:
        files = {"secret": system.tls, "ca": "ca.crt", "certificate": "tls.crt", "key": "tls.key"}
        yield DraftKey(key="tls", value=files, about="asked: are these its keys? which server_name?")


def _clients(system: FoundSystem) -> Iterator[DraftKey]:
    usual = {"count": 2, "rate_each": "50/s"}
    ways: list[tuple[str, LeadingService | None, str]] = [
        ("service", system.front or system.master, "HAProxy" if system.front else "the Service of the master label"),
        *((f"any-{number}" if number else "any", way, "any Redis") for number, way in enumerate(system.anywhere)),
    ]
    for name, way, about in ways:
        if way is not None:
            gate = {} if name == "service" else {"gate": False}
            slow = usual if name == "service" else {"count": 1, "rate_each": "10/s"}
            yield DraftKey(key=name, value={"address": way.address, **slow, **gate, "about": about})
    if system.asking is not None:
        said = {"sentinel": system.asking.address, **usual, "about": "whoever Sentinel names"}
        yield DraftKey(key="sentinel", value=said)
    given = {"address": "redis:6379", "count": 1, "rate_each": "10/s", "gate": False}
    yield DraftKey(key="given", value=given, about="asked: were clients given another address?", asked=True)


def _promises(*, endpoint: bool) -> Iterator[DraftKey]:
    yield DraftKey(
        key="targets",
        value=[
            DraftKey(key="recovery", value={"limit": PROMISED}, about=NEVER_KNOWN),
            *([DraftKey(key="endpoint", value={"limit": PROMISED})] if endpoint else []),
            *(DraftKey(key=name, value={"limit": 0}) for name in ("lost_before", "lost_tail", "lost_after")),
        ],
    )


# From a Sentinel.


async def from_sentinel(address: str, accesses: Accesses, *, master: str | None) -> tuple[Draft, str]:
    """Return a draft for `failover watch` of what a Sentinel knows, and the Sentinel's name for the master.

    Raises SetupError with advice.
    """
    async with _asked(address, accesses.sentinel, SENTINEL) as ask:
        known = {one["name"]: one for one in map(pairs, await ask("SENTINEL", "MASTERS"))}
        name = _the_master(known, master, address)
        others = [pairs(one) for one in await ask("SENTINEL", "SENTINELS", name)]
        replicas = [pairs(one) for one in await ask("SENTINEL", "REPLICAS", name)]
    watched = known[name]
    at = f"{watched['ip']}:{watched['port']}"
    draft = Draft(origin=f"failover init --sentinel {address}")
    settings: dict[str, dict[str, Any]] = {"sentinel": {one: int(watched[one]) for one in OF_SENTINEL}}
    version = "a Redis"
    try:
        async with _asked(at, accesses.redis, REDIS) as ask:
            version = f"Redis {info_fields(await ask('INFO', 'server'))['redis_version']}"
            settings["redis"] = await _settings(ask)
    except SetupError as error:
        draft.remarks.append(f"The master could not be asked: {error}.")
    draft.remarks += _seen(replicas, others, int(watched["quorum"]))
    asked = "asked: by which address do clients come, if not by Sentinel?"
    draft.entries = [
        DraftKey(key="about", value=f"{name}, {version} at {at}, as Sentinel {address} names it"),
        DraftKey(
            key="system",
            value=[
                DraftKey(key="addresses", value=list(_addresses(address, name, others, accesses))),
                DraftKey(key="operator", value="none", about="asked: is it spotahome?"),
                DraftKey(key="replicas", value=max(1, len(replicas))),
                DraftKey(key="sentinels", value=len(others) + 1),
                DraftKey(key="period", value="1s", about=SLOWER),
                DraftKey(key="settings", value=[DraftKey(key=part, value=said) for part, said in settings.items()]),
            ],
        ),
        DraftKey(
            key="clients",
            value=[
                DraftKey(key="sentinel", value={"sentinel": address, "count": 1, "rate_each": "20/s"}),
                DraftKey(
                    key="service",
                    value={"address": "cache.internal:6379", "count": 1, "rate_each": "20/s"},
                    about=asked,
                    asked=True,
                ),
            ],
        ),
        *_promises(endpoint=False),
    ]
    return draft, name


def _addresses(address: str, name: str, others: Sequence[dict[str, str]], accesses: Accesses) -> Iterator[DraftKey]:
    told = sorted(f"{one['ip']}:{one['port']}" for one in others)
    yield DraftKey(key="sentinels", value=[address, *told], about="the first was given, and it told the others")
    yield DraftKey(key="master", value=name)
    example = {"172.18.0.3:6379": "localhost:6380"}
    yield DraftKey(key="map", value=example, about="asked: how is one reached that cannot be from here?", asked=True)
    for key, user in (("user", accesses.redis.user), ("sentinel_user", accesses.sentinel.user)):
        if user:
            yield DraftKey(key=key, value=user, about="its password comes from the environment or a file")
    if (tls := accesses.redis.tls) is not None:
        yield DraftKey(key="tls", value={one.name: said for one in fields(Tls) if (said := getattr(tls, one.name))})


def _the_master(known: dict[str, Any], asked: str | None, address: str) -> str:
    if asked and asked not in known:
        raise SetupError(f"Sentinel {address} watches no master {asked}; it watches {', '.join(known) or 'none'}")
    if not asked and len(known) != 1:
        watched = f"several masters: {', '.join(known)}; say which one by --master" if known else "no master"
        raise SetupError(f"Sentinel {address} watches {watched}")
    return asked or next(iter(known))


def _seen(replicas: Sequence[dict[str, str]], others: Sequence[dict[str, str]], quorum: int) -> Iterator[str]:
    down = [f"{one['ip']}:{one['port']}" for one in [*replicas, *others] if "down" in one["flags"]]
    if down:
        yield f"Sentinel holds {', '.join(sorted(down))} for down."
    if not replicas:
        yield "Sentinel knows no replica: there is none that it could promote."
    if quorum > len(others) + 1:
        yield f"The quorum of {quorum} cannot be reached: there are {len(others) + 1} Sentinels."


Ask = Callable[..., Awaitable[Any]]


@asynccontextmanager
async def _asked(address: str, access: Access, prefix: str) -> AsyncIterator[Ask]:
    """Connect to one server. Raises SetupError if it does not answer, or refuses a command."""

    async def ask(*words: str) -> Any:  # noqa: ANN401  a reply is any of RESP's types
        reply = await connection.call(*words)
        if isinstance(reply, ReplyError):
            another = prefix == SENTINEL and str(reply).startswith("ERR unknown command")
            raise SetupError(denied(address, str(reply), prefix) + ("; is it a Sentinel?" if another else ""))
        return reply

    try:
        async with Resp.connect(*split_address(address), ANSWER_S, access) as connection:
            yield ask
    except OSError as error:
        raise SetupError(trouble(error, address, ANSWER_S, access, prefix)) from error


async def _settings(ask: Ask) -> dict[str, str | int]:
    said: dict[str, str | int] = {}
    for name in ASKED:
        said |= {key: number(value) for key, value in pairs(await ask("CONFIG", "GET", name)).items()}
    return said
