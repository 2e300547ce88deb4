"""The notebook in docs: every cell runs, and what it prints is what stands in it."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "docs" / "frames.ipynb"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def printed(notebook: Any) -> list[list[str]]:
    """The text of each cell's outputs; of a picture only that there is one."""
    return [
        [output.get("text") or "".join(output["data"]["text/plain"]) for output in cell.get("outputs", [])]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_the_notebook_prints_what_stands_in_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    written = nbformat.read(NOTEBOOK, 4)
    expected = printed(written)
    assert sum(map(bool, expected)) == 8
    client = NotebookClient(written, timeout=240, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    client.execute()
    assert printed(written) == expected


def test_it_answers_three_questions():
    lines = [line for cell in nbformat.read(NOTEBOOK, 4).cells for line in cell.source.splitlines()]
    assert [line[:5] for line in lines if line.startswith("## ")] == ["## 1.", "## 2.", "## 3."]
