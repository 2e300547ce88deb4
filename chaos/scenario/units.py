"""Quantities as people write them: `5s`, `100ms`, `2m`; `50/s`. A bare number is refused, but for 0."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_RATE = re.compile(r"(\d+(?:\.\d+)?)/(s|m)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(value: Any) -> float:  # noqa: ANN401  # a validator is given whatever YAML held
    if value == 0 and not isinstance(value, bool):
        return 0.0
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'"{value}" is not a duration; write 5s, 100ms or 2m')
    return float(match[1]) * _SECONDS[match[2]]


def parse_rate(value: Any) -> float:  # noqa: ANN401
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'"{value}" is not a rate; write 50/s')
    return float(match[1]) / _SECONDS[match[2]]


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": r"^\d+(\.\d+)?(ms|s|m|h)$"}, {"const": 0}]}),
]
Rate = Annotated[
    float, BeforeValidator(parse_rate), WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?/(s|m)$"})
]
