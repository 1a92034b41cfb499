"""How a test process runs, and what is quick: all that is not marked slow, or whole, which a person asks for."""

import gc
import os
import sys

import pytest
from hypothesis import settings

os.environ["STRIATE_CACHE"] = ""  # a test that is about the cache has its own
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two processes of two threads would wait for each other on two cores
settings.register_profile("any machine", deadline=None)  # a slow one is no failure
settings.load_profile("any machine")
gc.set_threshold(100_000, 50, 100)  # to look for cycles among the objects of torch takes a tenth of all time


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if not {"slow", "whole"} & {mark.name for mark in item.iter_markers()}:
            item.add_marker(pytest.mark.quick)


@pytest.fixture(autouse=True)
def _left_as_found():
    """The number of threads decides bits, and the environment what processes do that later tests start."""
    torch, environment = sys.modules.get("torch"), dict(os.environ)
    threads = torch and torch.get_num_threads()
    yield
    left = {name for name, value in os.environ.items() if environment.get(name) != value} - {"PYTEST_CURRENT_TEST"}
    assert not left, f"left in the environment: {left}"
    assert not torch or torch.get_num_threads() == threads
