"""What a campaign leaves on the machine, found by other means than `failover cleanup` finds it."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

from chaos.undo import STATE
from chaos.until import until

GONE_S = 45.0
"""The campaign's worker may end its trial in order first, and all of it on a busy machine."""
MARK = "FAILOVER_TEST_MARK"
BRIDGE, PORT, TABLE = "bridge", "port", "failover"
"""How interfaces and tables are called that a local system makes: in the machine's own network there are none."""


class Traces:
    """What one campaign leaves. Its processes have a mark in their environment, and temporary and state folders of
    their own.

    `there` are processes, what they keep in files, what they mounted or grouped, and what is in the machine's own
    network.
    """

    def __init__(self, folder: Path) -> None:
        self._mark, self._runs = secrets.token_hex(8), set[str]()
        self._temporary, self.state = folder / "temporary", folder / "state"
        for made in (self._temporary, self.state):
            made.mkdir()

    @property
    def environment(self) -> dict[str, str]:
        return {MARK: self._mark, "TMPDIR": str(self._temporary), STATE: str(self.state)}

    def journals(self) -> list[str]:
        """The directories of runs, which stay until `failover cleanup` has seen to them."""
        return [str(path) for path in self.state.glob("failover-harness/runs/*")]

    def there(self) -> list[str]:
        """All but the journals. Ask while the run has one, too: its id is in the names of cgroups."""
        self._runs |= {Path(path).name for path in self.journals()}
        return [
            *(f"process {pid}" for pid in processes(f"{MARK}={self._mark}", self._temporary)),
            *(str(path) for path in self._temporary.iterdir()),
            *mounted(self._temporary),
            *grouped(self._runs),
            *network(),
        ]

    async def gone(self) -> None:
        async def nothing() -> bool:
            return not self.there()

        await until(nothing, within_s=GONE_S, because=lambda: f"still there: {self.there()}", every_s=0.2)


def processes(mark: str, below: Path) -> list[int]:
    """Those with this mark in their environment, or working below this folder: a server writes over the former.

    One of another user cannot be looked into, and is none of ours.
    """
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment, works_in = (folder / "environ").read_bytes(), (folder / "cwd").readlink()
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue
        if mark.encode() in environment.split(b"\0") or works_in.is_relative_to(below):
            found.append(int(folder.name))
    return found


def mounted(below: Path) -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if line.split()[4].startswith(str(below)):
            yield f"mount {line.split()[4]}"


def grouped(runs: set[str]) -> Iterator[str]:
    """Cgroups with the id of one of these runs in their name."""
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        yield from (f"cgroup {folder}/{name}" for name in names for run in runs if run in name)


def network() -> Iterator[str]:
    """Of the machine's own network what is called as things of a local system are."""
    for path in Path("/sys/class/net").iterdir():
        if path.name == BRIDGE or path.name.removeprefix(PORT).isdigit():
            yield f"interface {path.name}"
    for path in Path("/run/netns").glob("failover*"):
        yield f"namespace {path.name}"
    if os.geteuid() == 0:
        tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True, timeout=60)
        yield from (line for line in tables.stdout.splitlines() if TABLE in line)
