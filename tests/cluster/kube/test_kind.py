"""The kind cluster belongs to its checkout, and what is missing is said with the command that brings it."""

import os

import pytest

from chaos.cluster.kube.kind import Kind, checkout, ensure_image, full_name, name_of
from chaos.errors import SetupError


def test_the_name_comes_from_the_checkout_and_not_from_where_one_stands_in_it(tmp_path):
    (tmp_path / "a" / ".git").mkdir(parents=True)
    (tmp_path / "a" / "deep" / "down").mkdir(parents=True)
    (tmp_path / "b").mkdir()

    assert checkout(tmp_path / "a" / "deep" / "down") == tmp_path / "a"
    assert checkout(tmp_path / "b") == tmp_path / "b"
    assert name_of(tmp_path / "a") != name_of(tmp_path / "b")
    assert len(name_of(tmp_path / "a")) == len("failover-7f3a")


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("redis:7.0.15-alpine", "docker.io/library/redis:7.0.15-alpine"),
        ("quay.io/spotahome/redis-operator:v1.3.0-rc1", "quay.io/spotahome/redis-operator:v1.3.0-rc1"),
        ("someone/redis", "docker.io/someone/redis:latest"),
        ("localhost:5000/redis", "localhost:5000/redis:latest"),
    ],
)
def test_an_image_is_looked_for_under_the_name_that_containerd_has(image, full):
    assert full_name(image) == full


def test_a_second_run_is_told_who_has_the_cluster(program):
    kind = Kind("failover-test")
    with kind.lock(), pytest.raises(SetupError, match=f"in use by process {os.getpid()}"), kind.lock():
        pytest.fail("both have the lock")
    with kind.lock():
        pass


async def test_a_missing_image_is_named_with_the_command_that_brings_it(program):
    program("docker", 'test "$1" = pull && echo "dial tcp: no route to host" >&2; exit 1')

    with pytest.raises(SetupError, match=r"image redis:9 is missing .*no route to host.*: docker pull redis:9"):
        await ensure_image("redis:9")


async def test_only_nodes_that_lack_an_image_are_loaded(program, tmp_path):
    program("docker", 'test "$1 $2" = "exec full" && echo docker.io/library/redis:7; exit 0')
    program("kind", f'echo "$@" > {tmp_path}/loaded')

    assert await Kind("failover-test").load(["redis:7"], ["full", "empty"]) == ["redis:7"]
    said = (tmp_path / "loaded").read_text().split()
    assert said == ["load", "docker-image", "redis:7", "--name", "failover-test", "--nodes", "empty"]
    assert await Kind("failover-test").load(["redis:7"], ["full"]) == []


async def test_a_cluster_that_could_not_be_made_is_said_in_kinds_words(program):
    program(
        "kind",
        'echo "Creating..."; echo "ERROR: failed to create cluster: no space left" >&2; echo "Stack" >&2; exit 1',
    )

    with pytest.raises(SetupError, match=r"could not make cluster failover-test: failed to create cluster: no space"):
        await Kind("failover-test").create(None)


async def test_every_command_has_a_kubeconfig_of_ours_and_the_node_image_asked_for(program, tmp_path, monkeypatch):
    program("kind", f'echo "$@" >> {tmp_path}/said')
    kind = Kind("failover-test")
    monkeypatch.delenv("FAILOVER_KIND_NODE_IMAGE", raising=False)
    await kind.create("from/scenario:v1")
    monkeypatch.setenv("FAILOVER_KIND_NODE_IMAGE", "from/environment:v1")
    await kind.create("from/scenario:v1")
    await kind.refresh()
    await kind.delete()

    lines = (tmp_path / "said").read_text().splitlines()
    assert all(f"--kubeconfig {tmp_path}/cache/failover-harness/failover-test.kubeconfig" in line for line in lines)
    assert ["from/scenario:v1" in lines[0], "from/environment:v1" in lines[1]] == [True, True]
