"""Noises: what each does on average, and that a picture's own depends on nothing beside it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from striate.base.errors import UsageError
from striate.tasks import registry
from striate.tasks.corruption import NOISES, holes, noisy

KINDS = sorted(NOISES)


def level(value, count=40, side=50, channels=1):
    return torch.full((count, channels, side, side), value)


@pytest.mark.parametrize(
    ("kind", "strength", "mean", "deviation"),
    [
        # of a picture that is 0.25 everywhere
        ("gaussian", 0.2, 0.25, 0.2),
        ("salt-and-pepper", 0.4, 0.6 * 0.25 + 0.2, np.sqrt(0.6 * 0.25**2 + 0.2 - 0.35**2)),
        ("poisson", 16, 0.25, np.sqrt(0.25 / 16)),
        ("speckle", 0.2, 0.25, 0.25 * 0.2),
    ],
)
def test_the_mean_and_deviation_of_each_noise_are_the_textbooks(kind, strength, mean, deviation):
    found = noisy(level(0.25), kind, strength, 1, 2, np.arange(40))
    assert found.dtype == torch.float32
    assert float(found.mean()) == pytest.approx(mean, abs=4 * deviation / np.sqrt(found.numel()))
    assert float(found.std()) == pytest.approx(deviation, rel=0.02)


def test_salt_and_pepper_turn_whole_pixels_and_photons_are_whole_numbers():
    turned = noisy(level(0.25, channels=3), "salt-and-pepper", 0.3, 0, 0, np.arange(40))
    assert (turned == turned[:, :1]).all()
    assert sorted(turned.unique().tolist()) == [0, 0.25, 1]
    counts = noisy(level(0.5), "poisson", 8, 0, 0, np.arange(40)) * 8
    assert torch.equal(counts, counts.round())


@pytest.mark.parametrize("kind", KINDS)
@given(st.permutations(range(5)), st.integers(0, 9), st.integers(0, 9))
def test_the_noise_of_a_picture_depends_on_seed_epoch_and_its_index_alone(kind, order, seed, epoch):
    clean = torch.rand(5, 3, 6, 7, generator=torch.Generator().manual_seed(0))
    strength, order = NOISES[kind].such, np.array(order)
    together = noisy(clean, kind, strength, seed, epoch, np.arange(5))
    assert torch.equal(noisy(clean[order], kind, strength, seed, epoch, order), together[order])
    assert not torch.equal(noisy(clean, kind, strength, seed, epoch + 1, np.arange(5)), together)
    assert not torch.equal(noisy(clean, kind, strength, seed + 1, epoch, np.arange(5)), together)


@pytest.mark.parametrize("kind", KINDS)
def test_a_grey_picture_in_three_channels_has_the_noise_of_one(kind):
    grey, colour = torch.rand(2, 1, 9, 9), torch.rand(1, 3, 9, 9)
    strength, samples = NOISES[kind].such, np.arange(3)
    found = noisy(torch.cat([grey.expand(2, 3, 9, 9), colour]), kind, strength, 0, 0, samples)
    assert (found[:2] == found[:2, :1]).all()
    assert not torch.equal(found[2, 0] - colour[0, 0], found[2, 1] - colour[0, 1])


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_strength_of_its_own_and_refuses_what_it_cannot_be(kind):
    task = registry.task_named("denoise", (), {"noise_kind": kind}, {})
    assert task.strength == NOISES[kind].such
    with pytest.raises(UsageError, match=r"^noise: 10000000\.0 is not a number from"):
        registry.task_named("denoise", (), {"noise_kind": kind, "noise": "1e7"}, {})
    assert registry.from_dict(registry.as_dict(task), "run.json") == task


@pytest.mark.parametrize("kind", ["boxes", "strokes", "centre"])
@given(
    st.floats(0.01, 0.75), st.sampled_from([(1, 1), (8, 8), (5, 30), (33, 20)]), st.integers(0, 99), st.integers(0, 9)
)
def test_a_hole_hides_its_share_and_depends_on_nothing_beside_it(kind, share, shape, seed, epoch):
    pictures = torch.zeros(4, 3, *shape)
    found = holes(kind, share, pictures, seed, epoch, np.array([5, 3, 2**63, 1], np.uint64))
    assert found.shape == (4, 1, *shape)
    assert set(found.unique().tolist()) <= {0.0, 1.0}
    hidden = found.mean((1, 2, 3))
    assert (hidden > 0).all()
    if kind != "centre":
        assert (hidden >= share - 1e-6).all()
    assert torch.equal(holes(kind, share, pictures[:1], seed, epoch, [2**63]), found[2:3])


@pytest.mark.parametrize("kind", ["boxes", "strokes"])
def test_holes_hide_little_more_than_asked_for_and_are_others_in_each_epoch(kind):
    pictures = torch.zeros(50, 1, 64, 64)
    found = holes(kind, 0.25, pictures, 0, 0, np.arange(50))
    assert 0.25 <= float(found.mean()) < 0.29
    everywhere = functional.avg_pool2d(found.mean(0), 16)
    assert 0.15 < float(everywhere.min()) <= float(everywhere.max()) < 0.4, "any place is as likely"
    others = holes(kind, 0.25, pictures, 0, 1, np.arange(50))
    assert not (found == others).flatten(1).all(1).any()


def test_the_centre_is_one_box_in_the_middle():
    found = holes("centre", 0.25, torch.zeros(1, 3, 8, 12), 0, 0, [0])[0, 0]
    assert (found[2:6, 3:9] == 1).all()
    assert found.sum() == 24
