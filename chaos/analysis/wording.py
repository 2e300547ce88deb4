"""How figures are written, the same in every sentence and in every report."""

from collections.abc import Iterable

from chaos.analysis.interval import Interval

LOCAL = "local"
"""The kind of cluster that is processes of one machine."""
MODELLED = "MODELLED (no Kubernetes, no operator):"


def modelled(cluster: str, text: str) -> str:
    """A verdict as it is said: one of a modelled system begins with that, so that no line can be quoted without it."""
    return f"{MODELLED} {text}" if cluster == LOCAL else text


def seconds_text(value: Interval, digits: int = 1) -> str:
    """As in `6.4 to 6.5 s`, `6.4 s` where both edges round to that, and `> 60.0 s` of an open one."""
    least, most = f"{value.least:.{digits}f}", f"{value.most:.{digits}f}"
    if value.is_open:
        return f"> {least} s"
    return f"{least} s" if least == most else f"{least} to {most} s"


def spread_text(lengths: Iterable[Interval | None]) -> str:
    """`50.9 to 53.1 s` of several middles; `> 90.0 s` where one was not over; empty without any."""
    known = [length for length in lengths if length is not None]
    if not known:
        return ""
    low, high = min(one.middle for one in known), max(one.middle for one in known)
    if any(one.is_open for one in known):
        never = max(one.least for one in known if one.is_open)
        over = any(not one.is_open for one in known)
        return f"{low:.1f} to > {never:.1f} s" if over else f"> {low:.1f} s"
    return seconds_text(Interval(low, high))


def plural(count: int, word: str) -> str:
    """As in `1 trial` and `3 trials`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def listed(names: Iterable[str]) -> str:
    """As in `redis-1`, `redis-1 and redis-2`, and `redis-0, redis-1 and redis-2`."""
    each = list(names)
    return f"{', '.join(each[:-1])} and {each[-1]}" if len(each) > 1 else "".join(each)
