"""The nearest right word, and which words are right at a place of a scenario."""

import difflib
from collections.abc import Iterable
from typing import Any

Place = tuple[str | int, ...]
"""Keys and indices from the top of a file down to a value."""


def dotted(place: Place) -> str:
    return ".".join(str(part) for part in place)


def instead(word: str, known: Iterable[str]) -> str:
    """What to say after an unknown word: the nearest known one, or all of them."""
    words = list(known)
    near = difflib.get_close_matches(word.lower(), words, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"known here: {', '.join(words)}" if words else "nothing is known here"


def words_at(schema: dict[str, Any], place: Place) -> list[str]:
    """The keys that a JSON Schema takes at `place`; empty where any name will do."""
    node = schema
    for part in place:
        node = _resolve(schema, node)
        properties = node.get("properties", {})
        named: Any = next(iter(node.get("patternProperties", {}).values()), {})
        node = properties.get(part) or node.get("items") or node.get("additionalProperties") or named
    keys = _resolve(schema, node).get("properties", {})
    return [name for name, taken in keys.items() if not (isinstance(taken, dict) and taken.get("not") == {})]


def _resolve(schema: dict[str, Any], node: Any) -> dict[str, Any]:  # noqa: ANN401  # True and False are schemas too
    """Follow a reference, and look through `X or nothing` at the X."""
    if not isinstance(node, dict):
        return {}
    if "$ref" in node:
        return _resolve(schema, schema["$defs"][node["$ref"].rsplit("/", 1)[1]])
    choices = [choice for choice in node.get("anyOf", []) if choice.get("type") != "null"]
    return _resolve(schema, choices[0]) if choices else node
