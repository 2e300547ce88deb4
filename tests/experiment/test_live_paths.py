"""What a path is called before a fault, from what its clients did; and what is told of it afterwards."""

from collections import Counter
from pathlib import Path

import pytest

from chaos.clock import mono_ns
from chaos.cluster.health import Facts
from chaos.experiment.observed import Baseline, Observed
from chaos.model import ErrorCode, Outcome
from chaos.progress import Message
from chaos.record.layout import NOBODY, Row
from chaos.record.ops_files import RowWriter

S = 1_000_000_000


@pytest.mark.parametrize(
    ("good", "bad", "late", "works", "is_late"),
    [
        (1000, 0, 0, True, False),
        (0, 1000, 0, False, False),
        (340, 660, 0, False, False),
        (998, 2, 2, True, False),
        (990, 10, 10, True, True),
        (600, 400, 400, False, True),
        (0, 1000, 1000, False, False),
    ],
    ids=["all good", "never", "one pod of three", "a hiccup", "late", "very late", "a black hole"],
)
def test_a_baseline_works_or_not_and_is_late_or_not(good: int, bad: int, late: int, works: bool, is_late: bool) -> None:
    """Only what answers, but not in time, is helped by a longer deadline."""
    found = Baseline(good, bad, Counter({ErrorCode.REPLY_TIMEOUT: late, ErrorCode.REFUSED: bad - late}))

    assert (found.works, found.is_late) == (works, is_late)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (ErrorCode.NAME_NOT_FOUND, "the name does not resolve"),
        (ErrorCode.REFUSED, "nothing listens there: connection refused"),
        (ErrorCode.REPLY_TIMEOUT, "no answer comes in time"),
        (ErrorCode.READONLY, "Redis refuses with READONLY"),
        (ErrorCode.NO_MASTER, "Sentinel knows no master of that name"),
    ],
)
def test_the_sentence_says_which_kind_of_broken(code: ErrorCode, sentence: str) -> None:
    """Of several errors it is that which most operations met."""
    met = Counter({ErrorCode.RESET: 1, code: 239})
    assert Baseline(0, 240, met).sentence == f"never worked: {sentence}"
    assert (
        Baseline(120, 240, met).sentence
        == f"is unreliable: 33% of its operations were good, and of the others: {sentence}"
    )


def test_every_error_has_a_sentence_and_redis_own_are_told_by_their_word() -> None:
    own = {code for code in ErrorCode if code.sentence == f"Redis refuses with {code.name}"}
    words = ("READONLY", "LOADING", "MASTERDOWN", "NOREPLICAS", "MISCONF", "OOM")
    assert own == {ErrorCode[word] for word in words}


def test_a_path_is_back_when_a_call_is_answered_and_not_when_it_began(tmp_path: Path) -> None:
    """An application's call may begin long before its address is back, and be the first good one."""
    told: list[Message] = []
    observed, effect_ns = Observed(tmp_path, Facts(), told.append), mono_ns() - 30 * S
    rows = RowWriter(tmp_path / "ops" / "app-0.rows", {"clients": [{"number": 0, "path": "app", "connection": "kept"}]})
    bad = (Outcome.UNKNOWN, ErrorCode.CONNECT_TIMEOUT, NOBODY, NOBODY, 0)
    good = (Outcome.OK, ErrorCode.NONE, NOBODY, NOBODY, 0)
    rows.put(Row(0, 0, 0, effect_ns + 1 * S, 1, 10_000_000, *bad))
    rows.put(Row(0, 0, 1, effect_ns + 11 * S, 1, 5_000_000, *good))
    rows.put(Row(0, 0, 2, mono_ns(), 1, 400, *good))
    rows.close()
    observed.arm()
    observed.begin(effect_ns)
    observed.follow()
    observed.mark_paths(frozenset({"app/kept"}), S)

    assert [
        (one.data["name"], round(one.data["at_s"])) for one in told if one.data["name"].startswith("recovered")
    ] == [("recovered, app/kept", 16)]
