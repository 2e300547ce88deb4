"""Quantities as people write them: `5s`, `100ms`, `2m`; `50/s`. A bare number is refused, but for 0.

Values are seconds and hertz once loaded; dumped as JSON they are written as people write them again, so that a
manifest can be loaded with the same strictness as the file it was made from.
"""

import ipaddress
import re
from typing import Annotated, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import AfterValidator, BeforeValidator, PlainSerializer, Strict, WithJsonSchema

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_RATE = re.compile(r"(\d+(?:\.\d+)?)/(s|m)")
_HOST = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
MOST_PORT = 65535
MOST_RATE = 1000.0
"""Hertz. More than one client in Python sends in time."""
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Misplaced(ValueError):
    """What is wrong with a part, and the `places` in it that say so together.

    A user is told of the one that an option set, since that was just typed, and otherwise of the first.
    """

    def __init__(self, text: str, *places: tuple[str | int, ...]) -> None:
        super().__init__(text)
        self.places = places


def shown(value: Any) -> str:  # noqa: ANN401  # whatever YAML held
    """Return a value as the file says it, and not as Python does."""
    if value is None:
        return "an empty value"
    if isinstance(value, dict | list | tuple):
        return "keys and values" if isinstance(value, dict) else "a list"
    return f'"{str(value).lower() if isinstance(value, bool) else value}"'


def parse_duration(value: Any) -> float:  # noqa: ANN401  # a validator is given whatever YAML held
    if value == 0 and not isinstance(value, bool):
        return 0.0
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{shown(value)} is not a duration; write 5s, 100ms or 2m")
    return float(match[1]) * _SECONDS[match[2]]


def _more_than_nothing(seconds: float) -> float:
    if seconds == 0:
        raise ValueError("0 is no time in which anything could happen; write 10s, or leave it out")
    return seconds


def parse_rate(value: Any) -> float:  # noqa: ANN401
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) == 0:
        raise ValueError(f"{shown(value)} is not a rate; write 50/s")
    rate = float(match[1]) / _SECONDS[match[2]]
    if rate > MOST_RATE:
        raise ValueError(f'"{value}" is more than one client can send, which is {MOST_RATE:g}/s; have more clients')
    return rate


def parse_count(value: Any) -> float:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{shown(value)} is not a count; write 0")
    return float(value)


def parse_address(value: Any) -> str:  # noqa: ANN401
    """`host:port` or `[IPv6]:port`."""
    if isinstance(value, str) and ("://" in value or "@" in value):  # may hold a password, and so is not repeated
        raise ValueError("an address is no URL; write host:port, as in rfrm-redis-cluster:6379")
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not _HOST.fullmatch(host) or not (port.isascii() and port.isdigit()):
        raise ValueError(
            f"{shown(value)} is not an address; write host:port, as in rfrm-redis-cluster:6379 or [fd00::10]:6379"
        )
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host.strip("[]"))
        except ValueError:
            raise ValueError(f'"{value}" is not an address: {host} is not an IPv6 address') from None
    parse_port(int(port))
    return str(value)


def parse_port(value: Any) -> int:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_PORT:
        raise ValueError(f"{shown(value)} is not a port; write a number from 1 to {MOST_PORT}")
    return value


def parse_name(value: Any) -> str:  # noqa: ANN401
    """Return a name that Sentinel, a file and a label can hold."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"{shown(value)} is not a name; write letters, digits and the characters . - _ only")
    return value


def parse_versions(value: Any) -> str:  # noqa: ANN401
    try:
        SpecifierSet(value)
    except (InvalidSpecifier, AttributeError, TypeError):
        raise ValueError(f'{shown(value)} says no versions; write ">=6.2" or ">=7, <8"') from None
    return str(value)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(lambda seconds: f"{seconds:.12g}s", return_type=str, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": r"^\d+(\.\d+)?(ms|s|m|h)$"}, {"const": 0}]}),
]
PositiveDuration = Annotated[Duration, AfterValidator(_more_than_nothing)]
"""A wait in which something has to happen."""
Rate = Annotated[
    float,
    BeforeValidator(parse_rate),
    PlainSerializer(lambda hertz: f"{hertz:.12g}/s", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?/(s|m)$"}),
]
Whole = Annotated[int, Strict()]
"""A whole number. `yes` is none, which YAML reads as true and Python would take for 1."""
Flag = Annotated[bool, Strict()]
"""True or false. 1 is neither."""
Count = Annotated[
    float,
    BeforeValidator(parse_count),
    PlainSerializer(int, return_type=int, when_used="json"),
    WithJsonSchema({"type": "integer", "minimum": 0}),
]
Address = Annotated[
    str,
    BeforeValidator(parse_address),
    WithJsonSchema({"type": "string", "pattern": r"^([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}$"}),
]
Port = Annotated[
    int, BeforeValidator(parse_port), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_PORT})
]
Name = Annotated[
    str, BeforeValidator(parse_name), WithJsonSchema({"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]*$"})
]
Versions = Annotated[str, BeforeValidator(parse_versions), WithJsonSchema({"type": "string"})]
