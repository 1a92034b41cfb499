import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as oracle

from pictures import photo
from small import whole
from striate.base.randomness import draws, normals
from striate.base.units import Size, sides
from striate.data import augment as module
from striate.data.augment import PRESETS, Augment, Augmenter, canvas_for, preset
from striate.data.feed import Batch
from striate.data.picture.laid import Kind
from striate.data.preprocess import LUMA, Measured, Preprocess, measure
from striate.training.recipe import FOR_DIGITS

SIZE = 32
PHOTOS = torch.from_numpy(np.stack([photo(SIZE, SIZE, seed) for seed in range(12)])).permute(0, 3, 1, 2).contiguous()
FLOATS = PHOTOS.float() / 255
NAMES = np.arange(100, 112)


def augmenter(augment: Augment, channels: int = 3, measured: Measured | None = None, size: Size = SIZE) -> Augmenter:
    return Augmenter(augment, size, measured or measure([PHOTOS[:, :channels]]), 0)


def apply(changing: Augmenter, pictures: torch.Tensor, samples: np.ndarray, epoch: int) -> torch.Tensor:
    """The pictures of the changed batch; everything else of it stays."""
    laid = (whole(*pictures.shape[-2:]),) * len(samples)
    batch = Batch(samples, pictures, {"label": torch.from_numpy(samples)}, laid)
    found = changing(batch, epoch)
    assert (found.indices is samples, found.laid) == (True, batch.laid)
    assert found.targets["label"] is batch.targets["label"]
    return found.pictures


def changed(pictures: torch.Tensor, samples: np.ndarray = NAMES, epoch: int = 0, **values: Any) -> torch.Tensor:
    return apply(augmenter(Augment(**values), pictures.shape[1]), pictures, samples, epoch)


def many(count: int, value: int = 255, size: int = SIZE) -> tuple[torch.Tensor, np.ndarray]:
    return torch.full((count, 3, size, size), value, dtype=torch.uint8), np.arange(count)


def drawn(column: int, most: float) -> np.ndarray:
    return (2 * draws(0, "augment", 0, NAMES, 32)[:, column] - 1) * most


def close(one: torch.Tensor, other: torch.Tensor, within: float) -> bool:
    return bool((one - other).abs().max() <= within)


EACH = {
    "mirror": True, "flip": True, "rotate": 30.0, "scale": 0.3, "shift": 0.2, "pad": 0.125, "crop": 0.3,
    "elastic": 0.05, "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.2, "colour_noise": 0.1,
    "erase": 0.5,
}  # fmt: skip


@pytest.mark.parametrize(
    "values", [*({name: value} for name, value in EACH.items()), EACH], ids=lambda each: str([*each][:2])
)
def test_a_picture_changes_the_same_way_in_any_batch(values: dict[str, Any]) -> None:
    changing = Augmenter(Augment(**values), SIZE, measure([PHOTOS]), 5)
    all_of_them = apply(changing, PHOTOS, NAMES, 2)
    order = np.random.default_rng(0).permutation(len(NAMES))
    parts = [apply(changing, PHOTOS[at : at + 1], NAMES[at : at + 1], 2) for at in range(len(NAMES))]
    assert torch.equal(torch.cat(parts), all_of_them)
    assert torch.equal(apply(changing, PHOTOS[order], NAMES[order], 2), all_of_them[order])
    assert not torch.equal(apply(changing, PHOTOS, NAMES, 3), all_of_them)
    assert not torch.equal(apply(dataclasses.replace(changing, seed=6), PHOTOS, NAMES, 2), all_of_them)


def test_a_change_turned_on_leaves_the_draws_of_the_others() -> None:
    flipped = changed(PHOTOS, mirror=True)
    turned = [not close(new, old, 1e-3) for new, old in zip(flipped, FLOATS, strict=True)]
    bright = changed(PHOTOS, brightness=0.4)
    both = changed(PHOTOS, brightness=0.4, mirror=True)
    for place, turn in enumerate(turned):
        assert close(both[place], bright[place].flip(-1) if turn else bright[place], 1e-5)
    white, samples = many(12)
    holes = changed(white, samples, erase=0.5) < 0.9
    assert holes.any()
    assert torch.equal(changed(white, samples, erase=0.5, rotate=30, hue=0.3, pad=0.2, elastic=0.1) < 0.9, holes)


