"""A password is planted, and looked for in everything that a trial leaves behind and shows while it runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaos.errors import SetupError
from tests.local.play import END_S, Asked, Played, played_by
from tests.local.small import scenario

pytestmark = [pytest.mark.local, pytest.mark.timeout(END_S + 30)]

REDIS, SENTINEL = "planted-in-the-environment-7351", "planted-in-a-file-9127"
ASKED = {
    "system.local.tls": "generated",
    "system.local.user": "app",
    "system.local.password": "environment",
    "system.local.sentinel": {"service": "sentinel", "user": "watcher", "password": "environment"},
    "clients.app": {"sentinel": "sentinel:26379", "library": "redis-py-pool", "count": 1, "rate_each": "10/s"},
}
LOOK_S = 0.05


@contextmanager
def shown_arguments() -> Iterator[list[bytes]]:
    """The arguments of every process of the machine that were ever seen, until the block is left."""
    seen: set[bytes] = set()
    found: list[bytes] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_S):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(file.read_bytes())
                except OSError:
                    continue  # it has ended meanwhile

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield found
    finally:
        over.set()
        looking.join()
        found += sorted(seen)


def holding(secret: str, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_no_file_no_word_on_the_terminal_and_no_argument_of_a_process_holds_it(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f'{SENTINEL} "with a quote\n')
    variables = {"FAILOVER_REDIS_PASSWORD": f"{REDIS} with spaces", "FAILOVER_SENTINEL_PASSWORD_FILE": str(file)}
    asked = Asked(scenario(tmp_path, ASKED), ("kill-master",), tmp_path / "reports", variables)

    with shown_arguments() as arguments:
        played = played_by(asked.command, asked)

    working(played)
    assert any(b"redis-server" in line for line in arguments), "they were looked at while the system ran"
    for secret in (REDIS, SENTINEL):
        assert secret not in played.printed
        assert holding(secret, asked.out) == []
        assert [line for line in arguments if secret.encode() in line] == []
    assert holding(SENTINEL, tmp_path) == [file], "the search finds what is there"


def working(played: Played) -> None:
    """The clients wrote, the members were observed and the keys were read back: so everybody was logged in."""
    trial = played.of("kill-master")
    names = {"service/new", "service/kept", "sentinel/new", "sentinel/kept", "app/kept"}
    assert {name for name, path in trial.paths.items() if path.operations.ok} == names, played.printed
    [audit] = played.events("kill-master", "audit")
    assert (audit.event.present > 0, audit.event.undecided) == (True, ""), played.printed
    assert {event.event.member for event in played.events("kill-master", "role")} == {"redis-0", "redis-1", "redis-2"}
    assert len({event.event.sentinel for event in played.events("kill-master", "sentinel.state")}) == 3


def test_a_password_that_the_environment_does_not_have_is_missed_before_anything_is_played(tmp_path: Path) -> None:
    asked = Asked(scenario(tmp_path, ASKED), ("no-fault",), tmp_path / "reports", {"FAILOVER_REDIS_PASSWORD": ""})
    played = played_by(asked.command, asked)

    assert played.code == SetupError.exit_code
    assert "password: environment: neither FAILOVER_REDIS_PASSWORD nor FAILOVER_REDIS_PASSWORD_FILE" in played.printed
