"""The agent's image holds what the pods import and nothing of the host's, and its tag follows every file of it."""

import subprocess
import sys
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from chaos.cluster.kube.image import HOST_ONLY, LIBRARIES, agent_image, code

ENTRIES = (
    "chaos.agent.__main__",
    "chaos.agent.keeper",
    "chaos.agent.node",
    "chaos.agent.talk",
    "chaos.client.application",
    "chaos.client.libraries",
)
ALLOWED = {*LIBRARIES, "chaos", "psutil"}
"""pyroute2 imports psutil where it is installed, and does without it elsewhere."""


def test_what_reads_recordings_stays_on_the_host():
    names = {name for name, _ in code()}

    assert "agent/main.py" in names
    assert "record/ops_files.py" in names
    assert not names & HOST_ONLY
    assert not any(name.startswith(("cluster", "analysis", "report", "scenario")) for name in names)


def test_every_program_of_the_pods_starts_from_these_files_alone(tmp_path):
    """They are imported from a copy, where nothing else of the package is, and third-party imports are counted."""
    for name, path in code():
        target = tmp_path / "chaos" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    imports = "; ".join(f"import {entry}" for entry in ENTRIES)
    installed = (
        "{n.split('.')[0] for n, m in sys.modules.items() if 'site-packages' in (getattr(m, '__file__', '') or '')}"
    )
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {imports}; print(*{installed})"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert {name for name in done.stdout.split() if not name.startswith(("_", "__editable__"))} <= ALLOWED


async def test_the_tag_is_the_hash_of_the_context_and_an_image_that_is_there_is_not_built(program, tmp_path):
    program("docker", f'echo "$@" >> {tmp_path}/said; echo amd64')
    wheels = next_wheels(tmp_path)
    first = await agent_image()
    wheels.joinpath("another-1.0-py3-none-any.whl").touch()
    second = await agent_image()

    assert first.startswith("failover-agent:")
    assert first != second
    assert "build" not in (tmp_path / "said").read_text()


def next_wheels(tmp_path: Path) -> Path:
    """Where the wheels of this machine would be downloaded to; made, so that nothing is downloaded."""
    wanted = [f"{name}=={version(name)}" for name in LIBRARIES]
    key = sha256(" ".join(["x86_64", "3.13", *wanted]).encode()).hexdigest()[:12]
    folder = tmp_path / "cache" / "failover-harness" / "wheels" / key
    folder.mkdir(parents=True)
    return folder
