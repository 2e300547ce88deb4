"""The sample campaign in the repository: its derived files are what this checkout makes of its raw ones."""

import re
import shutil
from pathlib import Path

import pytest

from chaos.report.files import report

SAMPLE = Path(__file__).parents[2] / "reports" / "sample"
DRAWN = re.compile(r'<svg [^>]*viewBox="0 0 921.*?</svg>', re.DOTALL)
"""The picture: its bytes are matplotlib's, and differ between its versions."""


@pytest.fixture(scope="module")
def again(tmp_path_factory):
    directory = tmp_path_factory.mktemp("again") / "sample"
    raw = [SAMPLE / "campaign.json", *SAMPLE.glob("trial-*")]
    directory.mkdir()
    for path in raw:
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, directory / path.name)
    report(directory)
    return directory


@pytest.mark.parametrize("name", ["summary.json", "summary.md", "junit.xml", "failed-operations.csv"])
def test_the_sample_is_what_its_raw_files_say(again, name):
    """After a change of the analysis: `failover analyse reports/sample`, and look at what became different."""
    assert (again / name).read_bytes() == (SAMPLE / name).read_bytes()


def test_the_page_of_the_sample_is_what_its_raw_files_say(again):
    old, new = ((place / "report.html").read_text() for place in (SAMPLE, again))
    assert DRAWN.search(old)
    assert DRAWN.sub("", new) == DRAWN.sub("", old)
