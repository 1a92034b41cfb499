"""RandAugment and TrivialAugment, each operation beside torchvision's, on the same pictures and as far."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import RandAugment, TrivialAugmentWide

from pictures import photo
from small import Notes, digest, train, whole
from striate.base.errors import UsageError
from striate.data import operations
from striate.data.augment import PRESETS, Augment, Augmenter, preset
from striate.data.feed import Batch
from striate.data.operations import NAMES, TABLE
from striate.data.preprocess import Measured, measure
from striate.training.execution import Execution
from striate.training.plan import plan_of
from striate.training.recipe import recipe_of

TALL, WIDE = 32, 44
SAMPLES = np.arange(30, 38)
PHOTOS = torch.from_numpy(np.stack([photo(TALL, WIDE, seed) for seed in range(8)])).permute(0, 3, 1, 2).contiguous()
PHOTOS[1] = PHOTOS[1] // 3 + 40  # of little contrast
PHOTOS[2] = 77  # of one level
FLOATS = PHOTOS.float() / 255
GREY = {count: Measured((0.5,) * count, (0.2,) * count, ((0.0,) * count,) * count) for count in (1, 3)}
# What torchvision calls them.
CALLED = {
    "identity": "Identity", "auto-contrast": "AutoContrast", "equalize": "Equalize", "rotate": "Rotate",
    "solarize": "Solarize", "colour": "Color", "posterize": "Posterize", "contrast": "Contrast",
    "brightness": "Brightness", "sharpness": "Sharpness", "shear-x": "ShearX", "shear-y": "ShearY",
    "translate-x": "TranslateX", "translate-y": "TranslateY",
}  # fmt: skip
# Of torchvision's own numbers: what it leaves of 8 bits, and from which level on it inverts.
AMOUNT = {"posterize": lambda far: 8 - far, "solarize": lambda far: 1 - far}


def batch(pictures: torch.Tensor, samples: np.ndarray = SAMPLES, **targets: torch.Tensor) -> Batch:
    return Batch(samples, pictures, targets, (whole(*pictures.shape[-2:]),) * len(samples))


def operated(name: str, far: float, pictures: torch.Tensor = FLOATS) -> torch.Tensor:
    """The pictures after one operation."""

    def only(*_: Any):
        yield np.full(len(pictures), NAMES.index(name)), np.full(len(pictures), far)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "drawn", only)
        changing = Augmenter(Augment(operations=1), (TALL, WIDE), GREY[pictures.shape[1]], 0)
        names = np.arange(len(pictures))
        return changing._operated(pictures.clone(), {}, batch(pictures, names), 0)[0]


def apart(name: str, far: float, one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference, but on the picture's own border, where torchvision weighs what is outside twice."""
    share = 2 * operated(name, far, torch.ones_like(FLOATS)) - 1 if NAMES.index(name) in operations.GEOMETRY else None
    away = torch.tensor(True) if share is None else (share < 1e-4) | (share > 1 - 1e-4)
    assert away.float().mean() > 0.8
    return float(((one - other).abs() * away).max())


def theirs(name: str, far: float, pictures: torch.Tensor) -> torch.Tensor:
    if name == "translate-x":  # of our own, whole pixels
        far = int(far)
    middle = 0.5 if pictures.is_floating_point() else 127.5
    amount = AMOUNT[name](far) if name in AMOUNT else far
    fill = {torch.Tensor: [middle] * 3}
    way = InterpolationMode.BILINEAR
    return RandAugment()._apply_image_or_video_transform(pictures, CALLED[name], amount, way, fill)


def ends(name: str) -> list[float]:
    _, rand, trivial, signed = TABLE[NAMES.index(name)]
    side = {"translate-x": WIDE, "translate-y": TALL}.get(name, 1)
    found = [rand * side * share for share in (0.0, 0.45, 0.9, 1.0)] + [trivial, trivial / 30]
    return sorted({*found, *(-each for each in found if signed)})


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_is_torchvisions(name: str) -> None:
    for far in ends(name):
        if name in ("posterize", "equalize", "solarize"):  # of whole levels
            far = round(far) if name == "posterize" else far
            expected = theirs(name, far, PHOTOS).float() / 255
            # a threshold between two levels inverts as many of floats as of bytes
            assert apart(name, far, operated(name, far), expected) < 1e-6, far
        else:
            found, expected = operated(name, far), theirs(name, far, FLOATS)
            # it weighs red by 0.2989 instead of 0.299
            assert apart(name, far, found, expected) < 5e-4, far
        assert apart(name, far, operated(name, far).mul(255).round(), theirs(name, far, PHOTOS)) <= 2, far


