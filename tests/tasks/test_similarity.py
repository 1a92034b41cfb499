"""How near pictures are: the textbook's ratio, and structural similarity beside scikit-image's."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from striate.tasks import similarity
from striate.tasks.similarity import psnr, ssim


def pair(shape, seed, noise=0.2):
    chance = np.random.default_rng(seed)
    one = chance.random(shape)
    return one, np.clip(one + noise * chance.standard_normal(shape), 0, 1)


def value(one, other):
    return float(ssim(*(torch.from_numpy(each)[None] for each in (one, other))))


shapes = st.tuples(st.sampled_from([1, 3]), st.integers(1, 24), st.integers(1, 24))


def test_the_signal_to_noise_ratio_is_the_textbooks():
    # 20 log10(1 / root of the error): 0.01 is 20 dB, 1 is 0 dB; no error is told as 100 dB.
    assert psnr(np.array([0.01, 1.0, 0.0])).tolist() == pytest.approx([20.0, 0.0, 100.0])


@given(shapes.map(lambda shape: (shape[0], shape[1] + 10, shape[2] + 10)), st.integers(0, 99), st.floats(0, 1))
def test_it_is_scikit_images(shape, seed, noise):
    one, other = pair(shape, seed, noise)
    expected = structural_similarity(
        one, other, channel_axis=0, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert value(one, other) == pytest.approx(expected, abs=1e-9)
    assert value(one.astype(np.float32), other.astype(np.float32)) == pytest.approx(expected, abs=1e-5)


@given(shapes, st.integers(0, 99))
def test_it_is_at_most_one_and_only_for_the_same_and_knows_no_order_and_no_direction(shape, seed):
    one, other = pair(shape, seed)
    assert value(one, one) == pytest.approx(1, abs=1e-12)
    assert -1 <= value(one, other) <= 1
    assert value(one, other) == pytest.approx(value(other, one), abs=1e-12)
    turned = [each[:, ::-1].transpose(0, 2, 1).copy() for each in (one, other)]
    assert value(*turned) == pytest.approx(value(one, other), abs=1e-12)


def test_pictures_of_a_batch_do_not_change_each_other_by_a_bit():
    one, other = (
        torch.from_numpy(np.stack(each)) for each in zip(*(pair((3, 19, 14), k) for k in range(5)), strict=True)
    )
    together = ssim(one, other)
    assert [float(ssim(one[k : k + 1], other[k : k + 1])) for k in range(5)] == together.tolist()


def test_a_large_picture_in_parts_is_the_whole(monkeypatch):
    one, other = pair((3, 40, 33), 0)
    expected = value(one, other)
    monkeypatch.setattr(similarity, "MOST", 500)
    assert value(one, other) == pytest.approx(expected, abs=1e-12)


def test_its_gradient_is_the_slope_also_where_nothing_differs():
    one, other = (torch.from_numpy(each)[None] for each in pair((1, 12, 13), 0))
    assert torch.autograd.gradcheck(lambda answer: ssim(answer, one), other.requires_grad_())
    flat = torch.full((1, 1, 12, 12), 0.5, requires_grad=True)
    ssim(flat, flat.detach()).sum().backward()
    assert torch.isfinite(flat.grad).all()
