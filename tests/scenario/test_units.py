"""Quantities are read as people write them, and a bare number is refused."""

import pytest

from chaos.scenario.units import parse_address, parse_count, parse_duration, parse_rate


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5.0), ("100ms", 0.1), ("2m", 120.0), ("1h", 3600.0), ("0.5s", 0.5), (0, 0.0)]
)
def test_a_duration_is_seconds_once_loaded(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("wrong", [5, 5.0, "5", "5 s", "5sec", "-5s", None, True, False, "s"])
def test_a_duration_without_its_unit_is_refused_with_what_to_write(wrong):
    with pytest.raises(ValueError, match="write 5s"):
        parse_duration(wrong)


@pytest.mark.parametrize(("text", "hertz"), [("50/s", 50.0), ("0.5/s", 0.5), ("60/m", 1.0)])
def test_a_rate_is_hertz_once_loaded(text, hertz):
    assert parse_rate(text) == pytest.approx(hertz)


@pytest.mark.parametrize("wrong", [50, "50", "50 per s", "50/h", "0/s", "-1/s", None])
def test_a_rate_that_is_none_is_refused_with_what_to_write(wrong):
    with pytest.raises(ValueError, match="write 50/s"):
        parse_rate(wrong)


@pytest.mark.parametrize("wrong", ["0", "5s", -1, 1.5, True, None])
def test_only_a_whole_number_is_a_count(wrong):
    with pytest.raises(ValueError, match="not a count"):
        parse_count(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        "redis",
        "redis:",
        ":6379",
        "redis:port",
        6379,
        "a:b:1",
        "a:0",
        "a:65536",
        "[::1]",
        "[a]:1",
        "::1:6379",
        "redis://a:1",
        None,
    ],
)
def test_an_address_names_host_and_port(wrong):
    with pytest.raises(ValueError, match=r"host:port|not a port|not an address"):
        parse_address(wrong)
