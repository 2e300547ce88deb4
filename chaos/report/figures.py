"""The plots of a report: a trial's time line, the spread over many trials, and a sweep.

Only this module uses matplotlib. Plots are drawn in the light inks, as SVG for the page and as PNG for readers that
cannot show SVG. The bytes depend on the values alone: there is no date and no random id. `chaos.report.svg` makes the
SVG fit for the page, whose style sheet maps each ink to its dark one.
"""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np

matplotlib.use("agg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter

from chaos.report import svg
from chaos.report.bars import PHASES, Strip
from chaos.report.many import PathSpread
from chaos.report.svg import ink
from chaos.report.timeline import Curve, Lane, PathOperations, SentinelMark, Timeline

if TYPE_CHECKING:
    from chaos.report.sweep import Setting

WIDTH_IN = 12.8
ROW_IN = 0.27


RC: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "failover",
    "svg.image_inline": True,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.linewidth": 0.6,
    "path.simplify": True,
    "path.simplify_threshold": 0.3,
}
LINES = ("ok", "stray", "unknown", "good", "missed", "replica")
"""The inks of the paths in the spread, in their order."""
DASHES: Any = {"new": "solid", "kept": (0, (5, 2))}
STEPS = 250
"""The number of steps of a line in the spread. A screen shows no more."""
SHAPES = {"failed": "x", "unknown": "o", "late": "^", "missed": "_"}
"""Maps each kind of operation that is not good to its shape. Colour alone never tells kinds apart."""
HEIGHTS = {"failed": 0.16, "unknown": -0.16, "late": 0.0, "missed": -0.3}
"""Maps each kind to its height in the lane."""


def of_timeline(timeline: Timeline) -> tuple[str, bytes]:
    """Return one trial's time line, as SVG for the page and as PNG."""
    with matplotlib.rc_context(RC):
        figure = draw(timeline)
        vector = _saved(figure, "svg").decode()
        return svg.inline(vector, timeline.title, timeline.description), _saved(figure, "png")


def draw(timeline: Timeline) -> Figure:
    """Draw five blocks on one axis: what was done, states, operations, latency, and the harness's lag."""
    rows = (2, len(timeline.states), len(timeline.operations), 3.2, 2.0)
    figure = Figure(figsize=(WIDTH_IN, ROW_IN * sum(rows) + 1.3), facecolor=ink("paper"))
    blocks = figure.subplots(len(rows), 1, sharex=True, height_ratios=[max(each, 1) for each in rows])
    figure.subplots_adjust(left=0.135, right=0.985, top=0.985, bottom=0.42 / figure.get_figheight(), hspace=0.12)
    for axes in blocks:
        axes.set_xlim(timeline.start_s, timeline.end_s)
        axes.axvspan(*timeline.band, facecolor=ink("band"), edgecolor="none", zorder=0)
        axes.axvline(0, color=ink("text"), linewidth=1)
        _frame(axes, timeline.limits)
        axes.tick_params(axis="x", length=3 if axes is blocks[-1] else 0)
    events, states, operations, latency, lag = blocks
    _events(events, timeline)
    _rows(states, [lane.title for lane in timeline.states] or [""])
    for row, lane in enumerate(timeline.states):
        _bars(states, row, lane)
    _operations(operations, timeline.operations)
    _curve(latency, timeline.latency, "latency of good\noperations, ms")
    _curve(lag, timeline.lag, "harness lag, ms")
    lag.set_xlabel("seconds from t = 0", color=ink("text"))
    return figure


def of_spreads(groups: Mapping[str, Sequence[PathSpread]], limits_s: Sequence[float]) -> str:
    """Return an SVG of the share of trials that was back by each time, or an empty string without groups.

    Each group is a block, and each path a stepped line. A path has one colour in all its ways: `new` is solid, and
    `kept` is dashed. A trial that was never back makes no step.
    """
    if not groups:
        return ""
    known = [at_s for paths in groups.values() for path in paths for at_s in path.back_s if math.isfinite(at_s)]
    axis_s = 1.04 * max([*known, *limits_s, 1.0])
    names = list(dict.fromkeys(_whole(path.path) for paths in groups.values() for path in paths))
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(WIDTH_IN, 2.1 * len(groups) + 0.6), facecolor=ink("paper"))
        blocks = figure.subplots(len(groups), 1, sharex=True, squeeze=False)[:, 0]
        height = figure.get_figheight()
        figure.subplots_adjust(left=0.06, right=0.83, top=1 - 0.3 / height, bottom=0.45 / height, hspace=0.3)
        for axes, (title, paths) in zip(blocks, groups.items(), strict=True):
            axes.set_xlim(0, axis_s)
            axes.set_ylim(0, 104)
            axes.set_yticks([0, 50, 100], ["none", "half", "all"])
            axes.set_title(title, loc="left", size=9, color=ink("text"))
            axes.grid(visible=True, axis="y", color=ink("line"), linewidth=0.5)
            _frame(axes, limits_s)
            for path in paths:
                colour = LINES[names.index(_whole(path.path)) % len(LINES)]
                style = DASHES.get(path.path.rpartition("/")[2], "dotted")
                axes.plot(*steps(path, axis_s), color=ink(colour), linewidth=1.6, linestyle=style, label=path.path)
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.05), frameon=False, labelcolor=ink("text"))
            axes.tick_params(axis="x", length=3 if axes is blocks[-1] else 0)
        blocks[-1].set_xlabel("seconds from t = 0 until the path was back", color=ink("text"))
        vector = _saved(figure, "svg").decode()
    said = ". ".join(
        f"{title}: {'; '.join(f'{path.path}: {path.text}' for path in each)}" for title, each in groups.items()
    )
    return svg.inline(vector, "How late each path was back, over all trials", said, prefix="spread")


