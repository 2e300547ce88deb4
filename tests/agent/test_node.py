"""The node helper, on real processes in real namespaces."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos.clock import identity
from tests.agent.containers import CGROUPS, Container, container, leave
from tests.agent.helping import Serve, Talk, wait
from tests.net.spaces import HERE, THERE, Space, pair

pytestmark = pytest.mark.netns

SLEEPER = ("sh", "-c", "echo ready; sleep 600 & wait")
REDIS = ("redis-server", "--port", "7000", "--save", "", "--bind", "0.0.0.0")
TERM = {"lease_s": 30, "longest_s": 600}


@pytest.fixture(scope="module")
def spaces() -> Iterator[tuple[Space, Space]]:
    with pair() as both:
        yield both


@pytest.fixture
def target(spaces: tuple[Space, Space]) -> Iterator[Container]:
    with container(spaces[0], *SLEEPER) as running:
        yield running


@pytest.fixture
def helper(tmp_path: Path) -> Iterator[Serve]:
    serving = Serve(tmp_path)
    yield serving
    serving.end()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """A helper for the tests that leave it alive."""
    serving = Serve(tmp_path_factory.mktemp("helper"))
    yield serving
    serving.end()


@pytest.fixture
def talk(shared: Serve) -> Iterator[Talk]:
    talking = shared.talk()
    yield talking
    talking.ask("heal")


@pytest.fixture(scope="module")
def beside(spaces: tuple[Space, Space], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """A helper in the network of the Redis, which it reaches as a node reaches its pods."""
    serving = Serve(tmp_path_factory.mktemp("beside"), "nsenter", "-t", str(spaces[0].pid), "-n")
    yield serving
    serving.end()


@pytest.fixture
def near(beside: Serve) -> Iterator[Talk]:
    talking = beside.talk()
    yield talking
    talking.ask("heal")


@pytest.fixture
def redis(spaces: tuple[Space, Space]) -> Iterator[Container]:
    """A Redis that listens."""
    with container(spaces[0], *REDIS, "--protected-mode", "no") as running:
        wait(lambda: "7000" in spaces[0].run("ss", "-ltn"))
        yield running


def ask_of(talk: Talk, of: Container, do: str, **how: Any) -> dict[str, Any]:
    """A request with where the Redis in a container is reached."""
    return talk.ask(do, container=of.id, address=HERE, port=7000, kind="redis", **TERM, **how)


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_the_clock_is_that_of_this_kernel(talk: Talk) -> None:
    answer = talk.ask("clock")

    assert {key: answer[key] for key in ("boot_id", "timens")} == identity()
    assert answer["mono_ns"] > 0


def test_a_renewal_brings_what_its_members_waited_for_a_core(talk: Talk, spaces: tuple[Space, Space]) -> None:
    """Two that spin on one core wait for it by turns."""
    cpu = str(min(os.sched_getaffinity(0)))
    busy = ("taskset", "--cpu-list", cpu, "sh", "-c", "echo ready; while true; do :; done")
    with container(spaces[0], *busy) as one, container(spaces[0], *busy):
        watch = [{"name": "redis-0", "container": one.id, "all": False}]
        first = talk.ask("renew", watch=watch, seen_ns=0)["waits"]
        assert [(event["kind"], event["counted"]) for event in first] == [("waits", True)]
        seen_ns = first[0]["at_ns"]
        wait(lambda: bool(talk.ask("renew", watch=watch, seen_ns=seen_ns)["waits"]))
        waited = talk.ask("renew", watch=watch, seen_ns=seen_ns)["waits"]
    assert {event["member"] for event in waited} == {"redis-0"}
    assert all(event["waited_ns"] >= 10_000_000 and event["at_ns"] > seen_ns for event in waited)


def test_a_container_is_found_by_its_id(talk: Talk, target: Container) -> None:
    """It is the one that is number 1 of its own pid namespace, not its child."""
    assert talk.ask("resume", container=target.id)["evidence"] == f"process {target.pid} seen running"


def test_a_pods_processes_are_named(talk: Talk, target: Container) -> None:
    """Its shell starts `sleep` a moment after it has said that it is ready."""

    def named() -> set[str]:
        return {process["name"] for process in talk.ask("processes", uid=target.uid)["processes"]}

    wait(lambda: named() == {"unshare", "sh", "sleep"})
    assert all(target.id in process["cgroup"] for process in talk.ask("processes", uid=target.uid)["processes"])


@pytest.mark.redis
def test_kill_shows_redis_gone(talk: Talk, spaces: tuple[Space, Space]) -> None:
    with container(spaces[0], *REDIS) as target:
        assert talk.ask("kill", container=target.id)["evidence"] == f"process {target.pid} seen gone"
        target.outer.wait(60)
        assert "no process of container" in talk.ask("kill", container=target.id)["error"]


@pytest.mark.redis
def test_effects_are_known_to_50_ms(talk: Talk, spaces: tuple[Space, Space]) -> None:
    """The best of three of each: a busy machine widens an interval, it does not make it wrong."""
    widths: dict[str, list[float]] = {"pause": [], "kill": [], "cut": []}
    for _ in range(3):
        with container(spaces[0], *REDIS) as target:
            answers = {"cut": talk.ask("cut", container=target.id, peers=[THERE], **TERM)}
            answers["pause"] = talk.ask("pause", container=target.id, **TERM)
            answers["kill"] = talk.ask("kill", container=target.id)
        for name, answer in answers.items():
            widths[name].append((answer["after_ns"] - answer["before_ns"]) / 1e6)

    assert {name: min(found) < 50 for name, found in widths.items()} == dict.fromkeys(widths, True), widths


def test_stop_and_continue_show(talk: Talk, target: Container) -> None:
    """Every process of the container stops, its forked child too."""
    assert talk.ask("pause", container=target.id, **TERM)["evidence"] == f"process {target.pid} seen stopped"
    assert state(target.pid) == "T"
    assert talk.ask("status")["held"] == [{"container": target.id, "namespace": None, "what": "pause", "undo": ""}]

    assert talk.ask("resume", container=target.id)["evidence"] == f"process {target.pid} seen running"
    assert state(target.pid) != "T"
    assert talk.ask("status")["held"] == []


def test_a_cut_is_made_counted_and_healed(talk: Talk, target: Container, spaces: tuple[Space, Space]) -> None:
    assert spaces[0].reaches(THERE)
    talk.ask("cut", container=target.id, peers=[THERE], **TERM)
    assert not spaces[0].reaches(THERE)
    assert talk.ask("dropped", container=target.id)["dropped"] == 1

    assert talk.ask("heal")["held"] == []
    assert spaces[0].reaches(THERE)
    assert talk.ask("dropped", container=target.id)["dropped"] is None
    healed = talk.ask("heal")["healed"]
    assert (healed[-1]["what"], healed[-1]["because"]) == ("cut", "asked")


@pytest.mark.redis
def test_a_connection_from_before_the_cut_passes_no_more(
    talk: Talk, target: Container, spaces: tuple[Space, Space]
) -> None:
    """A peer that does not answer is passed over; a cut of another address leaves the connection as it is."""
    with container(spaces[1], *REDIS, "--protected-mode", "no"):
        probes = [[THERE, 9, "redis"], [THERE, 7000, "redis"]]

        def passes() -> bool:
            talk.ask("probe", container=target.id, probes=probes)
            talk.ask("cut", container=target.id, peers=["10.231.0.99"], **TERM)
            return talk.ask("dropped", container=target.id)["took_s"] is not None

        wait(passes)
        talk.ask("cut", container=target.id, peers=[THERE], **TERM)
        cut = talk.ask("dropped", container=target.id)
        assert cut["took_s"] is None
        assert f"a connection from before it to {THERE}:7000, answered in" in cut["evidence"]
        assert cut["dropped"] > 0
        assert talk.ask("heal")["proofs"] == [f"a new connection to {THERE}:7000 passes"]


@pytest.mark.redis
def test_a_setting_is_shown_and_answered_and_set_back(near: Talk, redis: Container) -> None:
    """One that does not bring the answer that was asked for is not proved."""
    wrong = {"what": "setting", "name": "min-replicas-to-write", "value": "9", "asked": ["DEL", "x"]}
    made = ask_of(near, redis, "change", **wrong, answered="NOREPLICAS")
    assert made["seen"], made
    assert "shows min-replicas-to-write 9, before 0; DEL x is answered NOREPLICAS" in made["evidence"]
    near.ask("heal")
    assert "before 0" in ask_of(near, redis, "change", **wrong, answered="OOM")["evidence"]
    assert not ask_of(near, redis, "change", **wrong | {"value": "0"}, answered="NOREPLICAS")["seen"]
    unknown = ask_of(near, redis, "change", **wrong | {"name": "no-such"}, answered="")
    assert "there is no such setting" in unknown["error"]


@pytest.mark.redis
def test_a_starved_redis_is_made_to_wait_and_released(near: Talk, redis: Container) -> None:
    before = Path(f"/proc/{redis.pid}/cgroup").read_text()
    made = ask_of(near, redis, "change", what="starve", percent=1)
    assert made["evidence"].startswith("it was made to wait"), made
    assert "cpu" in str(near.ask("status")["held"][0]["undo"])
    near.ask("heal")
    assert Path(f"/proc/{redis.pid}/cgroup").read_text() == before


@pytest.mark.redis
def test_an_oom_kill_is_counted_by_the_kernel(near: Talk, redis: Container) -> None:
    killed = ask_of(near, redis, "oom", most_bytes=4 << 20)
    assert killed["seen"], killed
    assert "the kernel counts 1 OOM kills" in killed["evidence"]


@pytest.mark.redis
def test_a_container_is_killed_by_its_own_limit_which_is_as_before_where_it_lives_on(
    near: Talk, spaces: tuple[Space, Space]
) -> None:
    top = CGROUPS.with_name("memory") if CGROUPS.name == "pids" else CGROUPS
    with container(spaces[0], *REDIS, "--protected-mode", "no", "--proto-max-bulk-len", "20mb") as redis:
        wait(lambda: "7000" in spaces[0].run("ss", "-ltn"))
        group = top / f"cri-containerd-{redis.id}.scope"
        group.mkdir(exist_ok=True)
        (group / "cgroup.procs").write_text(str(redis.pid))
        limit = group / ("memory.limit_in_bytes" if top.name == "memory" else "memory.max")
        before = limit.read_text()
        lives = ask_of(near, redis, "oom", most_bytes=64 << 20)
        assert "still there, and the kernel counts 0 OOM kills" in lives["evidence"]
        assert limit.read_text() == before
        killed = ask_of(near, redis, "oom", most_bytes=4 << 20)
        assert killed["seen"], killed
        assert "the kernel counts 1 OOM kills in its cgroup" in killed["evidence"]
        leave(group)


@pytest.mark.redis
def test_a_redis_that_needs_no_more_memory_is_not_killed_and_that_is_no_proof(
    near: Talk, spaces: tuple[Space, Space]
) -> None:
    with container(spaces[0], *REDIS, "--protected-mode", "no", "--proto-max-bulk-len", "1mb") as modest:
        wait(lambda: "7000" in spaces[0].run("ss", "-ltn"))
        lives = ask_of(near, modest, "oom", most_bytes=64 << 20)
        assert not lives["seen"]
        assert (
            lives["evidence"] == f"process {modest.pid} is still there, and the kernel counts 0 OOM kills in its cgroup"
        )


@pytest.mark.redis
def test_a_redis_that_would_be_ended_by_a_limit_of_its_files_is_left_alone(near: Talk, redis: Container) -> None:
    refused = ask_of(near, redis, "change", what="disk", most_bytes=1)
    assert "since it does not ignore SIGXFSZ" in refused["error"]
    assert state(redis.pid) != "Z"


@pytest.mark.redis
@pytest.mark.usefixtures("redis")
def test_a_slow_link_lets_a_ping_take_long_until_it_is_healed(talk: Talk, spaces: tuple[Space, Space]) -> None:
    with container(spaces[1], *SLEEPER) as target:
        probed = talk.ask("probe", container=target.id, probes=[[HERE, 7000, "redis"]])
        assert "answered in" in probed["evidence"]
        assert not talk.ask("flow", container=target.id, least_s=0.5)["seen"]
        made = talk.ask("change", container=target.id, what="link", kbit=64, delay_ms=0, **TERM)
        assert made["seen"], made
        assert talk.ask("flow", container=target.id, least_s=0.5)["seen"]
        talk.ask("heal")
        assert "qdisc tbf" not in spaces[1].run("tc", "qdisc")


@pytest.mark.redis
def test_what_is_kept_down_is_killed_again_until_it_is_healed(talk: Talk, spaces: tuple[Space, Space]) -> None:
    """A successor in the same pod is another container."""
    with container(spaces[0], *REDIS) as first:
        assert talk.ask("keep_down", container=first.id, uid=first.uid, up_s=0.5, **TERM)["seen"]
    with container(spaces[0], *REDIS, uid=first.uid) as second:
        second.outer.wait(60)
    talk.ask("heal")
    with container(spaces[0], *REDIS, uid=first.uid) as third, pytest.raises(subprocess.TimeoutExpired):
        third.outer.wait(1)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_lease_ends_without_its_host(shared: Serve, target: Container, spaces: tuple[Space, Space], how: int) -> None:
    """Whether the host's end of the stream is gone or only silent."""
    talk = shared.talk()
    talk.ask("cut", container=target.id, peers=[THERE], lease_s=1, longest_s=600)
    talk.ask("pause", container=target.id, lease_s=1, longest_s=600)
    talk.process.send_signal(how)
    assert not spaces[0].reaches(THERE)
    assert wait(lambda: spaces[0].reaches(THERE), 3) < 2
    wait(lambda: state(target.pid) != "T", 1)
    healed = shared.talk().ask("status")["healed"]
    assert [item["because"] for item in healed[-2:]] == ["no renewal for 1 s"] * 2


