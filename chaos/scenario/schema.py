"""The JSON Schema of a scenario, with which an editor can complete and check it, and the keys allowed at a place.

`nox -s schema` writes it to scenarios/schema.json. A test keeps that file up to date.
"""

import json
from functools import cache
from typing import Any

from chaos.scenario.scenario import Scenario
from chaos.scenario.source import Place


@cache
def schema() -> dict[str, Any]:
    """Return the schema of a scenario's file.

    `name` and `folder` are left out, because they come from the file's folder.
    """
    made = Scenario.model_json_schema(mode="validation")
    del made["properties"]["name"], made["properties"]["folder"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def dumps() -> str:
    return json.dumps(schema(), indent=2) + "\n"


def words_at(schema: dict[str, Any], place: Place) -> list[str]:
    """Return the keys that a JSON Schema allows at `place`. Empty if any key is allowed."""
    node = schema
    for part in place:
        node = _resolve(schema, node)
        properties = node.get("properties", {})
        named: Any = next(iter(node.get("patternProperties", {}).values()), {})
        node = properties.get(part) or node.get("items") or node.get("additionalProperties") or named
    keys = _resolve(schema, node).get("properties", {})
    return [name for name, taken in keys.items() if not (isinstance(taken, dict) and taken.get("not") == {})]


def _resolve(schema: dict[str, Any], node: Any) -> dict[str, Any]:  # noqa: ANN401  # True and False are schemas too
    """Follow a reference. Of a schema for X or null, return that of X."""
    if not isinstance(node, dict):
        return {}
    if "$ref" in node:
        return _resolve(schema, schema["$defs"][node["$ref"].rsplit("/", 1)[1]])
    choices = [choice for choice in node.get("anyOf", []) if choice.get("type") != "null"]
    return _resolve(schema, choices[0]) if choices else node