def test_none_changes_no_bit_of_what_normalising_gives() -> None:
    preprocess = Preprocess(SIZE, 3, mean=(0.4, 0.5, 0.6), deviation=(0.2, 0.3, 0.1))
    before = PHOTOS.clone()
    found = apply(Augmenter(PRESETS["none"], SIZE, measure([PHOTOS]), 0), PHOTOS, NAMES, 0)
    assert torch.equal(preprocess.normalise(found), preprocess.normalise(PHOTOS))
    assert torch.equal(PHOTOS, before)


@pytest.mark.parametrize(("name", "axis"), [("mirror", -1), ("flip", -2)])
def test_half_of_the_pictures_are_mirrored_and_the_others_left(name: str, axis: int) -> None:
    pictures, turned = PHOTOS[:1].expand(400, -1, -1, -1), 0
    for new in changed(pictures, np.arange(400), **{name: True}):
        turn = close(new, FLOATS[0].flip(axis), 5e-6)
        assert turn or close(new, FLOATS[0], 5e-6)
        turned += turn
    assert 150 < turned < 250  # 5 deviations


@pytest.mark.parametrize("name", ["rotate", "scale", "shift"])
def test_geometry_is_that_of_torchvision_away_from_the_edge(name: str) -> None:
    most = {"rotate": 15.0, "scale": 0.2, "shift": 0.15}[name]
    found = changed(PHOTOS, **{name: most})
    angle, scale = drawn(module._ROTATE, most), drawn(module._SCALE, most)
    x, y = drawn(module._SHIFT_X, most), drawn(module._SHIFT_Y, most)
    for place, picture in enumerate(FLOATS):
        expected = oracle.affine(
            picture,
            angle=-angle[place] if name == "rotate" else 0.0,
            scale=1 + scale[place] if name == "scale" else 1.0,
            translate=[-SIZE * x[place], -SIZE * y[place]] if name == "shift" else [0.0, 0.0],
            shear=[0.0, 0.0],
            interpolation=InterpolationMode.BILINEAR,
        )
        assert close(found[place, :, 8:24, 8:24], expected[:, 8:24, 8:24], 1e-4)


def bicubic(coarse: np.ndarray, side: int) -> np.ndarray:
    """Keys 1981 with a = -0.75, along the last axis: the first and last of the numbers lie at the ends."""
    at = np.linspace(0, coarse.shape[-1] - 1, side)
    found = np.zeros((*coarse.shape[:-1], side))
    for place in range(-2, coarse.shape[-1] + 2):
        far = np.abs(at - place)
        near = 1.25 * far**3 - 2.25 * far**2 + 1
        wide = -0.75 * (far**3 - 5 * far**2 + 8 * far - 4)
        weight = np.where(far < 1, near, np.where(far < 2, wide, 0))
        found += coarse[..., [min(max(place, 0), coarse.shape[-1] - 1)]] * weight
    return found


def test_elastic_deformation_is_bicubic_between_nine_normal_displacements() -> None:
    found = changed(PHOTOS, elastic=0.04)
    drawn = 2 * 0.04 * normals(0, "elastic", 0, NAMES, (2, 3, 3))
    fine = bicubic(bicubic(drawn, SIZE).swapaxes(2, 3), SIZE).transpose(0, 3, 2, 1)
    for place, picture in enumerate(FLOATS):
        expected = oracle.elastic(picture, torch.from_numpy(fine[place : place + 1]).float())
        assert close(found[place, :, 8:24, 8:24], expected[:, 8:24, 8:24], 1e-4)