def test_a_renewal_keeps_a_fault_up_to_its_longest(talk: Talk, target: Container, spaces: tuple[Space, Space]) -> None:
    talk.ask("cut", container=target.id, peers=[THERE], lease_s=0.6, longest_s=1.8)

    def healed() -> bool:
        return not talk.ask("renew")["held"]

    assert 1.5 < wait(healed, 5) < 2.5
    assert talk.ask("status")["healed"][-1]["because"] == "it had lasted its longest, 1.8 s"
    assert spaces[0].reaches(THERE)


def test_the_helper_heals_before_it_ends(helper: Serve, target: Container, spaces: tuple[Space, Space]) -> None:
    helper.talk().ask("cut", container=target.id, peers=[THERE], **TERM)
    helper.process.terminate()
    assert helper.process.wait(60) == 0
    assert spaces[0].reaches(THERE)


def test_a_killed_helpers_faults_are_undone_by_the_next(
    helper: Serve, target: Container, spaces: tuple[Space, Space]
) -> None:
    """Its state outlives it, and the namespaces are found again by their number."""
    talk = helper.talk()
    talk.ask("cut", container=target.id, peers=[THERE], **TERM)
    talk.ask("pause", container=target.id, **TERM)
    helper.process.kill()
    helper.process.wait(60)
    assert helper.process.stderr is not None
    helper.process.stderr.close()
    assert not spaces[0].reaches(THERE)
    helper.start()
    assert spaces[0].reaches(THERE)
    assert state(target.pid) != "T"
    assert {item["because"] for item in helper.talk().ask("status")["healed"]} == {"the helper was started again"}


