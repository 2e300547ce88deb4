"""The pods as the controller sees them, the labels that it writes, and which Sentinel it believes."""

import io
import json
from dataclasses import asdict

import pytest

from chaos.cluster.local.controller import ApiServer, Label, ListedPod, NamedMaster, moving, newest
from tests.operators.world import redis, sentinel

OLD, NEW = ("10.0.0.0", 6379), ("10.0.0.1", 6379)


@pytest.fixture
def api() -> ApiServer:
    api = ApiServer(io.StringIO(), io.StringIO())
    show(api, redis(1), redis(0, role="master"))
    return api


def show(api: ApiServer, *pods: ListedPod) -> None:
    api.shown(json.dumps({"pods": [asdict(pod) for pod in pods]}).encode())


def roles(api: ApiServer) -> list[str | None]:
    return [pod.role for pod in api.pods]


def test_pods_are_in_the_order_of_their_names(api):
    assert [pod.name for pod in api.pods] == ["r-0", "r-1"]


def test_a_label_holds_at_once_and_against_a_line_that_was_written_before_it(api):
    api.label(Label("r-1", "master"))
    assert roles(api) == ["master", "master"]
    show(api, redis(0, role="master"), redis(1, role="slave"))
    assert roles(api) == ["master", "master"]


def test_once_the_api_server_has_said_so_it_is_believed(api):
    api.label(Label("r-1", "master"))
    show(api, redis(0), redis(1, role="master"))
    show(api, redis(0), redis(1, role="slave"))
    assert roles(api) == ["slave", "slave"]


@pytest.mark.parametrize("other", [{"ip": "10.0.0.9"}, {"phase": "Pending"}, {"deleting": True}])
def test_a_label_does_not_pass_to_another_pod_of_the_name(api, other):
    api.label(Label("r-1", "master"))
    show(api, redis(0), redis(1, **other))
    show(api, redis(0), redis(1))
    assert roles(api) == ["slave", "slave"]


def test_a_label_of_a_pod_that_is_gone_does_no_harm(api):
    api.label(Label("r-7", "master"))
    assert roles(api) == ["master", "slave"]


def test_a_label_is_said_and_nothing_is_logged_of_it():
    out, log = io.StringIO(), io.StringIO()
    ApiServer(out, log).label(Label("r-1", "master"))
    assert json.loads(out.getvalue()) == {"label": {"pod": "r-1", "role": "master"}}
    assert log.getvalue() == ""


@pytest.mark.parametrize(
    ("roles", "written"),
    [
        (("master", "slave"), ["r-1 master", "r-0 slave"]),
        (("slave", "slave"), ["r-1 master"]),
        ((None, None), ["r-1 master"]),
        (("slave", "master"), []),
        (("master", "master"), ["r-0 slave"]),
    ],
)
def test_the_new_master_is_labelled_first_and_whoever_was_it_before_after(roles, written):
    pods = [redis(number, role=role) for number, role in enumerate(roles)]

    assert [f"{label.pod} {label.role}" for label in moving(NEW, [*pods, sentinel(0)])] == written


def test_an_address_that_no_pod_has_takes_the_label_from_nobody():
    assert list(moving(("10.0.0.9", 6379), [redis(0, role="master")])) == []
    assert list(moving(("10.0.1.0", 26379), [redis(0, role="master"), sentinel(0)])) == []


@pytest.mark.parametrize(
    ("words", "believed"),
    [
        ([], None),
        ([None], None),
        ([NamedMaster(3, OLD), None], OLD),
        ([NamedMaster(3, OLD), NamedMaster(4, NEW)], NEW),
        ([NamedMaster(4, NEW), NamedMaster(3, OLD), NamedMaster(3, OLD)], NEW),
    ],
)
def test_the_word_of_the_newest_configuration_counts(words, believed):
    assert newest(words) == believed
