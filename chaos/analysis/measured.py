"""Each path's figures: its windows with their phases, its outage, recovery and downtime, its errors and losses.

Held against no promise yet: that is `held`.
"""

from dataclasses import replace

from chaos.analysis import allowed, applications, phases, timeline
from chaos.analysis.happened import Happened
from chaos.analysis.losses import lost_of
from chaos.analysis.paths import Path, counts, errors
from chaos.analysis.result import Measured, Milestone, PathResult, Span, State, Window


def path_results(happened: Happened) -> dict[str, PathResult]:
    """By name, in the order of the clients."""
    return {path.name: _path(happened, path) for path in happened.paths}


def durable(windows: tuple[Window, ...]) -> list[Window]:
    """Those that the fault is answerable for."""
    return [window for window in windows if window.kind == "durable" and not window.after_heal]


def recovered_s(head: Window | None) -> Measured | None:
    """The end of the first window, counted from t = 0."""
    if head is None:
        return None
    return head.end_s if head.end_s else (head.onset_s[1] + head.length_s[0], None)


def downtime_s(windows: list[Window]) -> Measured | None:
    if not windows:
        return None
    least = sum(window.length_s[0] for window in windows)
    most = [window.length_s[1] for window in windows]
    return least, None if None in most else sum(value for value in most if value is not None)


def _path(happened: Happened, path: Path) -> PathResult:
    history, about = happened.history, _about(happened, path)
    pointer, routable = _pointers(happened, path)
    windows = _windows(happened, path, (pointer, routable))
    mine = durable(windows)
    head = mine[0] if mine else None
    lost = sum(lost_of(history, client) for client in path.clients)
    found = PathResult(
        name=path.name,
        connection=path.connection,
        state=path.baseline.state,
        about=about,
        windows=windows,
        outage_s=head.length_s if head else None,
        recovered_s=recovered_s(head),
        downtime_s=downtime_s(mine),
        full_s=path.full_s,
        any_s=path.any_s,
        operations=counts(history, path.clients),
        errors=errors(history, path.clients),
        lost=None if happened.losses.lost is None else lost,
        never_worked_because=path.baseline.why if path.baseline.state == "never worked" else "",
        pointer=pointer,
        routable=routable,
        address=path.clients[0].address,
        via_sentinel=path.via_sentinel,
        allowed_s=_allowed(happened, path),
    )
    return found if path.is_meter else _application(happened, path, found)


def _application(happened: Happened, path: Path, found: PathResult) -> PathResult:
    return replace(
        found,
        application=True,
        longest_blocked_s=applications.longest_blocked_s(happened.history, path.clients),
        first_good_s=applications.first_good_s(happened.history, path.clients),
        never_again=applications.never_again(happened.history, path.clients),
    )


def _about(happened: Happened, path: Path) -> str:
    client = path.clients[0]
    about = happened.history.scenario.get("clients", {}).get(client.path, {}).get("about", "")
    return ", ".join(text for text in (client.library, about) if text)


def _pointers(happened: Happened, path: Path) -> tuple[Milestone | None, Milestone | None]:
    """When the path's way led to the new master; None where no failover was, or the path proves nothing."""
    if not path.works or not happened.milestones:
        return None, None
    history, who, attempt = happened.history, happened.successor, happened.attempt
    if path.via_sentinel:
        return _told(happened, path), timeline.NOT_APPLICABLE
    siblings = [each for each in happened.paths if each.service == path.service and each.works]
    return timeline.pointer(history, path.service, who, attempt), phases.routable(history, path, siblings, who)


def _told(happened: Happened, path: Path) -> Milestone:
    """By the client's own questions; one that keeps its connection may ask long after every Sentinel would say."""
    if path.head is None:
        return timeline.NOT_APPLICABLE
    asked = phases.told_by_sentinel(happened.history, path.head, happened.successor)
    named = timeline.named(happened.history, happened.attempt)
    if path.connection == "new" or named.span is None:
        return asked
    return named if asked.span is None or named.span[1] < asked.span[1] else asked


def _windows(happened: Happened, path: Path, own: tuple[Milestone | None, Milestone | None]) -> tuple[Window, ...]:
    """The worst client's: the durable ones, the first with its phases, then those that were seen."""
    worst, history = path.worst or next(iter(path.windows), None), happened.history
    if worst is None:
        return ()
    error_s = history.ops.clock_error_s
    found = [_widened(window, error_s) for window in worst.durable]
    first = next((n for n, window in enumerate(found) if not window.after_heal), None)
    if first is not None and history.effect_s and path.works:
        ours = {name: it for name, it in zip(("pointer", "routable"), own, strict=True) if it}
        explained_s = phases.explained_s(worst.client, history.deadline_s)
        found[first] = phases.divided(found[first], {**happened.milestones, **ours}, history.effect_s, explained_s)
    return (*found, *(_widened(window, error_s) for window in worst.seen))


def _widened(window: Window, error_s: float) -> Window:
    """With the error of the clients' clock against the axis in its edges; its length is on one clock and has none."""
    if not error_s:
        return window
    onset, end = window.onset_s, window.end_s
    return replace(window, onset_s=_wider(onset, error_s), end_s=_wider(end, error_s) if end else None)


def _wider(span: Span, error_s: float) -> Span:
    return span[0] - error_s, span[1] + error_s


def _allowed(happened: Happened, path: Path) -> Span | None:
    if not path.works:
        return None
    known = allowed.means(happened.history, happened.failover, happened.target)
    if known is None:
        return None
    return allowed.through_sentinel(known) if path.via_sentinel else allowed.through_service(known)


def seen_by_clients(results: dict[str, PathResult], watched_s: float, stable_s: float) -> dict[str, Milestone]:
    """first_failed: the first bad operation of any path that works. first_good: the first path that was back.

    stable: when the last of them was back for good, with nothing bad for `stable_s` after that.
    """
    out = [(path.name, window) for path in results.values() if path.state == "works" for window in path.windows]
    if not out:
        return {}
    onset, first = min((window.onset_s, name) for name, window in out)
    found = {"first_failed": timeline.seen(onset, "client", f"{first}: the first bad operation")}
    ends = [(window.end_s, name) for name, window in out if window.end_s]
    if ends:
        end, back = min(ends)
        found["first_good"] = timeline.seen(end, "client", f"{back}: the first good operation")
    return found | {"stable": _stable(out, watched_s, stable_s)}


def _stable(out: list[tuple[str, Window]], watched_s: float, stable_s: float) -> Milestone:
    end, name = max((window.end_s or (watched_s, watched_s), name) for name, window in out)
    if watched_s - end[1] < stable_s:
        return Milestone(state=State.NOT_YET, limit_s=watched_s, source="client")
    return timeline.seen(end, "client", f"{name} was the last to be back; nothing bad for {stable_s:g} s after it")
