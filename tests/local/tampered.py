"""Has one part of the harness do wrong, in its own process only: Python imports `sitecustomize` at its start.

`python -m tests.local.<module>` is never run: each of these modules looks who it is in before it does anything.
"""

import sys
from collections.abc import Mapping
from pathlib import Path


def environment(folder: Path, module: str) -> Mapping[str, str]:
    """In which every Python imports `tests.local.<module>` first."""
    (folder / "sitecustomize.py").write_text(f"import tests.local.{module}\n")
    return {"PYTHONPATH": str(folder)}


def runs(module: str) -> bool:
    """Whether this process is `python -m <module>`."""
    return sys.orig_argv[1:3] == ["-m", module]
