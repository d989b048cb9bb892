"""The delays between connections."""

from datetime import datetime, timezone

import pytest

from sluice_client.backoff import Backoff, retry_after


def delays(chance: float, count: int, backoff: Backoff | None = None) -> list[float]:
    backoff = backoff or Backoff(1, 30, 300, lambda: chance)
    return [backoff.next() for _ in range(count)]


def test_delays_double_from_retry_to_the_longest_and_differ_by_chance() -> None:
    assert delays(0, 7) == [1, 2, 4, 8, 15, 15, 15]
    assert delays(1, 7) == [2, 4, 8, 16, 30, 30, 30]


def test_a_good_connection_starts_over() -> None:
    backoff = Backoff(1, 30, 300, lambda: 0)
    delays(0, 5, backoff)
    backoff.restart()

    assert delays(0, 2, backoff) == [1, 2]


def test_retry_is_the_least_delay_and_capped() -> None:
    backoff = Backoff(1, 30, 300, lambda: 0)
    backoff.hear_retry(40_000)
    assert backoff.next() == 40
    backoff.hear_retry(10**15)
    assert backoff.next() == 300


def test_a_retry_of_zero_is_no_busy_loop() -> None:
    backoff = Backoff(1, 30, 300, lambda: 0)
    backoff.hear_retry(0)

    assert delays(0, 3, backoff) == [0.01, 0.02, 0.04]


def test_retry_after_is_a_least_delay_and_capped() -> None:
    assert Backoff(1, 30, 300, lambda: 0).next(20) == 20
    assert Backoff(50, 50, 300, lambda: 0).next(20) == 50
    assert Backoff(1, 30, 300, lambda: 0).next(1e9) == 300


def test_what_a_server_asks_for_differs_by_chance_too() -> None:
    assert Backoff(1, 30, 300, lambda: 1).next(20) == 30
    assert Backoff(50, 30, 300, lambda: 1).next() == 75


def test_delays_stay_finite_for_ever() -> None:
    assert delays(1, 2_000)[-1] == 30


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("Thu, 26 Nov 2026 12:00:10 GMT", 10),
        ("Thu, 26 Nov 2026 11:00:00 GMT", 0),
        ("-1", 0),
        ("1.5", 0),
        ("soon", 0),
        ("", 0),
        ("٧", 0),
        ("9" * 10_000, float("9" * 64)),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float) -> None:
    now = datetime(2026, 11, 26, 12, 0, 0, tzinfo=timezone.utc)

    assert retry_after({"retry-after": value}, lambda: now) == seconds
