"""The picture in the page: no styles, no foreign ids, every text escaped, the same bytes each time."""

import re
from dataclasses import replace
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest

from chaos.report import figures, palette, svg
from chaos.report.timeline import Curve, Lane, Mark, Operations, Run, Timeline


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
        sentinel=(Mark(5.4, "+sdown"), Mark(5.5, "+odown"), Mark(40.0, "+tilt")),
        states=(Lane("rfr-0 is", (Run(-5.0, 0.0, "master", "master"),)),),
        operations=(
            Operations("service/new", ((-5.0, 0.0),), (), {"failed": (1.0, 2.0), "missed": (3.0,)}, {"good": 9}),
        ),
        latency=flat,
        lag=flat,
    )


@pytest.fixture(scope="module")
def drawn(picture):
    return figures.pictures(picture)


def test_there_are_no_styles_and_every_colour_is_an_ink(picture, drawn):
    text = svg.inline(drawn[0], picture.title, picture.description)
    assert "style" not in text
    inks = {ink.light for ink in palette.INKS.values()} | {"none"}
    assert set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]+)"', text)) <= inks


def test_every_text_is_escaped_and_the_picture_is_named(picture, drawn):
    text = svg.inline(drawn[0], picture.title, picture.description)
    assert "<script>" not in text
    root = fromstring(text)
    assert [child.text for child in root[:2]] == [picture.title, picture.description]


def test_ids_are_our_own_and_every_reference_is_met(picture, drawn):
    text = svg.inline(drawn[0], picture.title, picture.description)
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert all(name.startswith("axis-") for name in ids)
    assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', text)) <= set(ids)


def test_a_row_of_many_equal_shapes_is_one_line_with_shapes_at_its_corners(picture):
    """Otherwise a trial in which everything fails fills the page with references."""
    failed = tuple(float(at_s) for at_s in range(40))
    crowd = replace(picture, operations=(Operations("service/new", (), (), {"failed": failed}, {"failed": 40}),))
    text = svg.inline(figures.pictures(crowd)[0], picture.title, picture.description)
    root = fromstring(text)
    [marker] = root.iter(f"{{{svg.SVG}}}marker")
    [line] = [path for path in root.iter(f"{{{svg.SVG}}}path") if path.get("marker-mid") == f"url(#{marker.get('id')})"]
    assert line.get("d", "").count("H") == 39
    assert marker[0].get("stroke") == palette.INKS["failed"].light


def test_a_picture_is_the_same_each_time(picture, drawn):
    assert figures.pictures(picture) == drawn


def test_marks_that_stand_too_near_share_a_text(picture):
    assert list(figures.clusters(picture.sentinel, 0.5)) == [(5.5, "+sdown +odown"), (40.0, "+tilt")]


@pytest.mark.parametrize(("share", "text"), [(0.5, "rfr-redis-cluster-1"), (0.05, "…-1"), (0.01, "")])
def test_a_name_is_cut_to_what_tells_it_apart(share, text):
    assert figures.fitting("rfr-redis-cluster-1", share) == text
