"""How many trainings at once, with how many threads each."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from small import photographs
from striate.training.abreast import Taken, _numbers, _tried, soonest
from striate.training.apart import Asked
from striate.training.execution import Execution
from striate.training.recipe import recipe_of

GB = 10**9


@pytest.mark.parametrize(
    ("seconds", "count", "free", "expected"),
    [
        ({1: 1.0, 2: 0.9, 4: 0.8}, 8, 100 * GB, (4, 1)),  # threads bring little: one each
        ({1: 1.0, 2: 0.9, 4: 0.8}, 1, 100 * GB, (1, 4)),  # one training takes all
        ({1: 1.0, 2: 0.6, 4: 0.5}, 2, 100 * GB, (2, 2)),  # two share the cores
        ({1: 1.0, 2: 0.6, 4: 0.5}, 8, 2.5 * GB, (2, 2)),  # memory is for two
        ({1: 1.0, 2: 1.2, 4: 3.0}, 1, 100 * GB, (1, 1)),  # threads are in each other's way
        ({1: 1.0, 2: 0.6, 4: 0.5}, 8, 0, (1, 4)),
    ],
)
def test_a_list_is_done_soonest(seconds, count, free, expected):
    assert soonest([(Taken(10, seconds, GB, "cpu"), count)], count, 4, int(free))[:2] == expected


@given(
    cores=st.integers(1, 64), count=st.integers(1, 200), free=st.integers(0, 100), data=st.data(),
    device=st.sampled_from(["cpu", "cuda"]),
)  # fmt: skip
def test_there_are_never_more_threads_than_cores_nor_more_at_once_than_trainings(cores, count, free, device, data):
    positive = st.floats(1e-3, 10)
    seconds = {threads: data.draw(positive) for threads in _numbers(cores)}
    tried = [(Taken(3, seconds, 5, device), count)] if data.draw(st.booleans()) else []
    jobs, threads, why = soonest(tried, count, cores, free)
    assert 1 <= jobs <= count
    assert threads >= 1
    assert jobs * threads <= cores
    assert why
    if tried:
        assert jobs == 1 or 5 * jobs <= free


@pytest.fixture
def threads():
    """What is tried in a process of its own elsewhere is tried in this one here."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_steps_of_the_very_network_are_tried(tmp_path, threads):
    data = photographs(tmp_path / "photos")
    for more in ({}, {"mixup": 0.5}, {"rate": "auto"}):
        recipe = recipe_of(data=str(data), model="resnet20", size=32, epochs=3, batch=9, **more)
        taken = _tried(Asked(recipe, tmp_path / repr(more), 1, Execution(), Path.cwd()), None)
        assert taken.steps == 9
        assert next(iter(taken.seconds)) == 1
        assert min(taken.seconds.values()) > 0
        assert taken.memory > 50e6
        assert not (tmp_path / repr(more) / "run.json").exists()