def test_a_deformed_picture_is_mirrored_as_a_whole() -> None:
    plain, both = changed(PHOTOS, elastic=0.04, epoch=3), changed(PHOTOS, elastic=0.04, mirror=True, epoch=3)
    turned = draws(0, "augment", 3, NAMES, 32)[:, module._MIRROR] < 0.5
    assert 0 < turned.sum() < 12
    mirrored = apply(augmenter(Augment(elastic=0.04)), PHOTOS.flip(-1), NAMES, 3)
    for place, turn in enumerate(turned):
        assert close(both[place], mirrored[place] if turn else plain[place], 1e-4)


def test_a_padded_crop_moves_by_whole_pixels_and_the_edge_goes_on() -> None:
    moves = set()
    for new in changed(PHOTOS[:1].expand(300, -1, -1, -1), np.arange(300), pad=0.0625):
        padded = torch.nn.functional.pad(FLOATS[:1], (2, 2, 2, 2), mode="replicate")[0]
        fits = [(y, x) for y in range(5) for x in range(5) if close(new, padded[:, y : y + SIZE, x : x + SIZE], 1e-5)]
        assert len(fits) == 1
        moves.update(fits)
    assert len(moves) == 25


@pytest.mark.parametrize("least", [0.05, 0.35, 0.8, 0.95])
def test_a_random_crop_has_the_asked_area_and_ratio_and_lies_inside(least: float) -> None:
    found = module._affine(Augment(crop=least), draws(0, "augment", 0, np.arange(3000), 32), SIZE).astype(float)
    width, height = found[:, 0, 0], found[:, 1, 1]
    assert (found[:, [0, 1], [1, 0]] == 0).all()
    assert (width * height).min() >= least - 1e-6
    assert (width * height).max() <= 1 + 1e-6
    assert (width / height).min() >= 3 / 4 - 1e-6
    assert (width / height).max() <= 4 / 3 + 1e-6
    assert (np.abs(found[:, 0, 2]) + width).max() <= 1 + 1e-6
    assert (np.abs(found[:, 1, 2]) + height).max() <= 1 + 1e-6
    assert stats.kstest(width * height, "uniform", (least, 1 - least)).pvalue > 1e-3
    assert canvas_for(Augment(crop=least), Preprocess(224, 3)).size == 256


@pytest.mark.parametrize(
    ("name", "column", "function"),
    [
        ("brightness", module._BRIGHTNESS, oracle.adjust_brightness),
        ("contrast", module._CONTRAST, oracle.adjust_contrast),
        ("saturation", module._SATURATION, oracle.adjust_saturation),
    ],
)
def test_colours_change_as_in_torchvision(name: str, column: int, function: Any) -> None:
    found = changed(PHOTOS, **{name: 0.6})
    for place, factor in enumerate(1 + drawn(column, 0.6)):
        # torchvision weighs red by 0.2989 instead of 0.299 (ITU-R BT.601).
        assert close(found[place], function(FLOATS[place], float(factor)), 5e-4)


def test_contrast_of_grey_pictures_is_about_their_own_mean() -> None:
    found = changed(PHOTOS[:, :1], contrast=0.3)
    mean = FLOATS[:, :1].mean((1, 2, 3))
    factor = torch.from_numpy(1 + drawn(module._CONTRAST, 0.3)).float()
    expected = mean.view(-1, 1, 1, 1) + factor.view(-1, 1, 1, 1) * (FLOATS[:, :1] - mean.view(-1, 1, 1, 1))
    assert close(found, expected.clamp(0, 1), 1e-6)


