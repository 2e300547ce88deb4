"""The plots in the page: no styles, no foreign ids, every text escaped, the same bytes each time."""

import math
import re
from dataclasses import replace
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest

from chaos.report import figures, svg
from chaos.report.many import PathSpread
from chaos.report.svg import INKS
from chaos.report.timeline import Curve, Lane, PathOperations, Run, SentinelMark, Timeline


@pytest.fixture(scope="module")
def picture():
    cells = np.linspace(-5, 60, 40)
    flat = Curve(cells, np.full(40, 0.8), np.full(40, 2.0))
    return Timeline(
        title="Trial 0 <& co>",
        description="told",
        start_s=-5.0,
        end_s=60.0,
        band=(0.0, 52.0),
        limits=(15.0,),
        faults=Lane("fault", (Run(0.0, 0.01, "crash <script>alert(1)</script>", "failed"),)),
        sentinel=(SentinelMark(5.4, "+sdown"), SentinelMark(5.5, "+odown"), SentinelMark(40.0, "+tilt")),
        states=(Lane("rfr-0 is", (Run(-5.0, 0.0, "master", "master"),)),),
        operations=(
            PathOperations("service/new", ((-5.0, 0.0),), (), {"failed": (1.0, 2.0), "missed": (3.0,)}, {"good": 9}),
        ),
        latency=flat,
        lag=flat,
    )


@pytest.fixture(scope="module")
def drawn(picture):
    return figures.of_timeline(picture)


SERVICE = PathSpread("service/new", (*[5.0] * 10, *[10.0] * 5, *[math.inf] * 5))
"""Of twenty trials of which five were never back."""


@pytest.fixture(scope="module")
def spread():
    return figures.of_spreads({"kill-master, 20 trials": (SERVICE, PathSpread("sentinel/kept", (6.5,) * 20))}, [15.0])


@pytest.mark.parametrize("plot", ["timeline", "spread"])
def test_there_are_no_styles_and_every_colour_is_an_ink(drawn, spread, plot):
    text = drawn[0] if plot == "timeline" else spread
    assert "style" not in text
    inks = {ink.light for ink in INKS.values()} | {"none"}
    assert set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]+)"', text)) <= inks


def test_every_text_is_escaped_and_the_picture_is_named(picture, drawn):
    text = drawn[0]
    assert "<script>" not in text
    root = fromstring(text)
    assert [child.text for child in root[:2]] == [picture.title, picture.description]


def test_ids_are_our_own_and_every_reference_is_met(drawn):
    text = drawn[0]
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert all(name.startswith("axis-") for name in ids)
    assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', text)) <= set(ids)


def test_a_row_of_many_equal_shapes_is_one_line_with_shapes_at_its_corners(picture):
    """Otherwise a trial in which everything fails fills the page with references."""
    failed = tuple(float(at_s) for at_s in range(40))
    crowd = replace(picture, operations=(PathOperations("service/new", (), (), {"failed": failed}, {"failed": 40}),))
    text = figures.of_timeline(crowd)[0]
    root = fromstring(text)
    [marker] = root.iter(f"{{{svg.SVG}}}marker")
    [line] = [path for path in root.iter(f"{{{svg.SVG}}}path") if path.get("marker-mid") == f"url(#{marker.get('id')})"]
    assert line.get("d", "").count("H") == 39
    assert marker[0].get("stroke") == INKS["failed"].light


def test_a_picture_is_the_same_each_time(picture, drawn):
    assert figures.of_timeline(picture) == drawn


def test_marks_that_stand_too_near_share_a_text(picture):
    assert list(figures.clusters(picture.sentinel, 0.5)) == [(5.5, "+sdown +odown"), (40.0, "+tilt")]


@pytest.mark.parametrize(("share", "text"), [(0.5, "rfr-redis-cluster-1"), (0.05, "…-1"), (0.01, "")])
def test_a_name_is_cut_to_what_tells_it_apart(share, text):
    assert figures.fitting("rfr-redis-cluster-1", share) == text


def test_a_line_rises_where_trials_were_back_and_ends_below_the_top_where_some_never_were():
    at_s, share = figures.steps(SERVICE, 20.0)
    assert at_s == pytest.approx([0, 5, 5, 10, 10, 20], abs=0.05)
    assert share == [0, 0, 50, 50, 75, 75]


def test_a_path_without_an_outage_is_at_the_top_from_the_beginning():
    assert figures.steps(PathSpread("service/new", (0.0,) * 20), 10.0) == ([0.0, 10.0], [100.0, 100.0])


def test_a_line_has_no_more_corners_than_a_screen_shows():
    many = PathSpread("service/new", tuple(n / 100 for n in range(5000)))
    assert len(figures.steps(many, 50.0)[0]) <= 2 * (figures.STEPS + 1)


def test_the_spread_says_its_paths_and_its_figures_to_who_cannot_see_it(spread):
    root = fromstring(spread)
    assert "all by never" in (root[1].text or "").replace("\N{NO-BREAK SPACE}", " ")
    assert {"service/new", "sentinel/kept"} <= {each.text for each in root.iter(f"{{{svg.SVG}}}text")}


def test_few_trials_have_no_spread():
    assert figures.of_spreads({}, [15.0]) == ""
