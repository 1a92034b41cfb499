"""Whole pictures made smaller: plain sums of Python's integers are the oracle, and Pillow is near."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pictures import photo
from striate.data import shrink
from striate.data.picture.canvas import canvas_of
from striate.data.preprocess import TWO_PASSES, Preprocess

# sha256 over the pictures of `made`, with vector instructions and without.
GOLDEN = "11b69a5dca586dcbe10252ee15edb170f940ef2cfdbc80f9f793d0a635280101"
Line = list[int]


def by_hand(line: Line, wanted: int) -> Line:
    """One line of bytes made shorter, one sum after the other."""
    scale, shares = len(line) / wanted, list[tuple[int, list[float]]]()
    for place in range(wanted):
        centre = scale * (place + 0.5)
        first, last = max(int(centre - scale + 0.5), 0), min(int(centre + scale + 0.5), len(line))
        found = [max(0.0, 1 - abs((step + (first - centre) + 0.5) * (1 / scale))) for step in range(last - first)]
        whole = 0.0
        for each in found:
            whole += each
        shares.append((first, [each / whole for each in found]))
    bits, most = 0, max(max(each) for _, each in shares)
    while bits < 22 and int(0.5 + most * 2 ** (bits + 1)) < 2**15:
        bits += 1
    sums = (sum(int(0.5 + each * 2**bits) * line[first + k] for k, each in enumerate(own)) for first, own in shares)
    return [min(255, (each + 2 ** (bits - 1)) >> bits) for each in sums]


def plane_by_hand(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    across = np.array([by_hand(row.tolist(), width) for row in plane])
    return np.array([by_hand(column.tolist(), height) for column in across.T]).T


def made() -> Iterator[tuple[np.ndarray, int, int]]:
    """Random pictures and smaller sizes; PCG64 gives the same bits everywhere."""
    draws = np.random.Generator(np.random.PCG64(5))
    for place in range(120):
        height, width = (int(side) for side in draws.integers(1, 400, 2))
        tall, wide = (int(draws.integers(1, side + 1)) for side in (height, width))
        top = 2 if place % 3 else 256  # black and white, or all levels
        pixels = draws.integers(0, top, (height, width, 1 if place % 4 == 0 else 3)) * (255 // (top - 1))
        yield pixels.astype(np.uint8), tall, wide


def digest() -> str:
    whole = hashlib.sha256()
    for pixels, tall, wide in made():
        whole.update(np.ascontiguousarray(shrink.shrunk(pixels, tall, wide)).tobytes())
    return whole.hexdigest()


@given(st.data())
def test_it_is_the_sum_by_hand(data: st.DataObject) -> None:
    height, width = (data.draw(st.integers(1, 24)) for _ in range(2))
    tall, wide = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    values = data.draw(st.binary(min_size=height * width, max_size=height * width))
    pixels = np.frombuffer(values, np.uint8).reshape(height, width, 1)
    expected = plane_by_hand(pixels[..., 0], tall, wide)
    assert np.array_equal(shrink.shrunk(pixels, tall, wide)[..., 0], expected)
    assert np.array_equal(shrink.defined(pixels, tall, wide)[..., 0], expected)


def test_torch_and_the_definition_give_the_same_bits() -> None:
    assert shrink._torch_agrees()
    for pixels, tall, wide in made():
        assert np.array_equal(shrink.shrunk(pixels, tall, wide), shrink.defined(pixels, tall, wide))


@pytest.mark.slow
@pytest.mark.parametrize("without", ["default", "avx2"])
def test_vector_instructions_and_threads_change_no_bit(without: str) -> None:
    code = "import torch, test_shrink; torch.set_num_threads(3); print(test_shrink.digest())"
    paths = os.pathsep.join((str(Path(__file__).parent), *sys.path))
    told = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"ATEN_CPU_CAPABILITY": without, "PYTHONPATH": paths},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.strip() == digest() == GOLDEN


def test_each_channel_and_four_bytes_a_pixel_are_alike() -> None:
    pixels = photo(90, 130)
    expected = np.concatenate([shrink.shrunk(pixels[..., k : k + 1], 32, 48) for k in range(3)], 2)
    padded = np.dstack([pixels, pixels[..., :1]])
    assert np.array_equal(shrink.shrunk(pixels, 32, 48), expected)
    assert np.array_equal(shrink.shrunk(padded[:, :, :3], 32, 48), expected)
    pixels.flags.writeable = False
    assert np.array_equal(shrink.shrunk(pixels, 32, 48), expected)


def looked(version: int, pixels: np.ndarray, size: int, how: str) -> np.ndarray:
    ((canvas, _),) = Preprocess(size, 3, how, version=version).looks(pixels)
    return canvas


@pytest.mark.parametrize("how", ["squash", "letterbox"])
def test_a_version_keeps_its_bits_and_the_next_is_within_a_level(how: str) -> None:
    pixels = photo(97, 133)
    old, new = looked(TWO_PASSES, pixels, 32, how), looked(3, pixels, 32, how)
    assert np.array_equal(old, canvas_of(pixels, 3, 32, how)[0])
    differ = np.abs(old.astype(int) - new)
    assert differ.max() == 1
    assert (differ > 0).mean() < 0.02


@pytest.mark.parametrize(("how", "size"), [("crop", 32), ("squash", 128), ("letterbox", 160)])
def test_what_is_cut_or_enlarged_is_as_before(how: str, size: int) -> None:
    pixels = photo(97, 133)
    assert np.array_equal(looked(TWO_PASSES, pixels, size, how), looked(3, pixels, size, how))