def of_strips(groups: Mapping[str, Sequence[Strip]], limits_s: Sequence[float]) -> str:
    """Return an SVG that shows every trial as a stack of its phases, the shortest first.

    Each group is a row, and each path a column. Return an empty string without groups.
    """
    if not groups:
        return ""
    across = max(len(each) for each in groups.values())
    top_s = 1.06 * max([*limits_s, *(max(strip.totals) for each in groups.values() for strip in each), 1.0])
    names = [name for name in PHASES if any(name in strip.phases for each in groups.values() for strip in each)]
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(WIDTH_IN, 2.2 * len(groups) + 0.7), facecolor=ink("paper"))
        rows = figure.subplots(len(groups), across, sharey=True, squeeze=False)
        height = figure.get_figheight()
        room: Any = {"top": 1 - 0.3 / height, "bottom": 0.45 / height, "hspace": 0.45, "wspace": 0.06}
        figure.subplots_adjust(left=0.05, right=0.87, **room)
        for axes_row, (title, each) in zip(rows, groups.items(), strict=True):
            for axes, strip in zip(axes_row, [*each, *[None] * (across - len(each))], strict=True):
                if strip is None:
                    axes.set_visible(False)
                    continue
                _stack(axes, strip)
                axes.set_ylim(0, top_s)
                for limit_s in limits_s:
                    axes.axhline(limit_s, color=ink("bad"), linewidth=1.2, linestyle=(0, (4, 2)))
                _frame(axes, ())
                axes.set_xticks([])
                axes.set_title(strip.path, loc="left", size=9, color=ink("text"))
            axes_row[0].set_xlabel(title, loc="left", color=ink("text"))
        patches = [Patch(facecolor=PHASES[name].colour, edgecolor=ink("text"), linewidth=0.4) for name in names]
        figure.legend(patches, names, loc="upper right", frameon=False, labelcolor=ink("text"))
        vector = _saved(figure, "svg").decode()
    said = "The table below has the median of each phase."
    return svg.inline(
        vector, "Every trial as a stack of its phases, in seconds, the shortest first", said, prefix="strip"
    )


def _stack(axes: Axes, strip: Strip) -> None:
    """Draw phases on top of each other, a step for each trial. Outlines tell them apart without their colours."""
    edges = np.arange(len(strip.totals) + 1)
    tops = np.cumsum(np.array(list(strip.phases.values())), axis=0)
    for name, top in reversed([*zip(strip.phases, tops, strict=True)]):  # each over what is behind it
        style: Any = {"facecolor": PHASES[name].colour, "edgecolor": ink("text"), "linewidth": 0.3, "step": "post"}
        axes.fill_between(edges, np.append(top, top[-1]), **style)
    axes.set_xlim(0, len(strip.totals))


def of_sweep(settings: "Sequence[Setting]", limit_s: float | None) -> tuple[str, bytes]:
    """Return the picture of a sweep as SVG and PNG: recovery above, false failovers below, on one axis of settings."""
    names = [" ".join(filter(None, (one.variant, one.group))) for one in settings]
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(8.4, 6.2), facecolor=ink("paper"))
        above, below = figure.subplots(2, 1, sharex=True)
        figure.subplots_adjust(left=0.09, right=0.8, top=0.94, bottom=0.1, hspace=0.22)
        _recoveries(above, settings, limit_s)
        _false_failovers(below, settings)
        below.set_xticks(range(len(settings)), [name.partition("=")[2] for name in names])
        below.set_xlabel(names[0].partition("=")[0], color=ink("text"))
        for axes in (above, below):
            axes.grid(visible=True, axis="y", color=ink("line"), linewidth=0.5)
            _frame(axes, ())
        said = "; ".join(f"{name}: median {one.median_s:.2f} s" for name, one in zip(names, settings, strict=True))
        vector = _saved(figure, "svg").decode()
        inlined = svg.inline(vector, "Recovery and false failovers by setting", said, prefix="sweep")
        return inlined, _saved(figure, "png")


