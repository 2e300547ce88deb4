"""A YAML file as plain data, with the line of each value. This module knows nothing of scenarios.

It is stricter than YAML: duplicate keys, tags and merge keys are errors.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from chaos.errors import ScenarioError
from chaos.scenario.settings import SECRETS

Place = tuple[str | int, ...]
"""Keys and indices from the top of a file down to a value, such as `("clients", "service", "rate")`."""
TOOLS = {"chaos-mesh.org": "Chaos Mesh", "litmuschaos.io": "LitmusChaos"}
"""Tools whose experiments are Kubernetes objects, by the API group of their objects."""
KINDS = {"a scenario": {"system", "clients"}, "an experiment": {"method"}}
"""The keys that tell each kind of file from the other kinds."""
TEMPLATE = "this is a template and not YAML; render it first, as `helm template` does"
OPTION = "--set"
IPV6 = re.compile(r"\[[0-9A-Fa-f:.]+\]:\d+")
HELM = re.compile(
    r"\{\{-?\s*(?:\.(?:Values|Release|Chart|Capabilities|Files)\b|\$|(?:include|toYaml|tpl|if|else|end|range|with)\b)"
)
"""What a Helm chart puts into a value. `{{.State}}`, which docker and other programs use, does not match."""


def dotted(place: Place) -> str:
    """Return a place as it is written after `--set` and in errors, such as `clients.service.rate`."""
    return ".".join(str(part) for part in place)


@dataclass(frozen=True)
class Source:
    """The content of a file. `where` maps each place to where it is set, for the user: `file:line`, or the option."""

    data: dict[str, Any]
    where: dict[Place, str] = field(default_factory=dict)

    def at(self, place: Place) -> str:
        """Return where `place` is set, or else the nearest place above it."""
        while place not in self.where:
            place = place[:-1]
        return self.where[place]

    def blamed(self, places: Sequence[Place]) -> Place:
        """Return, of several places that contradict each other, the one that an option set, or else the first."""
        return next((one for one in places if self.at(one).startswith(OPTION)), places[0])


def read(path: Path, what: str = "a scenario") -> Source:
    """Read a YAML file. Raises ScenarioError if it is not valid, has duplicate keys, or is plainly of another kind."""
    root = _compose(path)
    if not isinstance(root, yaml.MappingNode):
        given = "a list" if isinstance(root, yaml.SequenceNode) else "text" if root else "an empty file"
        raise ScenarioError(f"{path}:1: {what} is a mapping of keys to values, and this is {given}")
    source = Source({}, {(): f"{path}:1"})
    source.data.update(_plain(root, (), source.where, path))
    if "apiVersion" in source.data and "kind" in source.data:
        raise ScenarioError(f"{source.at(('kind',))}: {_foreign(source.data, what)}")
    for other, keys in KINDS.items():
        if other != what and what in KINDS and keys <= source.data.keys():
            raise ScenarioError(f"{path}:1: this is {other}, and {what} is needed here")
    return source


def _foreign(data: dict[str, Any], what: str) -> str:
    """Return which Kubernetes object a file holds, and which page explains the wanted file."""
    group = str(data["apiVersion"])
    whose = next((f" of {name}" for part, name in TOOLS.items() if part in group), "")
    page = "docs/writing-an-experiment.md" if "experiment" in what else "docs/writing-a-scenario.md"
    return f"this is a {data['kind']}{whose}, a Kubernetes object, and not {what}; {page} says how one is written"


def override(source: Source, settings: Mapping[str, str]) -> Source:
    """Return the source with the `--set` values, such as `limits.watch=5s`, in place of the file's.

    Values are parsed as YAML, so that lists can be given too. Raises ScenarioError for a value that is not YAML.
    """
    where, data = dict(source.where), source.data
    for key, text in settings.items():
        place = tuple(key.split("."))
        acl = place[-2:] == ("redis", "user")  # it may hold a password, as in `user default on >…`
        secret = acl or place[-1] in SECRETS or any(name in text for name in SECRETS)
        shown = f"{OPTION} {key}={'…' if secret else text}"
        data = _replaced(data, place, _scalar(text, shown), shown)
        where = {known: said for known, said in where.items() if known[: len(place)] != place}
        for depth in range(len(place)):
            where.setdefault(place[: depth + 1], shown)
    return Source(data, where)


def _compose(path: Path) -> yaml.Node | None:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            text = text.replace("\t", " ")  # JSON is YAML but for its tabs
        found: list[yaml.Node | None] = [*yaml.compose_all(text, Loader=yaml.SafeLoader)]
    except yaml.MarkedYAMLError as error:
        raise ScenarioError(f"{path}:{problem(error, text)}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ScenarioError(f"{path}:{line}: it has bytes that are no text in UTF-8") from None
    except OSError as error:
        raise ScenarioError(f"{path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ScenarioError(f"{path}: this is no YAML: {error}") from error
    first, *more = found or [None]
    keys = [key.value for key, _ in first.value] if isinstance(first, yaml.MappingNode) else []
    written = [one for one in more if one and one.value]
    if written and "apiVersion" not in keys:
        line = written[0].start_mark.line + 1
        raise ScenarioError(f"{path}:{line}: this is a second document, and a file has to be one; give it its own file")
    return first


def documents(path: Path) -> list[Any]:
    """Return every document in a file of manifests. Raises ScenarioError with the line if it is not YAML."""
    text = path.read_text(encoding="utf-8")
    try:
        return list(yaml.safe_load_all(text))
    except yaml.MarkedYAMLError as error:
        raise ScenarioError(f"{path}:{problem(error, text)}") from error


def problem(error: yaml.MarkedYAMLError, text: str) -> str:
    """Return the line on which a text is not YAML, and why, as in `3: this is no YAML: …`."""
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    near = text.splitlines()[max(0, line - 2) : line]
    return f"{line}: {TEMPLATE if any('{{' in one for one in near) else f'this is no YAML: {error.problem}'}"


def _plain(node: yaml.Node, place: Place, where: dict[Place, str], path: Path) -> Any:  # noqa: ANN401  # it is YAML
    where.setdefault(place, f"{path}:{node.start_mark.line + 1}")
    if node.tag.startswith("!"):
        raise ScenarioError(f"{where[place]}: the tag {node.tag} means nothing here; write the value itself")
    if isinstance(node, yaml.MappingNode):
        keys = dict(_keys(node, place, path))
        where.update({(*place, key): f"{path}:{line}" for key, (line, _) in keys.items()})
        return {key: _plain(value, (*place, key), where, path) for key, (_, value) in keys.items()}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(value, (*place, index), where, path) for index, value in enumerate(node.value)]
    return _value(node, path)


def _keys(node: yaml.MappingNode, place: Place, path: Path) -> Iterator[tuple[str, tuple[int, yaml.Node]]]:
    """Yield each key with its line and the node of its value."""
    seen: set[str] = set()
    for key_node, value in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            is_template = isinstance(key_node, yaml.MappingNode) and node.flow_style
            raise ScenarioError(f"{path}:{line}: {TEMPLATE if is_template else 'a key is a word or a number'}")
        if key in seen:
            raise ScenarioError(f"{path}:{line}: {dotted((*place, key))}: stands here twice")
        seen.add(key)
        yield key, (line, value)


def _value(node: yaml.Node, path: Path) -> Any:  # noqa: ANN401
    if HELM.search(str(node.value)):
        raise ScenarioError(f"{path}:{node.start_mark.line + 1}: {TEMPLATE}")
    constructor = yaml.constructor.SafeConstructor()
    try:
        return constructor.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        raise ScenarioError(f'{path}:{node.start_mark.line + 1}: "{node.value}" cannot be read as YAML') from error


def _scalar(text: str, shown: str) -> Any:  # noqa: ANN401
    if IPV6.fullmatch(text):
        return text  # YAML would take the bracket for the start of a list
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScenarioError(f"{shown}: {TEMPLATE if '{{' in text else 'the value cannot be read as YAML'}") from error


def _replaced(data: Any, place: Place, value: Any, shown: str) -> Any:  # noqa: ANN401
    """Return a copy of `data` with `value` at `place`. Missing levels are created."""
    if not place:
        return value
    if not isinstance(data, dict):
        raise ScenarioError(f"{shown}: {place[0]} has nothing to stand in; set the whole list or value")
    return {**data, place[0]: _replaced(data.get(place[0], {}), place[1:], value, shown)}
