"""The processes of a trial: small, since many of them run. A worker's messages are all that it says on its output."""

import subprocess
import sys

import pytest

from tests.fakes import HERE

HEAVY = ("numpy", "matplotlib", "kubernetes", "pyarrow", "pyroute2")


@pytest.mark.parametrize(
    "modules", ["chaos.trial.worker, chaos.control", "chaos.campaign, chaos.control", "chaos.operators.__main__"]
)
def test_what_runs_beside_a_measurement_loads_only_what_it_uses(modules: str) -> None:
    """A worker has no analysis and no reports, not even by the control, which every experiment of ours names and
    chaostoolkit imports. Only who makes networks loads pyroute2: that is half of what a process takes to start."""
    program = f"import {modules}, sys; print(*[one for one in {HEAVY} if one in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=HERE, capture_output=True, text=True, check=True)

    assert loaded.stdout.split() == []
