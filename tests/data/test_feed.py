import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from batches import same
from pictures import encode, photo, put
from striate.base.errors import DataError
from striate.data.feed import Streamed, cut_batches, open_feed
from striate.data.preprocess import Preprocess
from striate.data.samples import Samples
from striate.data.scan import scan
from striate.data.sources.folder import list_folder
from striate.data.units import units_of

CPU = torch.device("cpu")
SIDE = 12
# Two workers are asked for on one core as well.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:This DataLoader will create")]


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    """24 pictures of different sizes, half of them JPEG large enough to be decoded smaller."""
    for seed in range(12):
        put(tmp_path / "cat" / f"{seed}.jpg", encode(photo(60 + 7 * seed, 90, seed), "JPEG"))
        put(tmp_path / "dog" / f"{seed}.png", encode(photo(15, 20 + seed, 50 + seed)))
    return scan(list_folder(tmp_path))


def groups(samples: Samples, batch: int = 5, seed: int = 0) -> list[np.ndarray]:
    return cut_batches(np.random.default_rng(seed).permutation(len(samples)), batch)


def streamed(samples: Samples, workers: int, channels: int = 3) -> Streamed:
    return Streamed(units_of(samples), Preprocess(SIDE, channels), CPU, workers)


@pytest.mark.parametrize("views", ["one", "ten"])
@pytest.mark.parametrize("channels", [1, 3])
def test_resident_and_streamed_by_any_number_of_workers_give_the_same_batches(
    samples: Samples, channels: int, views: Any
) -> None:
    preprocess, everything = Preprocess(SIDE, channels, views=views), np.arange(len(samples))
    resident = open_feed(units_of(samples), everything, preprocess, CPU, memory="resident")
    assert type(resident).__name__ == ("Resident" if views == "one" else "Streamed")
    for seed in (0, 1):  # a second pass over the same object
        wanted = groups(samples, seed=seed)
        for group, batch in zip(wanted, resident.batches(wanted), strict=True):
            looks = [(int(at), *look) for at in group for look in preprocess.looks(samples.read(int(at)))]
            assert len(looks) == len(group) * (10 if views == "ten" else 1)
            assert batch.indices.tolist() == [at for at, _, _ in looks]
            assert batch.pictures.numpy().tobytes() == b"".join(canvas.tobytes() for _, canvas, _ in looks)
            assert (batch.pictures.dtype, *batch.pictures.shape[1:]) == (torch.uint8, channels, SIDE, SIDE)
            assert batch.pictures.is_contiguous()
            assert batch.targets["label"].tolist() == samples.targets.strata[[at for at, _, _ in looks]].tolist()
            assert batch.laid == tuple(laid for _, _, laid in looks)
    for workers in (0, 1, 2):
        source = open_feed(units_of(samples), everything, preprocess, CPU, memory="streamed", workers=workers)
        for seed in (0, 1):
            wanted = groups(samples, seed=seed)
            assert all(map(same, source.batches(wanted), resident.batches(wanted)))


def test_a_pass_left_early_does_not_disturb_the_next(samples: Samples) -> None:
    wanted = groups(samples)
    expected = list(streamed(samples, 0).batches(wanted))
    source = streamed(samples, 2)
    next(iter(source.batches(wanted[::-1])))
    assert all(map(same, source.batches(wanted), expected))


def test_a_part_of_the_samples_may_be_resident(samples: Samples) -> None:
    part = np.array([20, 3, 11])
    source = open_feed(units_of(samples), part, Preprocess(SIDE, 3), CPU, memory="resident")
    (found,) = source.batches([np.array([3, 20])])
    (expected,) = streamed(samples, 0).batches([np.array([3, 20])])
    assert same(found, expected)
    assert list(source.batches([])) == []
    with pytest.raises(IndexError, match="not resident"):
        list(source.batches([np.array([3, 4])]))


def test_what_fits_in_memory_is_resident_unless_asked(samples: Samples) -> None:
    asked = {"auto": "Resident", "resident": "Resident", "streamed": "Streamed"}
    for memory, kind in asked.items():
        source = open_feed(units_of(samples), np.arange(3), Preprocess(SIDE, 3), CPU, memory=memory)  # type: ignore[arg-type]
        assert type(source).__name__ == kind
    huge = open_feed(units_of(samples), np.arange(24), Preprocess(1 << 20, 3), CPU)  # 72 TiB of canvases
    assert type(huge).__name__ == "Streamed"


def test_a_part_of_a_batch_is_a_batch(samples: Samples) -> None:
    (batch,) = streamed(samples, 0).batches([np.array([5, 2, 9, 0])])
    (part,) = streamed(samples, 0).batches([np.array([2, 9])])
    assert same(batch[1:3], part)
    assert len(batch[1:3]) == 2


@given(st.integers(1, 500), st.integers(1, 600))
def test_an_order_is_cut_into_the_fewest_batches_of_nearly_equal_size(length: int, batch: int) -> None:
    order = np.random.default_rng(0).permutation(length)
    found = cut_batches(order, batch)
    sizes = {len(part) for part in found}
    assert np.concatenate(found).tolist() == order.tolist()
    assert len(found) == -(-length // batch)
    assert max(sizes) <= batch
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("harm", ["changed since", "no such file"])
def test_a_file_that_changed_or_vanished_after_the_scan_is_named(samples: Samples, workers: int, harm: str) -> None:
    path = (samples.root or Path()) / samples.names[7]
    if harm == "no such file":
        path.unlink()
    else:
        path.write_bytes(encode(photo(15, 20, 999), "JPEG"))
    source = streamed(samples, workers)
    with pytest.raises(DataError, match=harm) as caught:
        list(source.batches(cut_batches(np.arange(len(samples)), 5)))
    assert caught.value.where == str(path)
    assert len(list(source.batches([np.array([1, 2])]))) == 1


@pytest.mark.parametrize("busy", [0.0, 0.5], ids=["waiting", "busy elsewhere"])
def test_a_killed_worker_is_survived_with_the_same_order(samples: Samples, busy: float) -> None:
    wanted = groups(samples, batch=2)
    expected = list(streamed(samples, 0).batches(wanted))
    found = []
    for batch in streamed(samples, 2).batches(wanted):
        found.append(batch)
        if len(found) == 3:
            workers = multiprocessing.active_children()
            assert len(workers) == 2
            os.kill(workers[0].pid or 0, signal.SIGKILL)
            until = time.monotonic() + busy
            while time.monotonic() < until:  # the step of training during which the worker dies
                sum(range(1000))
    assert len(found) == len(expected)
    assert all(map(same, found, expected))