def test_a_container_that_was_restarted_is_healed_too(talk: Talk, spaces: tuple[Space, Space]) -> None:
    """The namespace belongs to the pod: the cut outlives the container that it was made for."""
    with container(spaces[0], *SLEEPER) as target:
        talk.ask("cut", container=target.id, peers=[THERE], **TERM)
        talk.ask("kill", container=target.id)
    assert not spaces[0].reaches(THERE)
    talk.ask("heal")
    assert spaces[0].reaches(THERE)


def test_a_newer_cut_of_the_namespace_outlives_the_older_ones_lease(
    talk: Talk, target: Container, spaces: tuple[Space, Space]
) -> None:
    with container(spaces[0], *SLEEPER) as before:
        talk.ask("cut", container=before.id, peers=["10.231.0.99"], lease_s=0, longest_s=600)
        talk.ask("cut", container=target.id, peers=[THERE], **TERM)
        assert [hold["container"] for hold in talk.ask("status")["held"]] == [target.id]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"do": "reboot"}, "'reboot' is not one of kill, pause, resume, probe, cut"),
        ({"do": "kill", "container": "beef"}, "no process of container beef on this node"),
        ({"do": "kill", "container": ""}, "a container without an id cannot be found"),
        ({"do": "cut", "container": "beef"}, "cut needs 'peers'"),
        ({"do": "cut", "container": "beef", "peers": []}, "a cut from nobody is no cut"),
    ],
)
def test_a_request_that_cannot_be_done_is_answered_with_why(
    talk: Talk, request_: dict[str, object], error: str
) -> None:
    assert error in talk.ask(**request_)["error"]  # type: ignore[arg-type]


def test_talk_says_when_nobody_serves(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    assert talk.process.wait(60) == 1
    assert "the node helper does not answer at" in talk.end()
