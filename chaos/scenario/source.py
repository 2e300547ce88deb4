"""A YAML file as plain data that remembers on which line each value stands. Knows nothing of scenarios.

Strict where YAML is lenient: a key that stands twice is an error, and so are tags and merge keys.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from chaos.errors import ScenarioError
from chaos.scenario.settings import SECRETS
from chaos.scenario.words import Place, dotted


@dataclass(frozen=True)
class Source:
    """`where` says for each place what to show a user: `file:line`, or the option that set the value."""

    data: dict[str, Any]
    where: dict[Place, str] = field(default_factory=dict)

    def at(self, place: Place) -> str:
        """Where `place` is written, or the nearest place above it that is."""
        while place not in self.where:
            place = place[:-1]
        return self.where[place]


def read(path: Path) -> Source:
    """Raises ScenarioError for a file that cannot be read as YAML with unique keys."""
    root = _compose(path)
    if not isinstance(root, yaml.MappingNode):
        raise ScenarioError(f"{path}:1: a scenario is a mapping of keys to values")
    source = Source({}, {(): f"{path}:1"})
    source.data.update(_plain(root, (), source.where, path))
    return source


def override(source: Source, settings: Mapping[str, str], *, option: str = "--set") -> Source:
    """`limits.watch: 5s` over what the file says. Values are read as YAML, so that a list can be given too."""
    where, data = dict(source.where), source.data
    for key, text in settings.items():
        place = tuple(key.split("."))
        secret = place[-1] in SECRETS or any(name in text for name in SECRETS)
        shown = f"{option} {key}={'…' if secret else text}"
        data = _replaced(data, place, _scalar(text, shown), shown)
        where = {known: said for known, said in where.items() if known[: len(place)] != place}
        for depth in range(len(place)):
            where.setdefault(place[: depth + 1], shown)
    return Source(data, where)


def _compose(path: Path) -> yaml.Node | None:
    try:
        return yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ScenarioError(f"{path}:{line}: {error.problem}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ScenarioError(f"{path}: {error}") from error


def _plain(node: yaml.Node, place: Place, where: dict[Place, str], path: Path) -> Any:  # noqa: ANN401  # it is YAML
    where.setdefault(place, f"{path}:{node.start_mark.line + 1}")
    if isinstance(node, yaml.MappingNode):
        keys = dict(_keys(node, place, path))
        where.update({(*place, key): f"{path}:{line}" for key, (line, _) in keys.items()})
        return {key: _plain(value, (*place, key), where, path) for key, (_, value) in keys.items()}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(value, (*place, index), where, path) for index, value in enumerate(node.value)]
    return _value(node, path)


def _keys(node: yaml.MappingNode, place: Place, path: Path) -> Iterator[tuple[str, tuple[int, yaml.Node]]]:
    """Each key with its line and its value's node."""
    seen: set[str] = set()
    for key_node, value in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key in seen:
            raise ScenarioError(f"{path}:{line}: {dotted((*place, key))}: stands here twice")
        seen.add(key)
        yield key, (line, value)


def _value(node: yaml.Node, path: Path) -> Any:  # noqa: ANN401
    constructor = yaml.constructor.SafeConstructor()
    try:
        return constructor.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        raise ScenarioError(f'{path}:{node.start_mark.line + 1}: "{node.value}" cannot be read as YAML') from error


def _scalar(text: str, shown: str) -> Any:  # noqa: ANN401
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScenarioError(f"{shown}: the value cannot be read as YAML") from error


def _replaced(data: Any, place: Place, value: Any, shown: str) -> Any:  # noqa: ANN401
    """A copy of `data` with `value` at `place`; what is not there yet is made."""
    if not place:
        return value
    if not isinstance(data, dict):
        raise ScenarioError(f"{shown}: {place[0]} has nothing to stand in; set the whole list or value")
    return {**data, place[0]: _replaced(data.get(place[0], {}), place[1:], value, shown)}