def _recoveries(axes: Axes, settings: "Sequence[Setting]", limit_s: float | None) -> None:
    """Draw each kill as a dot, or as a triangle at the top if it was never over, and the median with its interval."""
    axes.set_title("seconds until the last path was back after a kill", loc="left", size=9, color=ink("text"))
    known = [at_s for one in settings for at_s in one.back_s if math.isfinite(at_s)]
    top_s = 1.12 * max([*known, limit_s or 0.0, 1.0])
    axes.set_ylim(0, top_s)
    for at, one in enumerate(settings):
        over = [value for value in one.back_s if math.isfinite(value)]
        never = len(one.back_s) - len(over)
        beside = at + np.linspace(-0.16, 0.16, max(2, len(over)))[: len(over)]
        axes.plot(beside, over, linestyle="none", marker="o", markersize=3, color=ink("ok"))
        axes.plot([at] * never, [0.98 * top_s] * never, linestyle="none", marker="^", color=ink("failed"))
        axes.plot([at - 0.25, at + 0.25], [one.median_s] * 2, color=ink("text"), linewidth=1.8)
        low, high = one.interval_s
        if low is not None and high is not None:
            axes.plot([at + 0.25] * 2, [low, high], color=ink("text"), linewidth=1.2)
    if limit_s is not None:
        axes.axhline(limit_s, color=ink("bad"), linewidth=1.2, linestyle=(0, (4, 2)))
        where: Any = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "center"}
        axes.annotate("promised", (1.0, limit_s), (4, 0), color=ink("text"), **where)


def _false_failovers(axes: Axes, settings: "Sequence[Setting]") -> None:
    """Draw a line for each length of pause: the share of such pauses that brought a failover, with its interval."""
    axes.set_title("pauses that brought a failover, which nobody needed", loc="left", size=9, color=ink("text"))
    for nth, length in enumerate(sorted({length for one in settings for length in one.pauses})):
        paused = [(at, one.pauses[length]) for at, one in enumerate(settings) if length in one.pauses]
        rows = [(at, each.failovers / max(1, each.n), *each.share) for at, each in paused]
        at, share, least, most = np.array(rows).T
        error = 100 * np.clip([share - least, most - share], 0, None)
        style: Any = {"color": ink(LINES[nth % len(LINES)]), "marker": "os^Dv"[nth % 5], "markersize": 5}
        axes.errorbar(at + 0.07 * (nth - 1.5), 100 * share, yerr=error, label=f"hung {length:g} s", **style)
    axes.set_ylim(-4, 104)
    axes.set_yticks([0, 50, 100], ["none", "half", "all"])
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.05), frameon=False, labelcolor=ink("text"))


def _whole(path: str) -> str:
    """Return a path without its way of connecting, as in `service` of `service/new`."""
    return path.rpartition("/")[0] or path


def steps(path: PathSpread, axis_s: float) -> tuple[list[float], list[float]]:
    """Return the corners of a line that rises at each trial that was back, in steps that a screen can show."""
    at_s, share = [0.0], [0.0]
    least_s, n = axis_s / STEPS, len(path.back_s)
    for done, back_s in enumerate(path.back_s, start=1):
        if math.isfinite(back_s):
            edge_s = round(back_s / least_s) * least_s
            if edge_s > at_s[-1]:
                at_s += [edge_s, edge_s]
                share += [share[-1], 0.0]
            share[-1] = 100 * done / n
    return [*at_s, axis_s], [*share, share[-1]]


def _saved(figure: Figure, kind: str) -> bytes:
    """Return the bytes of one picture, without the metadata that names its day or its maker."""
    buffer, unnamed = io.BytesIO(), {"svg": ("Date", "Creator"), "png": ("Software",)}
    figure.savefig(buffer, format=kind, dpi=110, metadata=dict.fromkeys(unnamed[kind]))
    return buffer.getvalue()


def _frame(axes: Axes, limits_s: Sequence[float]) -> None:
    """Give a block its background and the promised limits, and remove lines that it does not need."""
    axes.set_facecolor(ink("paper"))
    for limit_s in limits_s:
        axes.axvline(limit_s, color=ink("bad"), linewidth=1.2, linestyle=(0, (4, 2)))
    axes.tick_params(which="both", length=0, colors=ink("text"), labelsize=9)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(ink("line"))


def _rows(axes: Axes, titles: list[str]) -> None:
    axes.set_ylim(len(titles) - 0.5, -0.5)
    axes.set_yticks(range(len(titles)), titles)


