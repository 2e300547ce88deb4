"""Events for tests: what a test does not say of one is empty, and a misspelt kind or field is refused as in a file."""

import types
from dataclasses import MISSING, fields
from typing import Any, get_origin

from chaos.analysis.interval import Interval
from chaos.clock import HOST
from chaos.record.events import KINDS, Event, Stamped


def event(kind: str, **said: Any) -> Event:
    """An event of that kind; raises TypeError on a field that it has not."""
    made = KINDS[kind]
    each = fields(made)  # type: ignore[arg-type]
    blank = {one.name: _empty(one.type) for one in each if one.default is MISSING and one.default_factory is MISSING}
    return made(**blank | said)


def stamped(kind: str, domain: str = HOST, at_ns: int = 0, since_ns: int | None = None, **said: Any) -> Stamped[Any]:
    return Stamped(event=event(kind, **said), domain=domain, at_ns=at_ns, since_ns=since_ns)


def _empty(annotation: Any) -> Any:
    """What stands for nothing of that type; None where the type allows it."""
    if isinstance(annotation, types.UnionType):
        return None
    return (get_origin(annotation) or annotation)()


def edges(value: Interval | None) -> tuple[float, float | None]:
    """An interval as (least, most), with None where it is open, to be compared with pytest.approx."""
    assert value is not None
    return value.least, None if value.is_open else value.most


def said(one: Stamped[Any]) -> dict[str, Any]:
    """What an event says, by the names of its fields."""
    return {each.name: getattr(one.event, each.name) for each in fields(one.event)}
