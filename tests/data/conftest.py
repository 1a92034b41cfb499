import multiprocessing
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_worker_is_left() -> Iterator[None]:
    yield
    for worker in multiprocessing.active_children():
        worker.kill()
        worker.join()
