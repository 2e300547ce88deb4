"""What is missing is said by its name and in time, with the real engine and the real kind."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chaos.errors import SetupError
from tests.fakes import HERE

pytestmark = [pytest.mark.kind, pytest.mark.timeout(600)]
QUICK_S = 30.0
"""Most of it is Python's own start, on a machine that may be busy."""
NOWHERE = "localhost:1/nothing:1"
"""An image of a registry that refuses, everywhere and at once."""


def said(folder: Path, *arguments: str, **environment: str) -> str:
    """What `failover run` says on standard error when it ends at once, for something missing."""
    command = [sys.executable, "-m", "chaos", "run", "--out", str(folder / "reports"), *arguments]
    begun_s = time.monotonic()
    done = subprocess.run(
        command, cwd=HERE, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=100
    )

    assert done.returncode == SetupError.exit_code, done.stdout + done.stderr
    assert time.monotonic() - begun_s < QUICK_S
    assert "Traceback" not in done.stderr
    assert list(folder.glob("reports/*/summary.json"))
    return done.stderr


def test_an_engine_that_does_not_answer(tmp_path: Path) -> None:
    error = said(tmp_path, DOCKER_HOST=f"unix://{tmp_path}/docker.sock")

    assert re.search(r"error: no container engine: .*docker\.sock.*docs\.docker\.com", error)


def test_no_kind(tmp_path: Path) -> None:
    """An engine, and no kind on the PATH."""
    engine = shutil.which("docker")
    assert engine is not None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").symlink_to(engine)
    error = said(tmp_path, PATH=f"{tmp_path}/bin")

    assert "error: kind is not installed: https://kind.sigs.k8s.io" in error


@pytest.mark.usefixtures("_deployed")
def test_an_image_of_the_system_that_nobody_has(tmp_path: Path) -> None:
    shutil.copytree(HERE / "scenarios" / "redis-operator", tmp_path / "redis-operator")
    file = tmp_path / "redis-operator" / "scenario.yaml"
    file.write_text(file.read_text().replace("images: [redis:7.0.15-alpine,", f"images: [{NOWHERE},"))
    error = said(tmp_path, str(file))

    assert re.search(rf"error: image {NOWHERE} is missing .*refused.*: docker pull {NOWHERE}", error)


@pytest.mark.usefixtures("_deployed")
def test_an_agent_image_that_nobody_has(tmp_path: Path) -> None:
    error = said(tmp_path, "--agent-image", NOWHERE)

    assert f"error: image {NOWHERE} is missing" in error
