"""The kinds of values that settings of Redis and Sentinel have. They are checked as strictly as the servers do.

A checked value is spelt as the server reports it. A value that the server would refuse, or silently change, is an
error. Bounds and orders were tried on Redis 7.0 and Valkey 9.1, and tests try them again.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from chaos.scenario.units import shown

INT_MAX, LONG_MAX = 2**31 - 1, 2**63 - 1
_MEMORY = re.compile(r"(\d+)(b|kb?|mb?|gb?)?", re.IGNORECASE)
_BYTES = {"": 1, "b": 1, "k": 10**3, "kb": 2**10, "m": 10**6, "mb": 2**20, "g": 10**9, "gb": 2**30}
_UNIT = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600}


def number(least: int = 0, most: int = LONG_MAX, *, unit: str = "", or_zero: bool = False) -> Any:  # noqa: ANN401  a type for pydantic
    """Return the type of a whole number.

    With a `unit` it is a time, which the server takes as a bare number of that unit.

    `or_zero` also allows 0, where it has a meaning of its own, such as "off".
    """

    def check(value: Any) -> int:  # noqa: ANN401  a validator is given whatever YAML held
        timed = _UNIT.fullmatch(value) if isinstance(value, str) else None
        if timed and unit:
            meant = float(timed[1]) * _SECONDS[timed[2]] * (1000 if unit == "milliseconds" else 1)
            instead = f"write {meant:.0f}" if meant == int(meant) else "which cannot say this"
            raise ValueError(f'"{value}" has a unit; the server takes whole {unit} without one: {instead}')
        known = isinstance(value, int) and not isinstance(value, bool)
        if not known and not (isinstance(value, str) and re.fullmatch(r"-?\d+", value)):
            raise ValueError(f"{shown(value)} is not a whole number{f' of {unit}' if unit else ''}")
        if not least <= int(value) <= most and not (or_zero and int(value) == 0):
            bounds = f"at least {least}" if most >= INT_MAX and int(value) < least else f"from {least} to {most}"
            bounds = f"0, or {bounds}" if or_zero else bounds
            raise ValueError(f"{value} is out of bounds; the server takes {bounds}")
        return int(value)

    return Annotated[
        int, BeforeValidator(check), WithJsonSchema({"type": "integer", "minimum": 0 if or_zero else least})
    ]


def words(*known: str, **same: str) -> Any:  # noqa: ANN401
    """Return the type of a value that is one of some words.

    A bare `yes` or `no`, which YAML reads as true or false, is a word.

    A server reports a word with the case of `known`. `same` maps a further word to the one that the server reports for
    it.
    """

    def check(value: Any) -> str:  # noqa: ANN401
        word = _unyaml(value)
        found = ({one.lower(): one for one in known} | same).get(str(word).lower())
        if found is None:
            raise ValueError(f"{shown(word)} is none of: {', '.join((*known, *same))}")
        return found

    both = {"yes": True, "no": False}
    return Annotated[
        str,
        BeforeValidator(check),
        WithJsonSchema({"enum": [*known, *same, *(both[one] for one in known if one in both)]}),
    ]


def memory(least: int = 0, most: int = LONG_MAX) -> Any:  # noqa: ANN401
    """Return the type of a number of bytes. As in Redis, `512mb` becomes 536870912."""

    def check(value: Any) -> int:  # noqa: ANN401
        amount = _bytes(value)
        if amount is None:
            raise ValueError(f"{shown(value)} is no amount of memory; write 512mb, or the bytes")
        if amount < least:
            raise ValueError(f"{value} is too little; Redis takes at least {least} bytes")
        if amount > most:
            raise ValueError(f"{value} is too much; Redis takes at most {most} bytes")
        return amount

    return Annotated[int, BeforeValidator(check), WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]})]


def _bytes(value: Any) -> int | None:  # noqa: ANN401
    match = _MEMORY.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    return int(match[1]) * _BYTES[(match[2] or "").lower()] if match else None


def written(check: Callable[[str], str | None], what: str) -> Any:  # noqa: ANN401
    """Return the type of a text with a form.

    `check` returns the text as the server reports it, or None if it is not `what`.
    """

    def checked(value: Any) -> str:  # noqa: ANN401
        known = isinstance(value, str | int) and not isinstance(value, bool)
        found = check(str(value)) if known else None
        if found is None:
            raise ValueError(f"{shown(value)} will not do: write {what}")
        return found

    return Annotated[str, BeforeValidator(checked), WithJsonSchema({"type": ["string", "integer"]})]


def _numbers(told: list[str], least: int, most: int) -> list[int] | None:
    """Return the numbers, or None unless all are whole and within bounds."""
    found = [int(one) for one in told if re.fullmatch(r"-?\d+", one)]
    return found if len(found) == len(told) and all(least <= one <= most for one in found) else None


def _save(text: str) -> str | None:
    found = _numbers(text.split(), 0, INT_MAX)
    if found is None or len(found) % 2 or 0 in found[::2]:
        return None
    return " ".join(map(str, found))


_CLASSES = {"normal": "normal", "replica": "slave", "slave": "slave", "pubsub": "pubsub"}
_LIMITS = {"normal": "0 0 0", "slave": "268435456 67108864 60", "pubsub": "33554432 8388608 60"}
"""Maps each class of clients, as Redis reports it, to Redis's default limits for its output buffers."""


