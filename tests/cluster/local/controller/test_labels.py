"""Which labels follow from a master's address, and whom to believe."""

import pytest

from chaos.cluster.local.controller.labels import Word, moving, newest
from tests.cluster.local.controller.world import redis, sentinel

OLD, NEW = ("10.0.0.0", 6379), ("10.0.0.1", 6379)


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
        ([Word(3, OLD), None], OLD),
        ([Word(3, OLD), Word(4, NEW)], NEW),
        ([Word(4, NEW), Word(3, OLD), Word(3, OLD)], NEW),
    ],
)
def test_the_word_of_the_newest_configuration_counts(words, believed):
    assert newest(words) == believed
