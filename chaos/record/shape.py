"""Check that the content of a file has the shape that its reader needs.

A file may be cut off, overwritten or edited by hand. An error has the file, the line, and what was expected there, in
words of JSON. This module ships into pods and uses the standard library only.
"""

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from chaos.errors import RecordingError

Keys = tuple[str | int, ...]
Misfit = tuple[Keys, str]
"""Where in a value something else was expected, and what: `(("trials", 0), "an object, and this is text")`."""
Check = Callable[[Any], Misfit | None]

WRITTEN_AS: dict[type, Any] = {}
"""Maps a class to the type that it is written as, if it is not written as an object of its fields."""
READ_IN_PART: set[type] = set()
"""The dataclasses whose object in a file may have more keys than the class has fields."""
_WORDS: dict[type, tuple[str, tuple[type, ...]]] = {
    str: ("text", (str,)),
    int: ("a whole number", (int,)),
    float: ("a number", (int, float)),
    bool: ("true or false", (bool,)),
    types.NoneType: ("null", (types.NoneType,)),
}


def read_object(path: Path, kind: Any) -> dict[str, Any] | None:  # noqa: ANN401  # any annotation
    """Return the object in a JSON file, or None if there is no such file. Raises RecordingError as `parsed` does."""
    return parsed(path.read_bytes(), path, kind) if path.exists() else None


def parsed(data: bytes, path: Path, kind: Any) -> dict[str, Any]:  # noqa: ANN401  # any annotation
    """Return the object in the bytes of a file.

    Raises RecordingError with the line if it does not have the shape `kind`.
    """
    text = ""
    try:
        text = data.decode()
        value = json.loads(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RecordingError(f"{path}:{line} is not JSON: it has bytes that are no text in UTF-8") from None
    except json.JSONDecodeError as error:
        if not text.strip():
            raise RecordingError(f"{path} is empty, and an object of JSON was expected") from None
        cut_off = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        why = "it is cut off here" if cut_off else f"what stands at column {error.colno} cannot stand there"
        raise RecordingError(f"{path}:{error.lineno} is not JSON: {why}") from None
    except RecursionError:
        raise RecordingError(f"{path} is not JSON that anybody wrote here: it is nested too deeply") from None
    must_fit(value, kind, text, path)
    return typing.cast(dict[str, Any], value)


def must_fit(value: object, kind: Any, text: str, path: Path) -> None:  # noqa: ANN401  # any annotation
    """Raise RecordingError with the line if `value`, parsed from `text`, does not have the shape `kind`."""
    misfit = check(kind)(value)
    if misfit:
        keys, expected = misfit
        raise RecordingError(f"{path}:{_line(text, keys)}: {placed(keys)}{expected}")


def placed(keys: Keys) -> str:
    """Return a place in a value, as in `trials, 0, paths: `. Empty for the whole value."""
    return f"{', '.join(map(str, keys))}: " if keys else ""


def _line(text: str, keys: Keys) -> int:
    """Return the line of the innermost of these keys. Each key is searched after the one that contains it."""
    at = 0
    for key in keys:
        if isinstance(key, str) and (found := text.find(f"{json.dumps(key, ensure_ascii=False)}:", at)) >= 0:
            at = found
    return text.count("\n", 0, at) + 1


@cache
def check(kind: Any) -> Check:  # noqa: ANN401  # any annotation
    """Return a function that takes a value from JSON, and returns the first misfit with the type `kind`, or None."""
    kind = WRITTEN_AS.get(kind, kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda _: None
    if kind in _WORDS:
        return _plain(kind)
    if origin is Literal or (isinstance(kind, type) and issubclass(kind, Enum)):
        return _one_of([str(one) for one in (arguments if origin is Literal else kind)])
    if origin in (types.UnionType, Union):
        return _either([check(one) for one in arguments])
    if origin is list or (origin is tuple and arguments[-1] is Ellipsis):
        return _list(check(arguments[0]))
    if origin is tuple:
        return _row([check(one) for one in arguments])
    if origin is dict:
        return _mapping(check(arguments[1]))
    of_fields = dataclasses.is_dataclass(kind)
    names = [one.name for one in dataclasses.fields(kind)] if of_fields else kind.__annotations__
    hints, closed = get_type_hints(kind), of_fields and kind not in READ_IN_PART
    return _object({name: check(hints[name]) for name in names}, _wanted(kind), closed=closed)


def _wanted(kind: Any) -> frozenset[str]:  # noqa: ANN401  # a dataclass or a TypedDict
    """Return the names of the required keys."""
    if not dataclasses.is_dataclass(kind):
        return typing.cast(frozenset[str], kind.__required_keys__)
    missing = dataclasses.MISSING
    given = (one for one in dataclasses.fields(kind) if one.default is missing and one.default_factory is missing)
    return frozenset(one.name for one in given)


def called(value: object) -> str:
    """Return the JSON word for a value, such as "a list"."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return next(word for kind, (word, _) in reversed(_WORDS.items()) if isinstance(value, kind))


def _not(expected: str, value: object) -> Misfit:
    return (), f"{expected} was expected, and this is {called(value)}"


def _plain(kind: type) -> Check:
    word, fitting = _WORDS[kind]

    def one(value: object) -> Misfit | None:
        fits = isinstance(value, fitting) and (kind is bool or not isinstance(value, bool))
        fits = fits or (kind is int and isinstance(value, float) and value.is_integer())
        return None if fits else _not(word, value)

    return one


def _one_of(names: Collection[str]) -> Check:
    words = " or ".join(names)
    return lambda value: None if value in names else ((), f"{words} was expected, and this is {value!r:.40}")


def _either(checks: list[Check]) -> Check:
    def one(value: object) -> Misfit | None:
        found = [each(value) for each in checks]
        return None if None in found else max((misfit for misfit in found if misfit), key=lambda it: len(it[0]))

    return one


def _list(each: Check) -> Check:
    def one(value: object) -> Misfit | None:
        if not isinstance(value, list):
            return _not("a list", value)
        return next((_in(n, misfit) for n, item in enumerate(value) if (misfit := each(item))), None)

    return one


def _row(each: list[Check]) -> Check:
    def one(value: object) -> Misfit | None:
        if not isinstance(value, list) or len(value) != len(each):
            return (), f"a list of {len(each)} was expected, and this is {called(value)}"
        pairs = enumerate(zip(each, value, strict=True))
        return next((_in(n, misfit) for n, (fits, item) in pairs if (misfit := fits(item))), None)

    return one


def _mapping(each: Check) -> Check:
    def one(value: object) -> Misfit | None:
        if not isinstance(value, dict):
            return _not("an object", value)
        return next((_in(name, misfit) for name, item in value.items() if (misfit := each(item))), None)

    return one


def _object(of: dict[str, Check], wanted: frozenset[str], *, closed: bool) -> Check:
    def one(value: object) -> Misfit | None:
        if not isinstance(value, dict):
            return _not("an object", value)
        lacking = sorted(wanted - value.keys())
        if lacking:
            return (), f'"{lacking[0]}" was expected here, and is missing'
        unknown = sorted(value.keys() - of.keys()) if closed else []
        if unknown:
            return (unknown[0],), "nothing of this name was expected here"
        return next((_in(n, misfit) for n, item in value.items() if n in of and (misfit := of[n](item))), None)

    return one


def _in(key: str | int, misfit: Misfit) -> Misfit:
    return (key, *misfit[0]), misfit[1]
