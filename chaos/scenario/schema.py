"""The JSON Schema of a scenario, so that an editor completes and checks it, and which words it takes at a place.

`nox -s schema` writes it to scenarios/schema.json, and a test keeps that file up to date.
"""

import json
from functools import cache
from typing import Any

from chaos.scenario.scenario import Scenario
from chaos.scenario.source import Place


@cache
def schema() -> dict[str, Any]:
    """As a file is written: without `name` and `folder`, which are the folder's."""
    made = Scenario.model_json_schema(mode="validation")
    del made["properties"]["name"], made["properties"]["folder"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def dumps() -> str:
    return json.dumps(schema(), indent=2) + "\n"


def words_at(schema: dict[str, Any], place: Place) -> list[str]:
    """Return the keys that a JSON Schema takes at `place`; empty where any name will do."""
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
