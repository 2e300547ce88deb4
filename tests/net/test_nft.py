"""Cuts in real network namespaces, with real packets."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from chaos.model import Way
from chaos.net.cut import Cut
from chaos.net.nft import Table
from tests.net.spaces import HERE, THERE, Space, Talker, talking

pytestmark = pytest.mark.netns

ECHO = f"""
import socket
server = socket.create_server(("{THERE}", 7000))
print("ready")
while True:
    connection, _ = server.accept()
    while data := connection.recv(100):
        connection.sendall(data)
"""
TALK = f"""
import socket, sys
flow = socket.create_connection(("{THERE}", 7000), 2)
flow.settimeout(1)
while line := sys.stdin.buffer.readline():
    try:
        flow.sendall(line)
        print(flow.recv(100).decode().strip())
    except TimeoutError:
        print("silent")
    except ConnectionError:
        print("reset")
"""


def flow(spaces: tuple[Space, Space]) -> AbstractContextManager[Talker]:
    """An established TCP flow from one namespace to the other, that says what became of each word."""
    return talking(spaces, TALK, ECHO)


@pytest.fixture
def table(spaces: tuple[Space, Space]) -> Iterator[Table]:
    """Our table in the first namespace."""
    namespace = spaces[0].open()
    opened = Table.within(namespace)
    yield opened
    opened.close()
    os.close(namespace)


def test_an_established_flow_is_cut_and_heals(spaces: tuple[Space, Space], table: Table) -> None:
    with flow(spaces) as talk:
        assert talk.say("before") == "before"
        table.apply(Cut((THERE,)))
        assert talk.say("during") == "silent"
        assert table.dropped() is not None
        table.clear()
        assert talk.say("after") == "during"  # TCP sends it again
        assert table.dropped() is None


def test_both_directions_are_cut(spaces: tuple[Space, Space], table: Table) -> None:
    """A datagram is stopped on its way out and on its way in: an answer that no flow asked for shows each alone."""
    here, there = spaces
    send = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('{}', 7001))"
    table.apply(Cut((THERE,)))
    with there.python(send.format(HERE)) as inward:
        inward.wait(60)
    assert table.dropped() == 1
    outward = subprocess.run(
        ["nsenter", "-t", str(here.pid), "-n", sys.executable, "-c", send.format(THERE)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "PermissionError" in outward.stderr  # a drop in the output hook is EPERM to a datagram's sender
    assert table.dropped() == 2


def test_one_way_stops_what_goes_out_or_what_comes_in(spaces: tuple[Space, Space], table: Table) -> None:
    """A datagram out, which its sender is told of, and one in."""
    here, there = spaces
    send = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('{}', 7001))"
    table.apply(Cut((THERE,), "in"))
    with there.python(send.format(HERE)) as inward:
        inward.wait(60)
    assert table.dropped() == 1
    ways: tuple[Way, ...] = ("in", "out")
    for way in ways:
        table.apply(Cut((THERE,), way))
        with here.python(send.format(THERE), stderr=subprocess.PIPE) as outward:
            assert outward.stderr is not None
            assert (b"PermissionError" in outward.stderr.read()) == (way == "out")


def test_a_flow_is_reset_where_packets_are_rejected(spaces: tuple[Space, Space], table: Table) -> None:
    with flow(spaces) as talk:
        assert talk.say("before") == "before"
        table.apply(Cut((THERE,), reject=True))
        assert talk.say("during") == "reset"


def test_a_lossy_link_drops_its_share(spaces: tuple[Space, Space], table: Table) -> None:
    made = "import socket; sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
    send = f"{made}\nfor _ in range(400): sender.sendto(b'x', ('{HERE}', 7001))"
    table.apply(Cut((THERE,), "in", percent=30))
    with spaces[1].python(send) as inward:
        inward.wait(60)
    dropped = table.dropped()
    assert dropped is not None
    assert 70 < dropped < 170  # 120 expected, and a chance of one in a million to be outside


def test_another_address_is_untouched(spaces: tuple[Space, Space], table: Table) -> None:
    with flow(spaces) as talk:
        table.apply(Cut(("10.231.0.99",)))
        assert talk.say("still here") == "still here"
        assert table.dropped() == 0


def test_a_cut_replaces_the_one_before(spaces: tuple[Space, Space], table: Table) -> None:
    table.apply(Cut((THERE, "10.231.0.98")))
    table.apply(Cut(("10.231.0.99",)))

    rules = spaces[0].run("nft", "list", "table", "inet", "failover_harness")
    assert "10.231.0.99" in rules
    assert THERE not in rules


def test_tables_of_others_stay(spaces: tuple[Space, Space], table: Table) -> None:
    spaces[0].run("nft", "add", "table", "inet", "theirs")
    table.apply(Cut((THERE,)))
    table.clear()
    table.clear()

    assert spaces[0].run("nft", "list", "tables") == "table inet theirs\n"


def test_the_effect_is_known_to_50_ms(table: Table) -> None:
    commit = table.apply(Cut(tuple(f"10.231.1.{n}" for n in range(1, 13))))

    assert 0 < commit.after_ns - commit.before_ns < 50e6


def test_opening_leaves_this_process_in_its_own_namespace(spaces: tuple[Space, Space], table: Table) -> None:
    table.apply(Cut((THERE,)))
    mine = Table()

    assert mine.dropped() is None
    assert not socket.if_nametoindex("lo") > 1
    mine.close()


def test_what_is_no_network_namespace_is_refused() -> None:
    wrong = os.open("/proc/self/ns/uts", os.O_RDONLY)
    with pytest.raises(OSError, match="Invalid argument"):
        Table.within(wrong)
    os.close(wrong)


def test_a_user_without_the_right_is_told_so(spaces: tuple[Space, Space]) -> None:
    """The kernel refuses the batch as a whole, which it answers at its beginning."""
    program = "import os; from chaos.net.nft import Table; table = Table(); os.setuid(65534); table.clear()"
    with spaces[0].python(program, stderr=subprocess.PIPE) as refused:
        assert refused.stderr is not None
        assert b"PermissionError: [Errno 1] nftables: Operation not permitted" in refused.stderr.read()
