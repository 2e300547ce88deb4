"""Stand-ins for containers: real processes in a cgroup named like a container's, in a pid and network namespace of
their own. Needs root.
"""

import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.net.spaces import Space

CGROUPS = Path("/sys/fs/cgroup/pids") if Path("/sys/fs/cgroup/pids").exists() else Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Container:
    """`pid` is the container's own process as the node numbers it, `outer` the shim's stand-in above it."""

    id: str
    uid: str
    pid: int
    outer: subprocess.Popen[bytes]


@contextmanager
def container(space: Space, *command: str, uid: str = "") -> Iterator[Container]:
    """Run `command` as number 1 of a pid namespace, within the network of `space`, in a cgroup with the id's name."""
    identity, uid = secrets.token_hex(32), uid or f"{secrets.token_hex(4)}-aaaa-bbbb-cccc-{secrets.token_hex(6)}"
    pod = CGROUPS / f"kubepods-pod{uid.replace('-', '_')}.slice"
    group = pod / f"cri-containerd-{identity}.scope"
    group.mkdir(parents=True, exist_ok=True)
    shim = f'echo $$ > {group}/cgroup.procs && exec unshare --pid --fork --kill-child --mount-proc "$@"'
    outer = space.popen("sh", "-c", shim, "shim", *command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        assert outer.stdout is not None
        assert outer.stdout.readline(), "the program says a line when it is ready"
        yield Container(identity, uid, _child(outer.pid), outer)
    finally:
        outer.kill()
        outer.wait(60)
        assert outer.stdout is not None
        outer.stdout.close()
        leave(group)
        leave(pod)


def _child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def leave(group: Path) -> None:
    """A cgroup can be removed once its last process is reaped."""
    for _ in range(200):
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"{group} is still in use: {(group / 'cgroup.procs').read_text()}")
