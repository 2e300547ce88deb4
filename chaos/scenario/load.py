"""Load a scenario strictly.

Every error has the file, the line, the key, what is wrong, and the word that would be right.

Abilities of a cluster are not checked here, nor anything that needs a running system.
"""

import resource
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from chaos.errors import ScenarioError
from chaos.scenario.clients import missing
from chaos.scenario.lookup import experiments, find_scenario, instead
from chaos.scenario.scenario import HASTY_S, Claim, Scenario, Target, down_after_s, floors
from chaos.scenario.schema import schema, words_at
from chaos.scenario.settings import SECRETS
from chaos.scenario.source import Place, Source, documents, dotted, override, read
from chaos.scenario.units import Misplaced, shown

PLAIN = {
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "keys and values below it are needed"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list is needed"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number is needed"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false is needed"),
    "greater_than_equal": "at least {ge} is needed",
    **dict.fromkeys(("float_type", "float_parsing"), "a number is needed"),
    "less_than_equal": "at most {le} is possible",
    "literal_error": "write {expected}",
    "string_type": "text is needed; put it in quotes",
}
"""The messages for pydantic's errors, in words of a file and not of Python's types."""

OWN_FILES = 32
"""How many open files Redis reserves for itself (CONFIG_MIN_RESERVED_FDS)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """A loaded scenario, the folder that its manifests are in, and warnings for the user."""

    scenario: Scenario
    folder: Path
    warnings: tuple[str, ...]


def load(given: str, overrides: Mapping[str, str] | None = None) -> Loaded:
    """Load a scenario by name or path.

    `overrides` are the `--set key=value`, with dotted keys, and are checked as the file is.

    Raises ScenarioError with one line per error.
    """
    path = find_scenario(given)
    source = override(read(path), overrides or {})
    folder = path.resolve().parent
    scenario = _validated(source, folder.name)
    _check_manifests(scenario, path.parent, source)
    _check_clients(scenario, folder, source)
    _check_open_files(scenario, source)
    if any(client.is_of_the_user for client in scenario.clients.values()):
        scenario = scenario.model_copy(update={"folder": str(folder)})
    return Loaded(scenario=scenario, folder=folder, warnings=tuple(_warnings(scenario, source)))


def _validated(source: Source, name: str) -> Scenario:
    for key in ("name", "folder"):
        if key in source.data:
            raise ScenarioError(_line(source, (key,), "the folder is the name; leave it out"))
    try:
        return Scenario.model_validate({**source.data, "name": name})
    except ValidationError as error:
        raise ScenarioError(sentences(source, error, schema())) from None


def sentences(source: Source, error: ValidationError, known: dict[str, Any]) -> str:
    """Return one line for each error in a file. `known` is the JSON Schema of the file."""
    return "\n".join(_sentence(source, one, known) for one in error.errors(include_url=False))


def _sentence(source: Source, error: ErrorDetails, known: dict[str, Any]) -> str:
    place: Place = tuple(part for part in error["loc"] if part != "[key]")
    if error["type"] == "extra_forbidden":
        return _line(source, place, f"no such key; {instead(str(place[-1]), words_at(known, place[:-1]))}")
    if error["type"] == "missing":
        return _line(source, place, "is missing")
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, Misplaced):
        place = source.blamed([(*place, *below) for below in cause.places])
    return _line(source, place, _reason(error))


def _reason(error: ErrorDetails) -> str:
    """Return what is wrong with a value.

    A password's value is not shown, because terminals and CI keep their output.
    """
    if error["type"] == "value_error":
        return str(error.get("ctx", {}).get("error", error["msg"]))
    plain = PLAIN.get(error["type"], "")
    message = plain.format(**error.get("ctx", {})) or error["msg"][0].lower() + error["msg"][1:]
    if SECRETS & {str(part) for part in error["loc"]}:
        return f"the value will not do: {message}; a password is given by reference and never as itself"
    if error["input"] in (None, {}, []):
        return f"nothing is written here: {message}"
    return f"{shown(error['input'])} will not do: {message}"


def _line(source: Source, place: Place, text: str) -> str:
    """Return the line of an error, as in `mine.yaml:3: limits.watch:

    "5" is not a duration` or `mine.yaml:9: method is empty`.
    """
    between = " " if text.startswith("is ") else ": "
    return f"{source.at(place)}: {dotted(place)}{between}{text}" if place else f"{source.at(place)}: {text}"


def _check_manifests(scenario: Scenario, folder: Path, source: Source) -> None:
    manifests = scenario.system.kube.manifests if scenario.system.kube else ()
    for index, manifest in enumerate(manifests):
        path = folder / manifest
        if not path.exists():
            place: Place = ("system", "kube", "manifests", index)
            raise ScenarioError(_line(source, place, f"{path} is not there"))
        for file in sorted(path.glob("*.yaml")) if path.is_dir() else [path]:
            documents(file)


def _check_clients(scenario: Scenario, folder: Path, source: Source) -> None:
    """Refuse a scenario without clients, and a client whose library or program is missing here."""
    if not scenario.clients:
        raise ScenarioError(_line(source, ("clients",), "is empty: without a client nothing would be measured"))
    tls = scenario.system.local.tls if scenario.system.local else None
    lacking = {name: missing(client, folder, tls=tls) for name, client in scenario.clients.items()}
    lines = [_line(source, ("clients", name), text) for name, text in lacking.items() if text]
    if lines:
        raise ScenarioError("\n".join(lines))


def _check_open_files(scenario: Scenario, source: Source) -> None:
    """Refuse a `maxclients` that Redis would lower on local, because a process may not open so many files here."""
    wanted, (_, most) = scenario.system.settings.redis.get("maxclients"), resource.getrlimit(resource.RLIMIT_NOFILE)
    here = scenario.system.kube is None and scenario.system.local is not None
    if here and wanted is not None and most != resource.RLIM_INFINITY and int(wanted) > most - OWN_FILES:
        what = f"{wanted} will not do: a process may open {most} files here, so that Redis lowers it"
        place: Place = ("system", "settings", "redis", "maxclients")
        raise ScenarioError(_line(source, place, f"{what}; write {most - OWN_FILES} at most, or raise ulimit -Hn"))


def _warnings(scenario: Scenario, source: Source) -> Iterator[str]:
    known = experiments()
    for name in scenario.experiments:
        if name not in known:
            yield _line(source, ("experiments", name), f"no experiment has this name; {instead(name, known)}")
    yield from _out_of_reach(scenario, source)
    yield from _hasty(scenario, source)
    yield from _below_the_floor(scenario, source, ("targets",), scenario.targets)
    for name, expected in scenario.experiments.items():
        yield from _below_the_floor(scenario, source, ("experiments", name, "targets"), expected.targets)


def _out_of_reach(scenario: Scenario, source: Source) -> Iterator[str]:
    """Warn of settings that prevent every failover. They can be played all the same."""
    quorum, sentinels = scenario.system.settings.sentinel.get("quorum"), scenario.system.sentinels
    if quorum is not None and int(quorum) > sentinels:
        what = f"{quorum} cannot be reached: there are {sentinels} Sentinels, so that no failover will ever begin"
        yield _line(source, ("system", "settings", "sentinel", "quorum"), what)
    if str(scenario.system.settings.redis.get("replica-priority")) == "0":
        what = "0 on every Redis: Sentinel promotes no replica of priority 0, so that every failover is aborted"
        yield _line(source, ("system", "settings", "redis", "replica-priority"), what)


def _hasty(scenario: Scenario, source: Source) -> Iterator[str]:
    """Warn of a down-after-milliseconds that is so short that a second failover may follow the first."""
    silence_s = down_after_s(scenario)
    if silence_s is not None and silence_s <= HASTY_S:
        what = f"{silence_s * 1000:.12g}: a second failover may follow the first at once"
        why = f"a Sentinel may find the new master silent for {HASTY_S * 1000:.12g} ms before it is connected to it"
        yield _line(source, ("system", "settings", "sentinel", "down-after-milliseconds"), f"{what}; {why}")


def _below_the_floor(
    scenario: Scenario, source: Source, place: Place, targets: Mapping[Claim, Target]
) -> Iterator[str]:
    """Warn of limits that cannot be kept, because Sentinel's settings do not allow the step so soon."""
    silence_s = down_after_s(scenario)
    if silence_s is None:
        return
    for name, least_s in floors(silence_s).items():
        limit_s = targets[name].limit if name in targets else None
        if limit_s is not None and limit_s <= least_s:
            why = f"down-after-milliseconds {silence_s * 1000:.12g} puts {name} of a crash after {least_s:.12g} s"
            yield _line(source, (*place, name), f"{limit_s:.12g} s cannot be kept; {why}")
