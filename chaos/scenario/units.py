"""Quantities in a file: durations such as `5s`, `100ms` and `2m`, and rates such as `50/s`.

Units are required, except for 0.

Loaded values are in seconds and hertz. Dumped as JSON they have units again, so that a manifest can be loaded as
strictly as the file.
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
"""The highest rate in hertz. A Python client cannot send more operations on time."""
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Misplaced(ValueError):
    """An error about several values that contradict each other. `places` are their places within the part.

    The user is shown the place that a command line option set, or else the first one.
    """

    def __init__(self, text: str, *places: tuple[str | int, ...]) -> None:
        super().__init__(text)
        self.places = places


def shown(value: Any) -> str:  # noqa: ANN401  # whatever YAML held
    """Return a value as YAML spells it, not as Python does."""
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
    """Check that a value is `host:port` or `[IPv6]:port`."""
    if isinstance(value, str) and ("://" in value or "@" in value):  # it is not shown, since it may hold a password
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
    """Return a name that is valid in Sentinel, as a file name and as a label."""
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
"""A duration above 0, for waits in which something has to happen."""
Rate = Annotated[
    float,
    BeforeValidator(parse_rate),
    PlainSerializer(lambda hertz: f"{hertz:.12g}/s", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?/(s|m)$"}),
]
Whole = Annotated[int, Strict()]
"""A whole number, but not true or false, which Python would take for 1 and 0."""
Flag = Annotated[bool, Strict()]
"""True or false, but not 1 or 0."""
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
