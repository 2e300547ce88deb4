"""A worker's process: small, since many of them run; its messages are all that it says on standard output."""

import subprocess
import sys

from tests.fakes import HERE

HEAVY = ("numpy", "matplotlib", "kubernetes", "pyarrow")


def test_a_worker_loads_neither_the_analysis_nor_the_reports() -> None:
    """Not even by the control, which every experiment of ours names and chaostoolkit imports."""
    program = f"import chaos.trial.worker, chaos.control, sys; print(*[one for one in {HEAVY} if one in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=HERE, capture_output=True, text=True, check=True)

    assert loaded.stdout.split() == []
