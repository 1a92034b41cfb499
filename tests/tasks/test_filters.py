"""What a user would try first: each with its best strength, and named with it."""

import numpy as np
import pytest
from skimage.restoration import denoise_tv_chambolle

from striate.tasks import filters
from striate.tasks.filters import FILLINGS, FILTERS, Asked, Rival, beside


def asked(count=6, side=16, noise=0.2, seed=0, channels=1, hole=False):
    """Ramps with noise, or with a hole in their middle; the score is minus the mean squared error."""
    chance = np.random.default_rng(seed)
    for _ in range(count):
        true = np.broadcast_to(np.linspace(0, 1, side, dtype=np.float32), (channels, side, side))
        given = (true + noise * chance.standard_normal(true.shape)).astype(np.float32)
        hidden = np.zeros((side, side), bool)
        if hole:
            hidden[5:9, 6:12] = True
            given = np.where(hidden, np.float32(0.5), true)
        yield Asked(given, hidden, lambda answer, true=true: -float(np.square(answer - true).mean()))


@pytest.mark.parametrize("channels", [1, 3])
def test_every_filter_betters_a_noisy_ramp_and_says_how_strong_it_is(channels):
    given = np.mean([each.score(each.given) for each in asked(channels=channels, seed=1)])
    found = beside(FILTERS, asked(channels=channels), asked(channels=channels, seed=1), 1000)
    assert len(found) == 4
    for rival, each in zip(FILTERS, found, strict=True):
        assert np.mean(each.values) > given
        assert each.name in {rival.name.format(strength) for strength in rival.strengths}


@pytest.mark.parametrize("rival", [*FILTERS, *FILLINGS], ids=lambda rival: rival.name)
def test_a_grey_picture_is_answered_as_one_of_three_equal_channels(rival):
    (one,) = asked(1, hole=rival in FILLINGS)
    for strength in rival.strengths:
        grey = rival.restored(one.given, one.hole, strength)
        colour = rival.restored(np.repeat(one.given, 3, 0), one.hole, strength)
        np.testing.assert_allclose(np.repeat(grey, 3, 0), colour, atol=1e-5)


def test_the_strength_is_chosen_on_validation_alone():
    seen = []

    def restored(given, hole, strength):
        seen.append(strength)
        return given * strength

    rivals = [Rival("times {:g}", restored, (1.0, 0.0))]
    (found,) = beside(rivals, asked(3, noise=9), asked(2, noise=0), 1)
    assert found.name == "times 0"
    assert seen == [1, 0] * 3 + [0] * 2
    (found,) = beside(rivals, iter(()), asked(2), 1)
    assert found.name == "times 1"


def test_so_many_pictures_are_tried_and_no_more(monkeypatch):
    taken = []
    monkeypatch.setattr(filters, "MOST_NUMBERS", 3 * 16 * 16)
    val = (taken.append(each) or each for each in asked(10))
    beside(FILTERS[:2], val, asked(1), 1)
    assert len(taken) == 4  # three of them, and the one that is too much


def test_what_is_not_tried_has_no_number_and_says_why(monkeypatch):
    monkeypatch.setattr(filters, "find_spec", lambda name: None)
    *tried, non_local, variation = beside(FILTERS, asked(1), asked(1), 10)
    assert [each.name.partition(",")[0] for each in tried] == ["median filter", "Gaussian filter"]
    assert variation.name == "total variation (not tried: pip install 'striate[segment]')"
    assert (non_local.values, variation.values) == ((), ())
    monkeypatch.undo()
    found = {each.name for each in beside(FILTERS, asked(1), asked(1), 10**8) if not each.values}
    assert "median filter (not tried on 100 million pixels)" in found


@pytest.mark.parametrize("channels", [1, 3])
def test_fillings_leave_what_is_seen_and_better_the_grey_hole(channels):
    (one,) = asked(1, channels=channels, hole=True)
    for rival in FILLINGS:
        found = rival.restored(one.given, one.hole, 0.0)
        np.testing.assert_allclose(found[:, ~one.hole], one.given[:, ~one.hole], atol=1e-6)
    scores = [one.score(rival.restored(one.given, one.hole, 0.0)) for rival in FILLINGS]
    assert scores[2] > scores[1] > one.score(one.given)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 9), (1, 2, 2), (3, 40, 1), (1, 5, 4)])
@pytest.mark.parametrize("rival", [*FILTERS, *FILLINGS], ids=lambda rival: rival.name)
def test_very_small_pictures_are_answered_in_their_size(rival, shape):
    given = np.random.default_rng(0).random(shape).astype(np.float32)
    for hole in (np.ones(shape[1:], bool), np.eye(*shape[1:], dtype=bool)):
        found = rival.restored(given, hole, rival.strengths[0])
        assert found.shape == shape
        assert np.isfinite(found).all()


def test_the_mean_of_the_rim_is_that_of_each_hole_alone():
    given = np.zeros((1, 9, 20), np.float32)
    given[..., 10:] = 1
    hole = np.zeros((9, 20), bool)
    hole[3:6, 3:6] = hole[3:6, 14:17] = True
    given[:, hole] = 0.5
    filled = FILLINGS[0].restored(given, hole, 0.0)
    assert (filled[0, 3:6, 3:6] == 0).all()
    assert (filled[0, 3:6, 14:17] == 1).all()


def test_total_variation_is_scikit_images():
    (one,) = asked(1, channels=3)
    expected = denoise_tv_chambolle(one.given, weight=0.1, channel_axis=0)
    np.testing.assert_array_equal(FILTERS[3].restored(one.given, one.hole, 0.1), expected)