@pytest.mark.parametrize("name", NAMES)
def test_grey_pictures_change_as_those_of_three_equal_layers(name: str) -> None:
    grey = FLOATS[:, :1]
    for far in ends(name):
        assert (operated(name, far, grey.expand(-1, 3, -1, -1)) - operated(name, far, grey)).abs().max() < 1e-6
        assert operated(name, far, grey).shape == grey.shape


def test_how_far_each_goes_is_torchvisions_table() -> None:
    for name, rand, trivial, signed in TABLE:
        for table, most in ((RandAugment, rand), (TrivialAugmentWide, trivial)):
            magnitudes, either = table._AUGMENTATION_SPACE[CALLED[name]]
            found = magnitudes(31, TALL, WIDE)
            assert either == signed
            if found is None:
                assert most == 0
                continue
            side = {"translate-x": WIDE, "translate-y": TALL}.get(name, 1) if table is RandAugment else 1
            ours = most * side * np.arange(31) / 30
            amounts = [AMOUNT[name](each) for each in ours] if name in AMOUNT else ours
            np.testing.assert_allclose(amounts, found, rtol=1e-5, atol=0.5 if name == "posterize" else 1e-6)


@pytest.mark.parametrize(("count", "magnitude"), [(2, 9), (3, 4), (1, None)])
def test_each_operation_is_drawn_as_often_and_goes_as_far_as_the_papers_say(count: int, magnitude: Any) -> None:
    drawn = list(operations.drawn(count, magnitude, (TALL, WIDE), 0, 3, np.arange(28_000)))
    assert len(drawn) == count
    for which, far in drawn:
        assert stats.chisquare(np.bincount(which, minlength=14)).pvalue > 1e-3
        for place, (name, rand, trivial, signed) in enumerate(TABLE):
            own = far[which == place]
            if signed:
                assert abs((own < 0).mean() - 0.5) < 0.06  # 5 deviations
            if magnitude is None:
                steps = np.abs(own) / (trivial or 1) * 30
                assert np.abs(steps - steps.round()).max() < 1e-9
                counts = np.bincount(steps.round().astype(int), minlength=31)
                assert (trivial == 0) == (len(np.flatnonzero(counts)) == 1)
                assert trivial == 0 or stats.chisquare(counts).pvalue > 1e-4
            else:
                side = {"translate-x": WIDE, "translate-y": TALL}.get(name, 1)
                np.testing.assert_allclose(np.abs(own), rand * side * magnitude / 10)
    if count > 1:
        assert stats.chi2_contingency(np.histogram2d(drawn[0][0], drawn[1][0], 14)[0]).pvalue > 1e-3