def test_hue_leaves_grey_and_luma_and_half_a_turn_twice_is_none() -> None:
    grey = PHOTOS[:, :1].expand(-1, 3, -1, -1)
    assert close(changed(grey, hue=0.5, saturation=0.5), FLOATS[:, :1].expand(-1, 3, -1, -1), 1e-6)
    turns = np.linspace(-np.pi, np.pi, 9)
    matrices = module._colour_matrices(np.ones(9), turns)
    np.testing.assert_allclose(matrices[0] @ matrices[0], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(matrices @ matrices[::-1], np.broadcast_to(np.eye(3), (9, 3, 3)), atol=1e-12)
    np.testing.assert_allclose(np.array(LUMA) @ matrices, np.broadcast_to(LUMA, (9, 3)), atol=1e-12)


def test_colour_noise_has_the_covariance_of_the_pictures_and_is_one_shift_a_picture() -> None:
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    covariance = axes @ np.diag([0.04, 0.004, 0.0004]) @ axes.T
    measured = Measured((0.5,) * 3, (0.2,) * 3, tuple(map(tuple, covariance.tolist())))
    pictures, samples = many(4000, 128, 2)
    found = apply(augmenter(Augment(colour_noise=0.1), measured=measured, size=2), pictures, samples, 0)
    shifts = (found - 128 / 255).double()
    assert close(shifts, shifts[:, :, :1, :1].expand_as(shifts), 0)
    along = shifts[:, :, 0, 0].numpy() @ axes
    # Deviations along the axes, and no correlation between them; 4 deviations of 4,000 draws.
    np.testing.assert_allclose(along.std(0), 0.1 * np.array([0.04, 0.004, 0.0004]), rtol=0.05)
    assert np.abs(np.corrcoef(along.T) - np.eye(3)).max() < 0.07
    assert stats.kstest(along[:, 0] / along[:, 0].std(), "norm").pvalue > 1e-3


def test_erasing_leaves_one_rectangle_of_2_to_33_per_cent_with_the_mean_as_often_as_asked() -> None:
    white, samples = many(2000)
    measured = measure([PHOTOS])
    found = Preprocess(SIZE, 3, mean=measured.mean, deviation=measured.deviation).normalise(
        changed(white, samples, erase=0.25)
    )
    holes = found[:, 0] == 0  # exactly
    assert torch.equal(holes, (found == 0).all(1))
    share = holes.double().mean((1, 2)).numpy()
    assert 0.2 < (share > 0).mean() < 0.3  # 5 deviations
    erased = holes[share > 0]
    rows, columns = erased.any(2).sum(1), erased.any(1).sum(1)
    assert torch.equal(rows * columns, erased.sum((1, 2)))
    assert share[share > 0].min() >= 0.02 - 1 / 32 * 0.3
    assert share.max() <= 0.33 + 1 / 32
    assert abs(share[share > 0].mean() - 0.175) < 0.02  # the middle of 2 to 33 %, a little less for clipped ones


def test_mixup_is_exact_and_its_weights_are_beta() -> None:
    pictures, samples = many(2000, size=2)
    ones = pictures.float() / 255
    mixed, weight = augmenter(Augment(mixup=0.4)).mix(ones, torch.zeros_like(ones), samples, 0)
    assert torch.equal(mixed, weight.view(-1, 1, 1, 1).expand_as(mixed))
    assert stats.kstest(weight.numpy(), stats.beta(0.4, 0.4).cdf).pvalue > 1e-3
    mixed, weight = augmenter(Augment(mixup=0.4)).mix(FLOATS, FLOATS.roll(1, 0), NAMES, 3)
    own = weight.view(-1, 1, 1, 1)
    assert close(mixed, own * FLOATS + (1 - own) * FLOATS.roll(1, 0), 1e-6)


def test_cutmix_pastes_a_rectangle_and_weighs_by_its_pixels() -> None:
    ones = torch.ones(1000, 1, SIZE, SIZE)
    mixed, weight = augmenter(Augment(cutmix=1.0)).mix(ones, ones * 0, np.arange(1000), 0)
    assert set(mixed.unique().tolist()) == {0.0, 1.0}
    assert close(mixed.mean((1, 2, 3)), weight, 1e-6)
    holes = mixed[:, 0] == 0
    assert torch.equal(holes.any(2).sum(1) * holes.any(1).sum(1), holes.sum((1, 2)))
    assert stats.kstest(weight.numpy(), "uniform").statistic < 0.06  # Beta(1, 1), rounded to pixels


def test_mixup_with_cutmix_is_half_of_each_and_the_same_in_any_batch() -> None:
    both = augmenter(Augment(mixup=1.0, cutmix=1.0))
    ones = torch.ones(600, 1, 8, 8)
    mixed, weight = both.mix(ones, ones * 0, np.arange(600), 1)
    cuts = ((mixed == 0) | (mixed == 1)).all((1, 2, 3)) if mixed.ndim == 4 else mixed
    assert 240 < int(cuts.sum()) < 370  # 5 deviations, and whole pictures look cut
    for at in range(0, 600, 100):
        part, own = both.mix(ones[:1], ones[:1] * 0, np.array([at]), 1)
        assert torch.equal(part[0], mixed[at])
        assert torch.equal(own[0], weight[at])
    assert [augmenter(Augment(**each)).mixes for each in ({}, {"mixup": 0.1}, {"cutmix": 1.0})] == [False, True, True]


def test_presets_hold_but_for_what_is_replaced_and_digits_are_never_mirrored() -> None:
    assert preset("strong", hue=None, erase=0.0) == dataclasses.replace(PRESETS["strong"], erase=0.0)
    digits = preset(FOR_DIGITS["augment"], mirror=FOR_DIGITS["mirror"])
    assert digits != PRESETS["none"]
    assert (digits.mirror, digits.flip) == (False, False)
    assert (module._affine(digits, draws(0, "augment", 0, np.arange(2000), 32), SIZE)[:, [0, 1], [0, 1]] > 0).all()


limits = {
    "rotate": 180, "scale": 0.9, "shift": 1, "pad": 1, "brightness": 1, "contrast": 1, "saturation": 1, "hue": 0.5,
    "colour_noise": 1, "erase": 1, "mixup": 10, "cutmix": 10,
    "elastic": 0.5,
}  # fmt: skip


@settings(max_examples=60)
@given(
    st.fixed_dictionaries(
        {"mirror": st.booleans(), "flip": st.booleans(), "crop": st.floats(0.01, 1)},
        optional={name: st.floats(0, most) for name, most in limits.items()},
    ),
    st.sampled_from([1, 3]),
    st.sampled_from([1, 2, 9, (3, 11), (7, 1)]),
)
def test_whatever_is_asked_values_stay_in_range(values: dict[str, Any], channels: int, size: Size) -> None:
    augment = Augment(**values)
    canvas = canvas_for(augment, Preprocess(size, 3)).sides
    pictures = torch.from_numpy(np.stack([photo(*canvas, seed) for seed in range(6)])).permute(0, 3, 1, 2)
    changing = augmenter(augment, channels, size=size)
    found = apply(changing, pictures[:, :channels], np.arange(6), 1)
    if changing.mixes:
        found, weight = changing.mix(found, found.roll(1, 0), np.arange(6), 1)
        assert ((weight >= 0) & (weight <= 1)).all()
    assert found.shape == (6, channels, *sides(size))
    assert found.dtype == torch.float32
    assert torch.isfinite(found).all()
    assert ((found >= -1e-6) & (found <= 1 + 1e-6)).all()


KINDS: dict[str, Kind] = {"mask": "ids", "objects": "ids", "field": "field", "label": "number"}
# Ids that float32 cannot hold, from 2^24 on.
LARGE = 2**31 - 8


def mosaics(count: int, size: Size, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Patches of pure red, green and blue, and which of the three each pixel is."""
    coarse = np.random.default_rng(seed).integers(0, 3, (count, 6, 6))
    down, across = (np.arange(side) * 6 // side for side in sides(size))
    classes = torch.from_numpy(coarse[:, down][:, :, across]).int()
    return (255 * torch.stack([classes == each for each in range(3)], 1)).to(torch.uint8), classes


def with_parts(pictures: torch.Tensor, classes: torch.Tensor, samples: np.ndarray | None = None) -> Batch:
    names = np.arange(len(pictures)) if samples is None else samples
    field = pictures[:, :2].float() / 255 + 1
    targets = {"mask": classes, "objects": classes + LARGE, "field": field, "label": torch.from_numpy(names)}
    return Batch(names, pictures, targets, (whole(*pictures.shape[-2:]),) * len(names))


def moved(batch: Batch, size: Size, **values: Any) -> Batch:
    return Augmenter(Augment(**values), size, measure([batch.pictures]), 4, KINDS)(batch, 1)


geometry = st.fixed_dictionaries(
    {"mirror": st.booleans(), "flip": st.booleans(), "crop": st.floats(0.1, 1)},
    optional={"rotate": st.floats(0, 180), "scale": st.floats(0, 0.9), "shift": st.floats(0, 1), "pad": st.floats(0, 1),
              "elastic": st.floats(0, 0.5)},
)  # fmt: skip


@settings(max_examples=60)
@given(geometry, st.sampled_from([5, 24, (12, 30)]), st.integers(0, 9))
def test_parts_stay_with_the_pixels_they_belong_to(values: dict[str, Any], size: Size, seed: int) -> None:
    pictures, classes = mosaics(4, canvas_for(Augment(**values), Preprocess(size, 3)).size, seed)
    found = moved(with_parts(pictures, classes), size, **values)
    mask, objects, field = (found.targets[name] for name in ("mask", "objects", "field"))
    assert (mask.shape, mask.dtype, objects.dtype) == ((4, *sides(size)), torch.int32, torch.int32)
    # the nearest of four pixels has a quarter of the weight or more: a purer pixel is one of its neighbours' class
    share, said = found.pictures.max(1)
    pure, inside = share > 0.76, mask >= 0
    assert torch.equal(mask[pure & inside], said[pure & inside].int())
    assert torch.equal(objects, torch.where(inside, mask + LARGE, 0))
    assert torch.equal(field, torch.where(inside[:, None], field, 0))
    assert close(field, torch.where(inside[:, None], found.pictures[:, :2] + 1, 0), 1e-6)


@pytest.mark.parametrize(
    ("values", "ways"),
    [
        ({"brightness": 0.3}, {()}),
        ({"mirror": True}, {(), (-1,)}),
        ({"flip": True}, {(), (-2,)}),
        ({"mirror": True, "flip": True}, {(), (-1,), (-2,), (-1, -2)}),
    ],
)
def test_a_mirrored_part_is_exact_and_what_is_ignored_stays_so(values: dict[str, Any], ways: set[Any]) -> None:
    pictures, classes = mosaics(40, SIZE)
    classes[:, :5, 3:] = -1  # beside a picture that does not fill its canvas
    batch = with_parts(pictures, classes)
    before, after = batch.targets, moved(batch, SIZE, erase=0.5, **values).targets
    seen = set()
    for row in range(40):
        (way,) = (each for each in ways if torch.equal(after["mask"][row], before["mask"][row].flip(each)))
        assert torch.equal(after["objects"][row], before["objects"][row].flip(way))
        assert close(after["field"][row], before["field"][row].flip(way), 1e-5)
        seen.add(way)
    assert seen == ways
    assert after["label"] is before["label"]


def test_outside_the_picture_a_mask_is_ignored_where_the_picture_is_smeared() -> None:
    pictures, classes = mosaics(50, SIZE)
    mask = moved(with_parts(pictures, classes), SIZE, pad=0.25).targets["mask"]
    for new, old in zip(mask, classes, strict=True):
        padded = torch.nn.functional.pad(old, (8, 8, 8, 8), value=-1)
        cuts = padded.unfold(0, SIZE, 1).unfold(1, SIZE, 1).flatten(0, 1)
        assert (cuts == new).all((1, 2)).any()
    assert (mask == -1).any((1, 2)).float().mean() > 0.9


def test_a_part_changes_the_same_way_in_any_batch() -> None:
    pictures, classes = mosaics(12, canvas_for(Augment(**EACH), Preprocess(SIZE, 3)).size)
    whole_batch = moved(with_parts(pictures, classes, NAMES), SIZE, **EACH)
    for at in range(12):
        part = slice(at, at + 1)
        alone = moved(with_parts(pictures[part], classes[part], NAMES[part]), SIZE, **EACH)
        assert all(torch.equal(alone.targets[name], whole_batch.targets[name][part]) for name in KINDS)
