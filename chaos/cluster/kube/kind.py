"""The kind cluster of this checkout: made if there is none, and otherwise reused.

Only kind and a container engine are needed. No command reads or writes the user's own kubeconfig. This module loads no
Kubernetes client, because `--list` and `doctor` ask it what systems on kind lack.
"""

import asyncio
import fcntl
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.cluster.base import Ability
from chaos.errors import SetupError
from chaos.scenario.scenario import Scenario
from chaos.undo import Undo, is_free

NODE_IMAGE = "FAILOVER_KIND_NODE_IMAGE"
CREATE_S, DELETE_S, IMAGE_S, ASK_S = 300.0, 120.0, 120.0, 20.0
CONFIG = """\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes: [{role: control-plane}, {role: worker}, {role: worker}, {role: worker}]
"""
NEEDS_GIB = 2
TRY_QUEUE = ("unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root")
TC_REFUSES = ("Error: ", "RTNETLINK answers: ")
"""How a message of tc begins that reports an error of the kernel. Other messages come from elsewhere, such as the
engine."""
QUEUES = {
    Ability.LINK: ("tbf", "rate", "64kbit", "burst", "4096", "limit", "65536"),
    Ability.DELAY: ("netem", "delay", "1ms"),
}
_OF_A_CONTAINER = "the node helper does not change a container's share of a core, nor how large its files may grow"
_BEFORE_7 = re.compile(r"(?:^|/)redis:[1-6](?:\D|$)")
_VALKEY_9 = re.compile(r"(?:^|/)valkey:(?:9|[1-9]\d+)(?:\D|$)")
CANNOT = {
    Ability.STARVE: _OF_A_CONTAINER,
    Ability.DISK: _OF_A_CONTAINER,
    Ability.HOOK: "the manifests say which preStop hook a pod has; delete-master runs that one",
    Ability.DEBUG: (
        "Redis from version 7 on, and Valkey, refuse DEBUG unless they were started with `enable-debug-command yes`; "
        "start them so, and declare it in the scenario as `settings: {redis: {enable-debug-command: yes}}`"
    ),
    Ability.COORDINATED: "Valkey has it from version 9 on, and no image of this scenario has such a tag",
}
"""The abilities that systems on Kubernetes lack, with the reasons."""


def lacking(scenario: Scenario) -> dict[Ability, str]:
    """Return the abilities that this scenario's system lacks, with the reasons. A declared setting is believed here,
    because it is read back from the servers before a trial.
    """
    redis, images = scenario.system.settings.redis, scenario.system.on_kube.images
    there = {
        Ability.DEBUG: redis.get("enable-debug-command") == "yes" or any(map(_BEFORE_7.search, images)),
        Ability.COORDINATED: any(map(_VALKEY_9.search, images)),
    }
    return {one: why for one, why in CANNOT.items() if not there.get(one)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def last_line(self) -> str:
        """The last line of its output, which usually says why it failed."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1] if lines else f"exit code {self.code}, and nothing said"


async def ran(*words: str, within_s: float) -> Ran:
    """Run a program of the host to its end and return the result, whatever its exit code.

    Raises SetupError if the program is missing, or if it takes longer than `within_s` and is killed. It runs in a
    session of its own, so that Ctrl-C reaches only us.
    """
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=null, stdout=pipe, stderr=pipe, start_new_session=True
        )
    except FileNotFoundError as error:
        raise SetupError(f"{words[0]}: command not found") from error
    try:
        async with asyncio.timeout(within_s):
            out, err = await process.communicate()
    except TimeoutError as error:
        raise SetupError(f"`{' '.join(words)}` did not end within {within_s:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ran(code=process.returncode or 0, out=out.decode(errors="replace"), err=err.decode(errors="replace"))


async def run(*words: str, within_s: float) -> str:
    """Run a program and return its output. Raises SetupError with its last line if it fails."""
    done = await ran(*words, within_s=within_s)
    if not done.ok:
        raise SetupError(f"`{' '.join(words)}` failed: {done.last_line}")
    return done.out


def cache() -> Path:
    """Return the directory where kubeconfigs, locks and wheels are kept between runs."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "failover-harness"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def checkout(start: Path) -> Path:
    """Return the nearest folder with a git repository, or `start` itself. The cluster is named after it."""
    start = start.resolve()
    return next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), start)