def _buffers(text: str) -> str | None:
    """Return `client-output-buffer-limit` as Redis reports it, or None if the text is malformed.

    Redis reports each class of clients, with its default where the text does not name the class.
    """
    told, limits = text.split(), dict(_LIMITS)
    for at in range(0, len(told), 4):
        name, *limit = told[at : at + 4]
        seconds = _numbers(limit[2:], 0, INT_MAX)
        amounts = [one for one in map(_bytes, limit[:2]) if one is not None and one <= LONG_MAX]
        if name.lower() not in _CLASSES or len(amounts) != 2 or not seconds:
            return None
        limits[_CLASSES[name.lower()]] = " ".join(map(str, amounts + seconds))
    return " ".join(f"{name} {limit}" for name, limit in limits.items())


_EVENTS = "g$lshzxetd"
"""The letters that A stands for, in the order in which Redis reports letters."""


def _events(text: str) -> str | None:
    """Redis reports letters in an order of its own, and n not beside A."""
    if not set(text) <= set(f"A{_EVENTS}nKEm"):
        return None
    every = "A" in text or set(_EVENTS) <= set(text)
    some = "A" if every else "".join(one for one in f"{_EVENTS}n" if one in text)
    return some + "".join(one for one in "KEm" if one in text)


def _share(text: str) -> str | None:
    """Bytes, or per cent of maxmemory."""
    if text.endswith("%"):
        return text if text[:-1].isdecimal() and int(text[:-1]) <= 100 else None
    amount = _bytes(text)
    return None if amount is None or amount > LONG_MAX else str(amount)


def _percentiles(text: str) -> str | None:
    told = text.split()
    if not all(re.fullmatch(r"\d+(\.\d+)?", one) and float(one) <= 100 for one in told):
        return None
    return " ".join(f"{float(one):.6f}".rstrip("0").rstrip(".") for one in told)


_SHUTDOWN = ("default", "save", "nosave", "now", "force", "safe", "failover")


def _shutdown(text: str) -> str | None:
    told = set(text.lower().split())
    contradict = {"save", "nosave"} <= told or ("default" in told and len(told) > 1)
    return (
        " ".join(one for one in _SHUTDOWN if one in told) if told <= {*_SHUTDOWN} and told and not contradict else None
    )


def _filename(text: str) -> str | None:
    return text if text and "/" not in text else None


def _scores(text: str) -> str | None:
    found = _numbers(text.split(), -2000, 2000)
    return " ".join(map(str, found)) if found is not None and len(found) == 3 else None


SAVE = written(_save, 'pairs of seconds (at least 1) and changes, as in "900 1 300 10", or ""')
BUFFERS = written(
    _buffers,
    'class, hard limit, soft limit and seconds, as in "replica 256mb 64mb 60"; the classes are normal, replica, pubsub',
)
EVENTS = written(_events, f"letters of K, E, A, {', '.join(_EVENTS)}, n and m, as in KEA")
SHARE = written(_share, 'bytes, or per cent of maxmemory up to 100, as in "5%"')
PERCENTILES = written(_percentiles, 'numbers from 0 to 100, as in "50 99 99.9"')
SHUTDOWN = written(_shutdown, f"default, or words of {', '.join(_SHUTDOWN[1:])}, but not both save and nosave")
FILENAME = written(_filename, "the name of a file, without a folder")
SCORES = written(_scores, 'three numbers from -2000 to 2000, as in "0 200 800"')


def refused(because: str) -> Any:  # noqa: ANN401
    """Return the type of a setting that the server has and no scenario may declare.

    The error never contains the value.
    """

    def check(_value: Any) -> str:  # noqa: ANN401
        raise ValueError(because)

    return Annotated[str, BeforeValidator(check), WithJsonSchema({"not": {}})]


def _text(value: Any) -> str:  # noqa: ANN401
    word = _unyaml(value)
    if not isinstance(word, str | int):
        raise ValueError(f"{shown(word)} is neither a word nor a number")
    return str(word)


def _unyaml(value: Any) -> Any:  # noqa: ANN401
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


YES_NO, TEXT = (
    words("yes", "no"),
    Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": ["string", "integer"]})],
)
SECONDS, MILLISECONDS, COUNT = number(0, INT_MAX, unit="seconds"), number(1, INT_MAX, unit="milliseconds"), number()
