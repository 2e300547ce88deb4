"""Writes a campaign's result as summary.json, and reads it back. The same result gives the same bytes."""

import dataclasses
import json
import types
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from chaos.analysis.interval import Interval
from chaos.analysis.result import VERSION, CampaignResult
from chaos.errors import RecordingError
from chaos.record.layout import CampaignFile
from chaos.record.shape import WRITTEN_AS, must_fit, parsed

WRITTEN_AS[Interval] = tuple[float, float | None]

DIGITS = 6
"""The number of digits after the point: seconds are written to a microsecond, the precision of a recorded row."""


def to_json(result: CampaignResult) -> str:
    return json.dumps(_plain(result), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def load(path: Path) -> CampaignResult:
    """Read summary.json. Raises RecordingError, with the line, for anything but a summary of this version."""
    data = path.read_bytes()
    raw, text = parsed(data, path, dict[str, Any]), data.decode()
    if raw.get("version") != VERSION:
        said = f"is of version {raw['version']}" if "version" in raw else "says no version"
        raise RecordingError(f"{path} {said}, and this reads version {VERSION}: `failover analyse` makes it anew")
    must_fit(raw, CampaignResult, text, path)
    must_fit(raw["manifest"], CampaignFile, text, path)
    result = cast(CampaignResult, _value(CampaignResult, raw))
    for name, moment in [("started", result.manifest.get("started")), *(("t0", one.t0) for one in result.trials)]:
        if moment and not _is_moment(moment):
            wanted = "a time as in 2026-11-26T18:23:21Z was expected"
            raise RecordingError(f"{path}: {name}: {wanted}, and this is {moment!r}")
    return result


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _plain(value: Any) -> Any:  # noqa: ANN401  # a tree of anything that JSON has a word for
    if isinstance(value, float):
        return _rounded(value)
    if value is None or type(value) in (str, int, bool):  # most of a tree; an enum is none of these
        return value
    if isinstance(value, Interval):
        return [_rounded(value.least), None if value.is_open else _rounded(value.most)]
    kind: Any = type(value)
    if names := _names(kind):
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.value if isinstance(value, Enum) else value


@cache
def _names(kind: type) -> tuple[str, ...]:
    """Return the names of a dataclass's fields, or nothing for any other type."""
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()


def _rounded(value: float) -> float:
    """Return a rounded number, with 0 instead of -0."""
    return round(value, DIGITS) + 0.0


def _value(kind: Any, raw: Any) -> Any:  # noqa: ANN401  # of whatever type the annotation `kind` says
    origin, arguments = get_origin(kind), get_args(kind)
    if raw is None or kind is Any or origin is Literal:
        return raw
    if origin in (types.UnionType, Union):
        return _value(next(one for one in arguments if one is not type(None)), raw)
    if kind is Interval:
        least, most = raw
        return Interval(least) if most is None else Interval(least, most)
    if origin is tuple:
        each = arguments[:1] * len(raw) if arguments[-1] is Ellipsis else arguments
        return tuple(_value(one, item) for one, item in zip(each, raw, strict=True))
    if origin is dict:
        return {key: _value(arguments[1], item) for key, item in raw.items()}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return kind(**{name: _value(_hints(kind)[name], item) for name, item in raw.items()})
    return kind(raw) if issubclass(kind, Enum) else raw


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
