"""How the client notices that the machine slept."""

import pytest

from sluice_client.wake import WakeDetector


@pytest.mark.parametrize(
    ("wall", "monotonic", "slept"),
    [
        pytest.param(1, 1, False, id="an ordinary second"),
        pytest.param(601, 1, True, id="Linux and macOS: the monotonic clock stood still"),
        pytest.param(601, 601, True, id="Windows: a second took ten minutes"),
        pytest.param(6, 1, False, id="a clock that was adjusted by seconds"),
        pytest.param(-3_600, 1, False, id="a clock that was set back"),
    ],
)
def test_a_jump_is_a_sleep(wall: float, monotonic: float, slept: bool) -> None:
    now = {"wall": 1_000.0, "monotonic": 50.0}
    detector = WakeDetector(lambda: now["wall"], lambda: now["monotonic"])
    detector.before()
    now["wall"] += wall
    now["monotonic"] += monotonic

    assert detector.slept(1) is slept
    detector.before()
    assert detector.slept(1) is False


def test_the_time_that_the_application_takes_is_no_sleep() -> None:
    now = {"wall": 1_000.0, "monotonic": 50.0}
    detector = WakeDetector(lambda: now["wall"], lambda: now["monotonic"])
    now["wall"] += 600
    now["monotonic"] += 600
    detector.before()

    assert detector.slept(1) is False