@pytest.mark.parametrize("augment", [PRESETS["randaugment"], PRESETS["trivialaugment"], Augment(operations=9)])
def test_a_picture_and_its_parts_change_the_same_way_in_any_batch(augment: Augment) -> None:
    changing = Augmenter(augment, (28, 38), measure([PHOTOS]), 5, {"mask": "ids", "weight": "field"})
    parts = {"mask": (PHOTOS[:, 0] // 40).int(), "weight": FLOATS[:, 1], "label": torch.arange(8)}
    augmented = dataclasses.replace(changing, augment=dataclasses.replace(augment, crop=1.0), size=(TALL, WIDE))
    for one in (changing, augmented):
        together = one(batch(PHOTOS, **parts), 2)
        assert not torch.equal(one(batch(PHOTOS, **parts), 3).pictures, together.pictures)
        order = np.random.default_rng(1).permutation(8)
        moved = one(batch(PHOTOS[order], SAMPLES[order], **{name: part[order] for name, part in parts.items()}), 2)
        for at in range(8):
            own = {name: part[at : at + 1] for name, part in parts.items()}
            alone = one(batch(PHOTOS[at : at + 1], SAMPLES[at : at + 1], **own), 2)
            place = int(np.flatnonzero(order == at)[0])
            for found, row in ((together, at), (moved, place)):
                assert torch.equal(found.pictures[row], alone.pictures[0])
                assert all(torch.equal(found.targets[name][row], alone.targets[name][0]) for name in parts)


def test_a_part_stays_with_the_pixels_it_belongs_to() -> None:
    """Patches of pure colours: after any geometry a pixel that is still pure is of the class that the mask says."""
    coarse = np.random.default_rng(0).integers(0, 3, (300, 6, 6))
    classes = torch.from_numpy(coarse.repeat(6, 1).repeat(8, 2)).int()
    pictures = (255 * torch.stack([classes == each for each in range(3)], 1)).to(torch.uint8)
    given = batch(pictures, np.arange(300), mask=classes)
    seen = 0
    for which, _ in operations.drawn(1, None, (36, 48), 0, 1, np.arange(300)):
        found = Augmenter(Augment(operations=1), (36, 48), GREY[3], 0, {"mask": "ids"})(given, 1)
        geometry = torch.from_numpy(np.isin(which, operations.GEOMETRY))
        assert torch.equal(found.targets["mask"][~geometry], classes[~geometry])
        mask, values = found.targets["mask"][geometry], found.pictures[geometry]
        share, said = values.max(1)
        pure = (share > 0.9) & (values.min(1).values < 0.1)
        seen = int((pure & (mask >= 0)).sum())
        assert torch.equal(mask[pure & (mask >= 0)], said[pure & (mask >= 0)].int())
        outside = mask == -1
        assert outside.any()
        # wholly outside is the mean colour, and half a pixel within it is not
        assert (values.permute(0, 2, 3, 1)[outside] - 0.5).abs().max() <= 0.5 + 1e-6
        assert ((values.permute(0, 2, 3, 1)[outside] - 0.5).abs().amax(1) < 1e-6).float().mean() > 0.8
    assert seen > 10_000


def test_presets_take_other_numbers_and_a_change_turned_on_leaves_the_draws() -> None:
    assert preset("randaugment", operations=3, magnitude=4) == dataclasses.replace(
        PRESETS["randaugment"], operations=3, magnitude=4
    )
    (two, _), (three, *_) = (list(operations.drawn(count, 9, (TALL, WIDE), 0, 0, SAMPLES)) for count in (2, 3))
    assert (two[0] == three[0]).all()
    plain = Augmenter(Augment(operations=2, magnitude=9), (TALL, WIDE), measure([PHOTOS]), 0)
    erased = dataclasses.replace(plain, augment=dataclasses.replace(plain.augment, erase=1.0))
    one, other = (each(batch(PHOTOS), 0).pictures for each in (plain, erased))
    changed = (one != other).any(1)
    assert 0.02 < float(changed.float().mean()) < 0.4


@pytest.mark.parametrize(
    ("recipe", "cause"),
    [
        ({"augment": "randaugment", "channels": 4}, "changes 1 or 3 layers of 8 bits, and no 4 layers of 8 bits"),
        ({"augment": "trivialaugment", "depth": 16}, "changes 1 or 3 layers of 8 bits, and no 3 layers of 16 bits"),
        ({"augment": "trivialaugment", "magnitude": 4}, "trivialaugment is not randaugment"),
        ({"augment": "strong", "operations": 2}, "strong is not randaugment"),
        ({"augment": "randaugment", "magnitude": 11}, "11 is out of range"),
        ({"augment": "randaugment", "operations": -1}, "-1 is out of range"),
    ],
)
def test_what_cannot_be_meant_is_refused(recipe: dict[str, Any], cause: str, tmp_path: Any) -> None:
    with pytest.raises(UsageError, match=cause):
        plan_of(recipe_of(data=str(tmp_path), model="resnet20", **recipe), Execution(), Notes())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["randaugment", "trivialaugment"])
def test_workers_change_no_bit_of_a_training(name: str, tmp_path: Any) -> None:
    data = ([photo(20, 30, seed) for seed in range(24)], ["a", "b"] * 12)
    one, other = (
        train(
            tmp_path / str(workers), data=data, model="resnet20", size=(16, 24), augment=name, epochs=1, batch=8,
            execution={"workers": workers, "memory": memory},
        )
        for workers, memory in ((0, "resident"), (1, "streamed"))
    )  # fmt: skip
    assert digest(one) == digest(other)
    assert one.facts["augment"]["operations"] == (2 if name == "randaugment" else 1)
