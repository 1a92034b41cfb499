"""Vectors are what the network computes on its way: with them in hand its last step gives its answer."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from pictures import photo
from striate.base.errors import UsageError
from striate.data.picture.pixels import PIXELS
from striate.data.preprocess import Preprocess
from striate.evaluate.vectors import between, canvases, of_canvases, plane, pool_of
from striate.models.build import build
from striate.predictor import Member, Predictor
from striate.tasks import registry


def predictor(model: str, task: str, way: Preprocess, **options: Any) -> Predictor:
    torch.manual_seed(0)
    learned = registry.task_named(task, ("one", "two", "three"), {}, {})
    maps, answers = learned.channels(way.channels)
    known = {"outputs" if model == "autoencoder" else "classes": answers}
    return Predictor((Member(build(model, channels=maps, **known, **options).eval(), way, learned),))


def seen(of: Predictor, pictures: list[np.ndarray], pool: Any = None) -> np.ndarray:
    looks = [
        (place, canvas)
        for place, picture in enumerate(pictures)
        for canvas in canvases(of.members[0], picture, "picture", PIXELS)[1]
    ]
    return np.stack([*of_canvases(of, looks, pool or pool_of(of)).values()])


def given(of: Predictor, pictures: list[np.ndarray]) -> torch.Tensor:
    """The one canvas of each picture, as the network is given it."""
    way = of.members[0].preprocess
    canvas = np.stack([way.looks(picture)[0][0] for picture in pictures])
    return way.normalise(torch.from_numpy(canvas))


PHOTOS = [photo(40, 48, seed) for seed in range(5)]


@pytest.mark.parametrize(
    ("model", "size"), [("resnet20", 32), ("lenet5", 32), pytest.param("googlenet", 224, marks=pytest.mark.slow)]
)
def test_of_a_classifier_it_is_what_enters_its_last_layer(model: str, size: int) -> None:
    of = predictor(model, "classify", Preprocess(size, 3))
    network = of.members[0].network
    last = [each for name, each in network.named_modules() if isinstance(each, nn.Linear) and "aux" not in name][-1]
    with torch.no_grad():
        again = last(torch.from_numpy(seen(of, PHOTOS[:2])))
        assert torch.allclose(again, network(given(of, PHOTOS[:2])), atol=1e-5)
    assert not any(each._forward_pre_hooks or each._forward_hooks for each in network.modules())


def test_where_the_last_layer_is_a_convolution_its_maps_are_averaged() -> None:
    of = predictor("nin_cifar10", "classify", Preprocess(32, 3))
    whole, mean = seen(of, PHOTOS[:2], "none"), seen(of, PHOTOS[:2])
    assert np.allclose(whole.reshape(2, mean.shape[1], -1).mean(2), mean, atol=1e-6)
    last = [each for each in of.members[0].network.modules() if isinstance(each, nn.Conv2d)][-1]
    assert mean.shape == (2, last.in_channels)


def test_of_an_autoencoder_it_is_the_whole_code_and_the_decoder_makes_the_answer_of_it() -> None:
    of = predictor("autoencoder", "denoise", Preprocess(32, 1))
    network = of.members[0].network
    codes = seen(of, PHOTOS)
    assert codes.shape == (5, 8 * 8 * 8)
    with torch.no_grad():
        answers = network.decoder(torch.from_numpy(codes.reshape(5, 8, 8, 8)))
        assert torch.allclose(answers, network(given(of, PHOTOS)), atol=1e-6)
    assert np.allclose(seen(of, PHOTOS, "mean"), codes.reshape(5, 8, 64).mean(2), atol=1e-6)


def test_the_code_of_tiles_is_averaged_as_a_rule() -> None:
    of = predictor("autoencoder", "denoise", Preprocess(32, 1, "tiles", stride=4, context=4, whole=True))
    assert seen(of, [photo(40, 90, 0), photo(10, 10, 1)]).shape == (2, 8)


def test_where_nothing_is_said_to_be_hidden_the_map_of_holes_is_empty() -> None:
    of = predictor("autoencoder", "inpaint", Preprocess(32, 3, "tiles", stride=4, whole=True))
    network, picture = of.members[0].network, photo(32, 32, 0)
    of.try_out()
    values = torch.cat([given(of, [picture]), torch.zeros(1, 1, 32, 32)], 1)
    with torch.no_grad():
        assert np.allclose(seen(of, [picture]), network.encoder(values).flatten(1).numpy(), atol=1e-6)
        said = of.said(picture.transpose(2, 0, 1), of.task)
        assert np.allclose(said, network(values)[0].clamp(0, 1).numpy(), atol=1e-6)


@pytest.mark.parametrize("model", ["unet_padded", "unet_resnet18"])
def test_of_a_unet_it_is_the_mean_of_the_bottleneck_over_all_tiles(model: str) -> None:
    way = Preprocess(32, 3, "tiles", stride=32, whole=True)
    of = predictor(model, "denoise", way, **({"width": 2} if model == "unet_padded" else {}))
    small, wide = photo(32, 32, 1), photo(32, 96, 2)
    network = of.members[0].network
    with torch.no_grad():
        tiles = torch.cat([given(of, [part]) for part in (*np.split(wide, 3, 1), small)])
        maps = network.encoder(tiles).mean((2, 3)).numpy()
    expected = np.stack([maps[3], maps[:3].mean(0)])
    assert np.allclose(seen(of, [small, wide]), expected, atol=1e-5)


def test_between_two_pictures_lie_pictures_of_mixed_codes() -> None:
    of = predictor("autoencoder", "denoise", Preprocess(48, 1, "tiles", stride=4, whole=True))
    member = of.members[0]
    ends = [next(zip(*canvases(member, picture, "", PIXELS)[::-1], strict=True)) for picture in PHOTOS[:2]]
    found = between(of, ends, 5)
    assert found.shape == (7, 40, 48, 1)  # without what is mirrored below
    assert np.array_equal(found[0], member.preprocess.pixels(ends[0][0][:, :40].transpose(1, 2, 0)))
    with torch.no_grad():
        codes = member.network.encoder(given(of, PHOTOS[:2]))
        for place, share in enumerate((0, 0.25, 0.5, 0.75, 1)):
            made = member.network.decoder((1 - share) * codes[:1] + share * codes[1:]).clamp(0, 1)[0, 0, :40]
            assert np.abs(found[1 + place, :, :, 0] - 255 * made.numpy()).max() <= 0.51
    assert torch.equal(member.network.encoder(given(of, PHOTOS[:2])), codes)  # nothing is left of the mixing


@pytest.mark.parametrize(
    ("model", "task", "cause"),
    [("unet_padded", "denoise", "of its bottleneck alone"), ("lenet5", "classify", "makes no pictures")],
)
def test_where_no_picture_follows_from_a_code_nothing_lies_between(model: str, task: str, cause: str) -> None:
    of = predictor(model, task, Preprocess(32, 1), **({"width": 2} if model == "unet_padded" else {}))
    with pytest.raises(UsageError, match=cause):
        between(of, [], 5)


@pytest.mark.parametrize(("n", "d"), [(40, 7), (7, 40), (2, 3), (5, 2)])
def test_a_map_is_that_of_principal_components_with_a_sign_of_its_own(n: int, d: int) -> None:
    values = np.random.default_rng(n).normal(size=(n, d)) * np.arange(1, d + 1) + 100
    points, shares = plane(values.astype(np.float32))
    oracle = PCA(2, svd_solver="full").fit(values)
    expected = oracle.transform(values)
    for axis in (0, 1):
        sign = np.sign(expected[np.abs(expected[:, axis]).argmax(), axis])
        np.testing.assert_allclose(points[:, axis], sign * expected[:, axis], atol=2e-3)
        assert points[np.abs(points[:, axis]).argmax(), axis] >= 0
    np.testing.assert_allclose(shares, oracle.explained_variance_ratio_, atol=1e-5)


@pytest.mark.parametrize("values", [np.ones((4, 3)), np.ones((1, 3)), np.arange(5.0)[:, None]])
def test_a_map_of_hardly_anything_is_one(values: np.ndarray) -> None:
    points, shares = plane(values)
    assert (points.shape, np.isfinite(points).all()) == ((len(values), 2), True)
    assert shares in ((0.0, 0.0), (1.0, 0.0))
