"""The table of events in docs/file-formats.md, made from the classes in chaos/record/events.py.

`nox -s formats` runs this file, which writes the table into the page. A test fails when the page is out of date.
"""

import re
import types
import typing
from pathlib import Path
from typing import Any

from chaos.record.events import KINDS, Event

PAGE = Path(__file__).parents[2] / "docs" / "file-formats.md"
BEGIN, END = "<!-- events: begin, written by nox -s formats -->", "<!-- events: end -->"
WORDS = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", Any: "any value"}


def table() -> str:
    """One row a kind, in the order in which the classes stand."""
    head = "| kind | what it says | fields | who writes it |\n| --- | --- | --- | --- |"
    return "\n".join([head, *(_row(kind, event) for kind, event in KINDS.items())])


def rewritten(page: str) -> str:
    """The page with the table of today between its markers. Raises ValueError where a marker is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} must hold the lines {BEGIN} and {END}")
    return f"{before}{begin}\n\n{table()}\n\n{end}{after}"


def _row(kind: str, event: type[Event]) -> str:
    hints = {name: hint for name, hint in typing.get_type_hints(event).items() if name not in ("kind", "by")}
    shown = "<br>".join(f"`{name}`: {_type(hint)}" for name, hint in hints.items())
    says = re.sub(r"\s+", " ", event.__doc__ or "").strip()
    return f"| {kind} | {says} | {shown} | {event.by} |"


def _type(hint: Any) -> str:
    """A type in the words of JSON."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(one) for one in arguments)
    if origin is list:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return "object" if arguments[1] is Any else f"object of {_type(arguments[1])}"
    if typing.is_typeddict(hint):
        return "{" + ", ".join(f"{name}: {_type(one)}" for name, one in typing.get_type_hints(hint).items()) + "}"
    return WORDS[hint]


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
