"""Facts with their intervals, a steady pace, and a supervisor that begins again."""

import asyncio

import pytest

from chaos.clock import mono_ns
from chaos.observe.watch import Change, Pace, PolledFact, described, pairs, supervised
from chaos.timers import ORIGIN_NS


def test_at_first_sight_a_fact_is_news_of_unknown_age():
    assert PolledFact().shown("slave", sent_ns=10) == Change(since_ns=None)


def test_a_changed_fact_reaches_back_to_the_last_poll_that_did_not_show_it():
    fact = PolledFact()
    fact.shown("slave", sent_ns=10)
    fact.shown("slave", sent_ns=20)

    assert fact.shown("master", sent_ns=30) == Change(since_ns=20)


def test_what_stays_the_same_is_no_news():
    fact = PolledFact()
    fact.shown("slave", sent_ns=10)

    assert fact.shown("slave", sent_ns=20) is None


def test_a_fact_that_none_shows_is_news_too():
    """A Sentinel that knows no master answers None, which is a value and not the absence of one."""
    fact = PolledFact()

    assert fact.shown(None, sent_ns=10) == Change(since_ns=None)
    assert fact.shown(None, sent_ns=20) is None


def test_only_the_first_failed_poll_is_news():
    fact = PolledFact()
    fact.shown("slave", sent_ns=10)

    assert fact.failed(sent_ns=20) == Change(since_ns=10)
    assert fact.failed(sent_ns=30) is None
    assert fact.lost


def test_an_answer_after_failures_is_news_since_the_last_failure():
    fact = PolledFact()
    fact.shown("slave", sent_ns=10)
    fact.failed(sent_ns=20)
    fact.failed(sent_ns=30)

    assert fact.shown("slave", sent_ns=40) == Change(since_ns=30)
    assert not fact.lost


def test_a_change_in_the_dark_reaches_back_to_before_the_dark():
    """A failed poll shows nothing: the replica may have been promoted any time since it was last seen as one."""
    fact = PolledFact()
    fact.shown("slave", sent_ns=10)
    fact.failed(sent_ns=20)

    assert fact.shown("master", sent_ns=40) == Change(since_ns=10)


async def test_a_pace_keeps_to_its_multiples():
    pace = Pace(0.02)
    await pace.beat()
    began = mono_ns()
    for _ in range(5):
        await pace.beat()

    assert 0.09 <= (mono_ns() - began) / 1e9 < 10


async def test_all_paces_of_a_process_beat_together():
    """One wake-up serves them. The loop's own timers are as coarse as a millisecond."""
    beats = []
    for late_s in (0.003, 0.011):
        await asyncio.sleep(late_s)
        await Pace(0.05).beat()
        beats.append(mono_ns() - ORIGIN_NS)
    since_ns = [(beat + 2_000_000) % 50_000_000 for beat in beats]
    assert min(since_ns) < 10_000_000


async def test_missed_beats_are_left_out():
    pace = Pace(0.02)
    await asyncio.sleep(0.07)
    began = mono_ns()
    await pace.beat()
    await pace.beat()

    assert (mono_ns() - began) / 1e9 > 0.02


async def test_whatever_ends_an_observer_is_told_and_it_begins_again():
    errors = [OSError("reset"), KeyError("a bug of ours"), TimeoutError()]
    told: list[str] = []

    async def observe():
        if not errors:
            await asyncio.sleep(60)
        raise errors.pop(0)

    task = asyncio.create_task(supervised(observe, told.append))
    await asyncio.sleep(0.35)
    task.cancel()

    assert told == ["reset", "'a bug of ours'", "no answer within 1 s"]


async def test_an_observer_that_cannot_connect_is_not_tried_faster_than_every_100_ms():
    attempts = []

    async def observe():
        attempts.append(mono_ns())
        raise ConnectionRefusedError

    task = asyncio.create_task(supervised(observe, lambda _: None))
    await asyncio.sleep(0.35)
    task.cancel()

    assert 2 <= len(attempts) <= 4


async def test_an_event_that_cannot_be_written_ends_the_supervisor():
    """A full disk is no trouble of the system's: it must not be retried in silence."""

    async def observe():
        raise OSError("reset")

    def lost(_error):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        await supervised(observe, lost)


def test_an_error_without_words_is_named():
    assert described(ConnectionRefusedError()) == "ConnectionRefusedError"


def test_a_flat_reply_becomes_names_and_values():
    assert pairs(["maxmemory", "0", "save", ""]) == {"maxmemory": "0", "save": ""}