def name_of(folder: Path) -> str:
    """Return the name of a checkout's cluster. Two checkouts on one machine have two clusters."""
    return f"failover-{hashlib.sha256(str(folder).encode()).hexdigest()[:4]}"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind cluster, by name. `kubeconfig` is our own file for this cluster alone."""

    name: str

    @property
    def kubeconfig(self) -> Path:
        return cache() / f"{self.name}.kubeconfig"

    @property
    def make_room(self) -> str:
        """Advice for when an earlier run left a broken cluster."""
        return f"`kind delete cluster --name {self.name}` makes room for a new one"

    @property
    def context(self) -> str:
        return f"kind-{self.name}"

    @property
    def in_use(self) -> bool:
        """Whether a run holds the cluster."""
        file = cache() / f"{self.name}.lock"
        return file.exists() and not is_free(file)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the cluster for a campaign. Raises SetupError if another run holds it: they would disturb each other."""
        with (cache() / f"{self.name}.lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                holder = file.read().strip()
                raise SetupError(f"cluster {self.name} is in use by process {holder}; wait until it ends") from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def removal(self) -> Undo:
        """Return how to remove the cluster, for another process to do if this run dies."""
        where, command = {"cluster": self.name}, f"kind delete cluster --name {self.name}"
        return Undo(what=f"kind cluster {self.name}", executor="kind", where=where, request={}, by_hand=command)

    async def exists(self) -> bool:
        return self.name in (await run("kind", "get", "clusters", within_s=ASK_S)).split()

    async def create(self, node_image: str | None) -> None:
        """Make a cluster of four nodes. On failure kind removes it, and the SetupError says why."""
        config = cache() / f"{self.name}.kind.yaml"
        config.write_text(CONFIG)
        image = os.environ.get(NODE_IMAGE) or node_image
        chosen = ["--image", image] if image else []
        command = ["kind", "create", "cluster", "--name", self.name, "--config", str(config), *chosen]
        try:
            done = await ran(*command, *self._file, "--wait", "120s", within_s=CREATE_S)
        finally:
            config.unlink()
        if not done.ok:
            raise SetupError(f"kind could not make cluster {self.name}: {_why(done)}")

    async def refresh(self) -> None:
        """Write the kubeconfig again, because the API server may have another port after a restart of the engine."""
        done = await ran("kind", "export", "kubeconfig", "--name", self.name, *self._file, within_s=ASK_S)
        if not done.ok:
            raise SetupError(f"cluster {self.name} is broken ({_why(done)}); {self.make_room}")

    async def delete(self) -> None:
        await run("kind", "delete", "cluster", "--name", self.name, *self._file, within_s=DELETE_S)
        self.kubeconfig.unlink(missing_ok=True)

    async def removed(self) -> bool:
        """Remove the cluster, and return whether it existed. Raises SetupError if another run holds it."""
        with self.lock():
            there = await self.exists()
            if there:
                await self.delete()
            return there

    async def nodes(self) -> list[str]:
        return sorted((await run("kind", "get", "nodes", "--name", self.name, within_s=ASK_S)).split())

    async def load(self, images: Iterable[str], nodes: Iterable[str]) -> list[str]:
        """Load images onto the nodes that lack them, and return the images that were loaded. The engine first pulls the
        images that it lacks. Raises SetupError if one cannot be pulled.
        """
        absent: dict[str, list[str]] = {}
        for node in nodes:
            ctr = ["ctr", "--namespace", "k8s.io", "images", "list", "--quiet"]  # not every node image has crictl
            there = (await run("docker", "exec", node, *ctr, within_s=ASK_S)).split()
            for image in images:
                if full_name(image) not in there:
                    absent.setdefault(image, []).append(node)
        if absent:
            for image in absent:
                await ensure_image(image)
            where = ",".join(sorted({node for lacking in absent.values() for node in lacking}))
            await run("kind", "load", "docker-image", *absent, "--name", self.name, "--nodes", where, within_s=IMAGE_S)
        return list(absent)

    async def missing_queues(self, node: str) -> dict[Ability, str]:
        """Return why slow links cannot be made, by ability, if the kernel of a node refuses a queueing discipline. Each
        is tried in a temporary network namespace. If a node's image lacks the tools, nothing is reported as missing.
        """
        refused = {}
        for ability, queue in QUEUES.items():
            tried = await ran("docker", "exec", node, *TRY_QUEUE, *queue, within_s=ASK_S)
            if not tried.ok and tried.last_line.startswith(TC_REFUSES):
                refused[ability] = f"the kernel of the nodes has no {queue[0]} ({tried.last_line})"
        return refused

    @property
    def _file(self) -> tuple[str, str]:
        return ("--kubeconfig", str(self.kubeconfig))


async def kept(mine: Kind) -> list[Kind]:
    """The clusters of ours that are up and that no run has: `mine`, and those with a kubeconfig in our cache."""
    up = [Kind(name) for name in (await run("kind", "get", "clusters", within_s=ASK_S)).split()]
    return [one for one in up if (one == mine or one.kubeconfig.exists()) and not one.in_use]


def full_name(image: str) -> str:
    """Return an image's name as containerd spells it, with registry and tag."""
    first, slash, _ = image.partition("/")
    if not slash:
        image = f"docker.io/library/{image}"
    elif "." not in first and ":" not in first and first != "localhost":
        image = f"docker.io/{image}"
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"


async def ensure_image(image: str) -> None:
    """Have the engine pull an image, unless it has it already."""
    if (await ran("docker", "image", "inspect", image, within_s=ASK_S)).ok:
        return
    pulled = await ran("docker", "pull", image, within_s=IMAGE_S)
    if not pulled.ok:
        raise SetupError(f"image {image} is missing and could not be pulled ({pulled.last_line}): docker pull {image}")


def _why(done: Ran) -> str:
    lines = [line for line in done.err.splitlines() if line.startswith("ERROR")]
    return lines[0].removeprefix("ERROR: ") if lines else done.last_line
