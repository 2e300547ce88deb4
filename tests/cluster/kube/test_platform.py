"""What `--on kind` leaves behind: nothing that it made, everything that was there. kind and docker are scripts here."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from chaos.cluster.base import refusal
from chaos.cluster.kube.image import agent_image
from chaos.cluster.kube.kind import checkout, name_of
from chaos.cluster.kube.leftovers import CONFIGMAPS
from chaos.cluster.kube.platform import KindPlatform
from chaos.errors import SetupError
from chaos.experiment.written import load as load_experiment
from chaos.progress import Message, Tell
from chaos.scenario import load
from chaos.until import until
from tests.fakes import asked, read

EXPERIMENTS = Path("experiments").absolute()
DOCKER = """
case "$1 $2" in
  "version --format") case "$3" in *Arch*) echo amd64;; *) echo 28.2.2;; esac;;
  "image inspect") echo sha256:1234;;
  "inspect --format") echo node:v1.34.4;;
  exec*) case "$*" in
    *tc*) test -e {here}/refused && case "$*" in *netem*) /bin/cat {here}/refused >&2; exit 2;; esac;;
    *) /bin/cat {here}/images;; esac;;
esac
"""
KIND = """
echo "$@" >> {here}/said
case "$1 $2" in
  "get clusters") /bin/cat {here}/clusters;;
  "get nodes") echo one;;
  "create cluster") test -e {here}/broken && echo "ERROR: no space left" >&2 && exit 1
    test -e {here}/slow && > {here}/making && exec /bin/sleep 30; echo {name} > {here}/clusters;;
  "version --quiet") echo 0.33.0;;
esac
exit 0
"""


@pytest.fixture
def made(program, server, tmp_path, monkeypatch):
    """A machine where Docker and kind work, and every image is on the nodes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FAILOVER_KIND_NODE_IMAGE", raising=False)
    name = name_of(checkout(tmp_path))
    (tmp_path / "clusters").write_text("")
    (tmp_path / "images").write_text(
        "docker.io/library/redis:7.0.15-alpine\nquay.io/spotahome/redis-operator:v1.3.0-rc1\n"
    )
    program("docker", DOCKER.format(here=tmp_path))
    program("kind", KIND.format(here=tmp_path, name=name))
    config = server.kubeconfig(tmp_path).read_text().replace('"fake"', f'"kind-{name}"')
    cache = tmp_path / "cache" / "failover-harness"
    cache.mkdir(parents=True)
    (cache / f"{name}.kubeconfig").write_text(config)
    ready = [{"type": "Ready", "status": "True"}]
    info = {"kubeletVersion": "v1.34.4", "kernelVersion": "6.18", "containerRuntimeVersion": "containerd://2"}
    server.items("/api/v1/nodes", {"metadata": {"name": "one"}, "status": {"conditions": ready, "nodeInfo": info}})
    server.items(CONFIGMAPS)
    return name


def platform(said: list[Message], *, keep: bool = False) -> KindPlatform:
    loaded = load("redis-operator")
    folder = Path(os.environ["XDG_CACHE_HOME"]).with_name("made")
    options = asked(folder, said.append, keep=keep, agent_image="mine:1")
    return KindPlatform(loaded.scenario, loaded.folder, options)


def noted_in(tmp_path: Path) -> list[str]:
    return [read(file)["by_hand"] for file in (tmp_path / "made").iterdir()]


def deleted(tmp_path) -> bool:
    return any(line.startswith("delete cluster") for line in (tmp_path / "said").read_text().splitlines())


async def test_a_cluster_of_this_run_is_announced_and_taken_away(made, tmp_path):
    said: list[Message] = []
    async with platform(said) as one:
        assert one.ref()["agent_image"] == "mine:1"
        assert one.versions().platform["kind"] == "0.33.0"
        assert not deleted(tmp_path)
        assert noted_in(tmp_path) == [f"kind delete cluster --name {made}"]

    assert noted_in(tmp_path) == []
    assert [message.tell for message in said] == [Tell.NOTE, Tell.STEP, Tell.STEP]
    assert "needs 2 GiB" in said[0].data["text"]
    assert said[1].data["text"] == f"{made}  1 nodes ready"
    assert deleted(tmp_path)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("Error: Specified qdisc kind is unknown.", "has no netem (Error: Specified qdisc kind is unknown.)"),
        ("RTNETLINK answers: No such file or directory", "has no netem (RTNETLINK answers: No such file or directory)"),
        ('exec: "unshare": executable file not found in $PATH', ""),
    ],
)
async def test_a_kernel_without_netem_refuses_a_delayed_link_before_anything_is_deployed(made, tmp_path, said, why):
    """Where the node cannot try it nothing is known, and the trial shows it."""
    (tmp_path / "refused").write_text(said)
    delayed = load_experiment(EXPERIMENTS / "delayed-master.yaml")
    slow = load_experiment(EXPERIMENTS / "slow-link-master.yaml")
    async with platform([]) as one:
        refused = refusal(delayed.name, delayed.needs, one)
        assert not refusal(slow.name, slow.needs, one)
        assert json.loads(one.ref()["cannot"]) == one.cannot

    assert refused == (why and f"delayed-master needs netem, which {made} cannot do: the kernel of the nodes {why}")


async def test_it_stays_where_the_user_keeps_it(made, tmp_path):
    async with platform([], keep=True):
        assert noted_in(tmp_path) == []

    assert not deleted(tmp_path)


async def test_a_cluster_that_was_there_stays(made, tmp_path):
    (tmp_path / "clusters").write_text(made)
    said: list[Message] = []
    async with platform(said):
        pass

    assert not deleted(tmp_path)
    assert Tell.NOTE not in {message.tell for message in said}


async def test_half_a_cluster_does_not_stay(made, tmp_path):
    (tmp_path / "broken").touch()
    with pytest.raises(SetupError, match=r"could not make cluster .*no space left"):
        async with platform([], keep=True):
            pytest.fail("it came up")

    assert deleted(tmp_path)


async def test_an_interruption_while_nodes_are_made_leaves_none(made, tmp_path):
    (tmp_path / "slow").touch()
    entering = asyncio.create_task(platform([]).__aenter__())

    async def making() -> bool:
        return bool((tmp_path / "making").exists())

    await until(making, within_s=60, because="kind was not called", every_s=0.01)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering

    assert deleted(tmp_path)


async def test_a_second_campaign_does_not_begin(made):
    async with platform([], keep=True):
        with pytest.raises(SetupError, match="in use by process"):
            await platform([]).__aenter__()


async def test_an_engine_whose_machine_the_image_is_not_made_for_is_named(program):
    program("docker", "echo riscv64")

    with pytest.raises(SetupError, match=r"runs on riscv64; .*amd64, arm64"):
        await agent_image()
