"""How long a training still takes, by a clock that the tests turn."""

import time

import pytest

from striate.training.pace import Pace


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def wait(seconds):
        now[0] += seconds

    return wait


def test_the_first_step_is_left_out_and_what_lies_between_epochs_is_nobodys(clock):
    pace = Pace(validation=2.0)
    pace.begin()
    clock(7.0)
    pace.stepped()
    assert pace.left(3, 1) == 3 * 7 + 2 * 7
    for _ in range(2):
        clock(1.0)
        pace.stepped()
    assert (pace.step(), pace.left(10, 1)) == (1.0, 12.0)
    clock(6.0)
    pace.validated()
    clock(1000.0)
    pace.begin()
    clock(1.0)
    pace.stepped()
    assert (pace.seconds, pace.left(10, 2)) == (16.0, 22.0)
