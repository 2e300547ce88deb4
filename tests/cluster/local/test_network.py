"""Namespaces that reach each other and nothing else. Each test's network is in a process that ends with it."""

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.local

BEGIN = """
import errno, socket, threading
from chaos.cluster.local.network import BRIDGE, FIRST, Network, isolate, new_address
from chaos.net.netlink import LinkSocket
from chaos.linux import CLONE_NEWNET, setns

def connect(space, address):
    '''The errno of a connection from within a space to a port where nobody listens.'''
    result = []
    def go():
        setns(space.file, CLONE_NEWNET)
        with socket.socket() as one:
            one.settimeout(60)
            result.append(one.connect_ex((address, 9)))
    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    return errno.errorcode.get(result[0], result[0])

isolate()
network = Network()
"""


def played(program: str) -> list[str]:
    """The lines that the program says in a network of its own."""
    text = BEGIN + textwrap.dedent(program)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def outside() -> list[str]:
    """What the machine's own network holds."""
    asked = (["ip", "-o", "link"], ["ip", "netns"], ["nft", "list", "tables"])
    return [subprocess.run(words, capture_output=True, text=True, check=False, timeout=60).stdout for words in asked]


def test_every_space_reaches_every_other_and_the_bridge():
    program = """
    spaces = [network.space(f"10.93.1.{number}") for number in range(1, 9)]
    print({connect(one, other.address) for one in spaces for other in spaces})
    print(connect(spaces[0], str(BRIDGE.ip)))
    """
    assert played(program) == ["{'ECONNREFUSED'}", "ECONNREFUSED"]


def test_an_address_that_is_taken_away_is_unreachable_and_reached_at_once_when_it_is_back():
    program = """
    here, there = network.space("10.93.1.1"), network.space("10.93.1.2")
    print(connect(here, "10.93.1.2"))
    network.remove(there)
    network.space("10.93.1.2")
    print(connect(here, "10.93.1.2"))
    print(connect(here, "10.93.1.3"))
    """
    assert played(program) == ["ECONNREFUSED", "ECONNREFUSED", "EHOSTUNREACH"]


def test_what_the_kernel_refuses_is_raised_with_its_number():
    program = """
    try:
        with LinkSocket() as here:
            here.do(new_address(FIRST, BRIDGE))
    except OSError as error:
        print(errno.errorcode[error.errno], error)
    """
    assert played(program) == ["EEXIST [Errno 17] netlink: File exists"]


def test_nothing_of_it_is_seen_outside_and_nothing_stays():
    program = """
    network.space("10.93.1.1")
    print("ready", flush=True)
    input()
    """
    before = outside()
    command = [sys.executable, "-c", BEGIN + textwrap.dedent(program)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        assert outside() == before
        running.kill()
    assert outside() == before
