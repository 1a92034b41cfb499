"""How a test process runs, and what is quick: all that is not marked slow, or whole, which a person asks for."""

import gc
import os
import shutil
import sys

import pytest
from hypothesis import settings

os.environ["STRIATE_CACHE"] = ""  # a test that is about the cache has its own
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each program that a test starts would compile the package anew
sys.dont_write_bytecode = False
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
def _as_many_threads_as_before():
    """Their number decides bits: one that a test leaves behind would change those of the tests after it."""
    torch = sys.modules.get("torch")
    threads = torch and torch.get_num_threads()
    yield
    assert not torch or torch.get_num_threads() == threads


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium on a machine that must have one")
        pytest.skip("no chromium is installed")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()
