"""The JSON Schema of a scenario, so that an editor completes and checks while one is written.

`nox -s schema` writes it to scenarios/schema.json, and a test keeps that file up to date.
"""

import json
from functools import cache
from typing import Any

from chaos.scenario.model import Scenario


@cache
def schema() -> dict[str, Any]:
    """As a file is written: without `name` and `folder`, which are the folder's."""
    made = Scenario.model_json_schema(mode="validation")
    del made["properties"]["name"], made["properties"]["folder"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def dumps() -> str:
    return json.dumps(schema(), indent=2) + "\n"