def _events(axes: Axes, timeline: Timeline) -> None:
    _rows(axes, [timeline.faults.title, "Sentinel"])
    _bars(axes, 0, timeline.faults, outside=True)
    at = [mark.at_s for mark in timeline.sentinel]
    axes.plot(at, [1.0] * len(at), linestyle="none", marker="|", markersize=9, color=ink("text"))
    span_s = timeline.end_s - timeline.start_s
    for at_s, text in clusters(timeline.sentinel, span_s * 0.012):
        left = at_s > timeline.end_s - span_s * 0.3
        _beside(axes, at_s, 1.0, text, left=left)


def _beside(axes: Axes, at_s: float, row: float, text: str, *, left: bool = False) -> None:
    """Write words beside what they name, on a background of their own, so that no line strikes them through."""
    ground = {"facecolor": ink("paper"), "edgecolor": "none", "pad": 0.8}
    offset = (-6, 0) if left else (6, 0)
    side = "right" if left else "left"
    axes.annotate(
        text,
        (at_s, row),
        offset,
        textcoords="offset points",
        ha=side,
        va="center",
        color=ink("text"),
        size=8,
        bbox=ground,
    )


def clusters(marks: tuple[SentinelMark, ...], near_s: float) -> Iterator[tuple[float, str]]:
    """Yield marks that are too near to each other to be read apart, as one text at the last of them."""
    group: list[SentinelMark] = []
    for mark in sorted(marks, key=lambda mark: mark.at_s):
        if group and mark.at_s - group[-1].at_s > near_s:
            yield group[-1].at_s, _names(group)
            group = []
        group.append(mark)
    if group:
        yield group[-1].at_s, _names(group)


def _names(group: list[SentinelMark]) -> str:
    names = list(dict.fromkeys(mark.text for mark in group))
    return " ".join(names[:4]) + (f" … {len(names) - 4} more" if len(names) > 4 else "")


def _bars(axes: Axes, row: int, lane: Lane, *, outside: bool = False) -> None:
    """Draw a lane's runs. A name that does not fit into its run is written beside it, or shortened."""
    start, end = axes.get_xlim()
    for run in lane.runs:
        at, until = max(run.start_s, start), min(run.end_s, end)
        width = max(until - at, (end - start) * 0.001)
        axes.barh(row, width, left=at, height=0.66, color=ink(run.ink), edgecolor=ink("text"), linewidth=0.5)
        text = fitting(run.text, width / (end - start))
        if text:
            colour = ink("text" if run.ink in ("replica", "line") else "paper")
            axes.text(at + (end - start) * 0.004, row, text, va="center_baseline", size=8, color=colour)
        elif outside:
            _beside(axes, until, row, run.text)


def fitting(text: str, share: float) -> str:
    """Return the text, or its last part, if a run of that share of the axis has room for it, else an empty string."""
    short = f"…-{text.rpartition('-')[2]}" if "-" in text else ""
    return next((each for each in (text, short) if share > 0.012 + 0.0062 * len(each)), "")


def _operations(axes: Axes, paths: tuple[PathOperations, ...]) -> None:
    _rows(axes, [path.title for path in paths] or [""])
    for row, path in enumerate(paths):
        for name, stretches in (("ok", path.good), ("stray", path.stray)):
            for start, end in stretches:
                style = "solid" if name == "ok" else (0, (1.5, 1))
                axes.plot(
                    [start, end], [row, row], color=ink(name), linewidth=4, linestyle=style, solid_capstyle="butt"
                )
        for name, at in path.bad.items():
            axes.plot(
                at,
                [row + HEIGHTS[name]] * len(at),
                linestyle="none",
                marker=SHAPES[name],
                markersize=4,
                markerfacecolor="none",
                markeredgecolor=ink("open" if name == "late" else name),
                markeredgewidth=1,
            )


def _curve(axes: Axes, curve: Curve, title: str) -> None:
    axes.set_yscale("log")
    known = np.concatenate([curve.middle, curve.worst])
    known = known[np.isfinite(known) & (known > 0)]
    least, most = (known.min(), known.max()) if len(known) else (0.1, 10.0)
    axes.set_ylim(10 ** np.floor(np.log10(least / 1.2)), 10 ** np.ceil(np.log10(most * 1.2)))
    axes.fill_between(curve.at_s, curve.middle, curve.worst, step="mid", color=ink("ok"), alpha=0.25, linewidth=0)
    axes.plot(curve.at_s, curve.worst, color=ink("ok"), linewidth=0.8)
    axes.plot(curve.at_s, curve.middle, color=ink("text"), linewidth=0.8)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, axis="y", color=ink("line"), linewidth=0.5)
    axes.set_ylabel(title, rotation=0, ha="right", va="center", color=ink("text"))
    axes.yaxis.set_label_coords(-0.035, 0.5)
