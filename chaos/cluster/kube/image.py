"""Build the image of the agent and the node helper from the installed package, without a registry or a network.

The tag is a hash of the image's content, so an image that exists need not be built again, and changed code never runs
in an old image. `--agent-image` names another image, for clusters whose nodes we cannot load images onto.
"""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import chaos
from chaos.cluster.kube.kind import ASK_S, IMAGE_S, cache, ensure_image, ran, run
from chaos.errors import SetupError

BASE = "python:3.13-slim-bookworm"
PYTHON = "3.13"
GLIBC = 36
"""The minor version of glibc in the base image (Debian 12). Wheels built for a newer one would not load."""
LIBRARIES = ("hiredis", "pyroute2", "redis", "uvloop")
MODULES = ("__init__", "access", "clock", "errors", "linux", "model", "pipe", "resp", "timers", "undo", "until")
ROOMS = ("agent", "client", "net", "observe", "record")
"""The parts of the package that the agent and the node helper need."""
HOST_ONLY = {"record/reader.py", "record/parquet.py"}
"""The files that read recordings. They need numpy, which the image does not have."""
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
DOCKERFILE = f"""\
FROM {BASE}
COPY wheels /wheels
RUN pip install --no-index --no-deps --no-cache-dir --root-user-action=ignore /wheels/*.whl
COPY chaos /app/chaos
RUN python -m compileall -q /app
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1
WORKDIR /app
"""


async def agent_image() -> str:
    """Return the name of the agent's image. The container engine has the image when this returns."""
    engine = (await run("docker", "version", "--format", "{{.Server.Arch}}", within_s=ASK_S)).strip()
    if engine not in ARCHITECTURES:
        raise SetupError(
            f"the container engine runs on {engine}; the agent's image is made for {', '.join(ARCHITECTURES)}"
        )
    wheels = await _wheels(ARCHITECTURES[engine])
    reference = f"failover-agent:{_digest(wheels)}"
    if not (await ran("docker", "image", "inspect", reference, within_s=ASK_S)).ok:
        await ensure_image(BASE)
        await _build(reference, wheels)
    return reference


async def _wheels(architecture: str) -> Path:
    """Return a folder with a wheel of each library, in the versions installed here. Wheels are downloaded once."""
    wanted = [f"{name}=={version(name)}" for name in LIBRARIES]
    key = hashlib.sha256(" ".join([architecture, PYTHON, *wanted]).encode()).hexdigest()[:12]
    folder = cache() / "wheels" / key
    if folder.exists():
        return folder
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
        fits = [f"--platform=manylinux_2_{minor}_{architecture}" for minor in range(GLIBC, 16, -1)]
        fits += [f"--platform=manylinux2014_{architecture}", f"--python-version={PYTHON}", "--only-binary=:all:"]
        await run(*pip, *fits, "--dest", fresh, *wanted, within_s=IMAGE_S)
        shutil.copytree(fresh, folder)
    return folder


def _digest(wheels: Path) -> str:
    """Return a hash of the image's content. It does not depend on where the package is installed."""
    content = hashlib.sha256(DOCKERFILE.encode())
    for name in sorted(wheel.name for wheel in wheels.iterdir()):
        content.update(name.encode())
    for name, path in code():
        content.update(name.encode() + b"\0" + path.read_bytes())
    return content.hexdigest()[:12]


def code() -> Iterator[tuple[str, Path]]:
    """Yield the name below `chaos/` and the path of every file of the package that the pods need."""
    root = Path(chaos.__file__).parent
    for part in (*MODULES, *ROOMS):
        single = root / f"{part}.py"
        for path in [single] if single.exists() else sorted((root / part).rglob("*.py")):
            name = str(path.relative_to(root))
            if name not in HOST_ONLY:
                yield name, path


async def _build(reference: str, wheels: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        (context / "Dockerfile").write_text(DOCKERFILE)
        shutil.copytree(wheels, context / "wheels")
        for name, path in code():
            target = context / "chaos" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        await run("docker", "build", "--network", "none", "--tag", reference, folder, within_s=IMAGE_S)
