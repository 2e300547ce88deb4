"""What is missing for a system here is said with what brings it, in the same words whoever asks."""

from pathlib import Path

import pytest

from chaos.cluster.here import available_gib, engine, level, memory, server
from chaos.cluster.kube.kind import checkout, name_of
from chaos.errors import SetupError


async def test_no_docker_command_is_said(program):
    with pytest.raises(SetupError, match=r"no container engine.*docs\.docker\.com"):
        await engine()


async def test_no_engine_behind_the_command_is_said_in_its_words(program):
    program("docker", "echo 'Cannot connect to the Docker daemon at unix:///nowhere' >&2; exit 1")

    with pytest.raises(SetupError, match=r"no container engine: Cannot connect .*nowhere\. kind needs Docker: "):
        await engine()
    program("docker", "echo 'Cannot connect. Is the docker daemon running?' >&2; exit 1")
    with pytest.raises(SetupError, match=r"Is the docker daemon running\? kind needs Docker: "):
        await engine()


async def test_no_kind_is_said(program):
    program("docker", "echo 28.2")

    with pytest.raises(SetupError, match=r"kind is not installed: https"):
        await engine()


async def test_an_engine_and_kind_are_said_with_their_versions(program):
    program("docker", "echo 28.2")
    program("kind", "echo 0.33")

    assert (await engine()).startswith("container engine: Docker 28.2 · kind 0.33 (")


async def test_too_little_memory_is_missing_unless_our_cluster_is_up(program, tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemAvailable: 1048576 kB\n")
    program("kind", "echo none")
    with pytest.raises(SetupError, match=r"kind needs 2 GiB of memory, and 1\.0 GiB are free"):
        await memory(meminfo)

    program("kind", f"echo {name_of(checkout(Path.cwd()))}")
    assert "is up and has what it needs" in await memory(meminfo)


def test_memory_is_what_can_be_had_without_swapping():
    assert available_gib("MemTotal:  8000000 kB\nMemAvailable:    2097152 kB\nHugePages_Total:  0\n") == 2


@pytest.mark.redis
async def test_the_server_of_local_is_said_with_its_version():
    assert any(digit.isdigit() for digit in await server())


@pytest.mark.netns
async def test_the_level_of_local_is_said():
    assert await level() == "local: processes in network namespaces of this machine"
