import io
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pictures import encode, put, scene
from striate.data import near
from striate.data.groups import grouped
from striate.data.load import read_samples
from striate.data.picture import decode
from striate.data.picture.sketch import BYTES, Sketches, sketch, stacked
from striate.data.samples import Samples
from striate.data.splits import cut


def copies(pixels: np.ndarray, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """The picture encoded again, resized, cropped and darkened, each as `seed` says."""
    random, image = np.random.default_rng(seed), Image.fromarray(pixels)
    width, height = image.size
    yield "encoded", np.asarray(Image.open(io.BytesIO(encode(image, "JPEG", quality=int(random.integers(50, 95))))))
    factor = 2 ** random.uniform(-1, 1)
    size = (round(width * factor), round(height * factor))
    yield "resized", np.asarray(image.resize(size, Image.Resampling.BICUBIC))
    for name, part in (("cropped by 5 %", 0.95), ("cropped by 10 %", 0.9)):
        w, h = round(width * part), round(height * part)
        left, top = int(random.integers(width - w + 1)), int(random.integers(height - h + 1))
        yield name, np.asarray(image.crop((left, top, left + w, top + h)))
    yield "darker", (pixels * random.uniform(0.6, 0.9)).astype(np.uint8)


def of(pictures: list[np.ndarray]) -> Sketches:
    return stacked([sketch(picture) for picture in pictures])


def test_planted_copies_are_joined_and_nothing_else_is() -> None:
    originals = [scene(seed) for seed in range(150)]
    planted = [(name, place, copy) for place in range(30) for name, copy in copies(originals[place], place)]
    clusters = near.near(of(originals + [copy for *_, copy in planted])).clusters
    missed = [
        (name, place) for at, (name, place, _) in enumerate(planted, len(originals)) if clusters[at] != clusters[place]
    ]
    assert not missed
    assert len(set(clusters[: len(originals)].tolist())) == len(originals)


def test_two_hundred_copies_planted_lie_beside_their_pictures_in_100_splits_by_near() -> None:
    """Of 80 pictures 40 with five copies each, in classes that a split keeps in proportion."""
    pictures, of_which = [scene(seed) for seed in range(80)], [*range(80)]
    for place in range(40):
        made = [copy for _, copy in copies(pictures[place], place)]
        pictures, of_which = [*pictures, *made], [*of_which, *[place] * len(made)]
    samples, how = grouped(read_samples((pictures, [place % 2 for place in of_which])), "near", near.clusters)
    names = np.array([of_which[int(name.rpartition("/")[2])] for name in samples.names])
    assert (how, len(of_which)) == ("near-duplicates", 280)
    for seed in range(100):
        parts = [set(names[part].tolist()) for part in cut(samples, (0.6, 0.2, 0.2), seed).named.values()]
        assert sum(map(len, parts)) == 80


@pytest.mark.slow
def test_of_five_thousand_different_pictures_fewer_than_one_in_a_thousand_is_joined() -> None:
    clusters = near.near(of([scene(seed, 48, 64) for seed in range(5000)])).clusters
    assert (np.bincount(clusters)[clusters] > 1).sum() < 5


def test_among_handwritten_digits_only_one_encoded_again_is_near_another() -> None:
    digits = read_samples("digits")
    pictures = [digits.read(place) for place in range(len(digits))]
    again = np.asarray(Image.open(io.BytesIO(encode(pictures[5][..., 0], "JPEG", quality=95))))[..., None]
    found = near.near(of([*pictures, again]))
    assert (found.first.tolist(), found.second.tolist()) == ([5], [len(pictures)])


@given(st.permutations(range(24)))
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_pictures_does_not_matter(order: list[int]) -> None:
    originals = [scene(seed) for seed in range(12)]
    sketches = of([*originals, *(next(copies(each, 0))[1] for each in originals)])
    plain, moved = near.near(sketches).clusters, near.near(sketches[order]).clusters
    assert ((plain[order][:, None] == plain[order]) == (moved[:, None] == moved)).all()
    assert len(set(plain.tolist())) == 12


def test_pictures_of_nearly_one_colour_are_not_compared() -> None:
    random = np.random.default_rng(0)
    flat = [np.full((40, 40, 3), level, np.uint8) for level in range(0, 250, 10)]
    grainy = [(each + random.normal(0, 4, each.shape)).clip(0, 255).astype(np.uint8) for each in flat]
    found = near.near(of([*flat, *grainy, scene(1), scene(1)]))
    assert found.plain.tolist() == [True] * (2 * len(flat)) + [False] * 2
    assert (found.first.tolist(), found.second.tolist()) == ([2 * len(flat)], [2 * len(flat) + 1])


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_pictures(count: int) -> None:
    sketches = of([scene(0)] * count).reshape(count, BYTES)
    assert near.near(sketches).clusters.tolist() == [0] * count


def test_mirrored_turned_and_inverted_are_other_pictures() -> None:
    picture = scene(3, 100, 100)
    others = [picture[:, ::-1], picture[::-1], picture.transpose(1, 0, 2), 255 - picture]
    assert near.near(of([picture, *others])).clusters.tolist() == list(range(5))


def test_one_drawing_in_three_colours_is_three_pictures() -> None:
    luma = Image.fromarray(scene(3)[..., 0] // 2 + 64)
    tints = ((128, 128), (90, 170), (170, 90))
    drawn = [Image.merge("YCbCr", (luma, *(Image.new("L", luma.size, each) for each in tint))) for tint in tints]
    sketches = of([np.asarray(each.convert("RGB")) for each in drawn])
    assert near.near(sketches).clusters.tolist() == [0, 1, 2]


def test_many_copies_of_each_do_not_hide_that_they_are_copies() -> None:
    """Of all pairs 5 % are copies: the threshold rests on those that are not."""
    pictures = [copy for place in range(12) for seed in range(4) for _, copy in copies(scene(place), seed)]
    clusters = near.near(of(pictures)).clusters
    assert np.bincount(clusters).tolist() == [20] * 12


def test_candidates_are_all_that_a_plain_search_finds() -> None:
    sketches = of([scene(seed, 24, 24) for seed in range(70)])
    hashes = near._hashes(sketches, near._WINDOWS)
    best = np.maximum.reduce([hashes[0] @ each.T for each in hashes]) / near._LENGTH**2
    plain = np.argwhere(np.triu(np.maximum(best, best.T) >= 1 - 0.4, 1)).tolist()
    assert plain
    old, near._BLOCK = near._BLOCK, 16
    try:
        found = np.stack(near._candidates(hashes, 0.4), 1).tolist()
    finally:
        near._BLOCK = old
    assert sorted(found) == plain


def test_the_scan_makes_the_sketches_that_reading_makes(tmp_path) -> None:
    turned = Image.fromarray(scene(0)).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    put(tmp_path / "a/turned.jpg", encode(turned, "JPEG", quality=95, exif=exif))
    put(tmp_path / "a/upright.png", encode(scene(0)))
    for seed in (1, 2):
        put(tmp_path / f"b/{seed}.png", encode(scene(seed)))
    bare, samples = read_samples(tmp_path), read_samples(tmp_path, sketched=True, check="headers")
    assert bare.sketches is None
    assert samples.sketches is not None
    assert (samples.sketches == near.sketched(bare)).all()
    assert near.clusters(samples).tolist() == [0, 0, 1, 2]
    assert isinstance(samples, Samples)


def test_a_sketch_is_that_of_the_picture_whatever_its_layers() -> None:
    colour, grey = scene(0), scene(0)[..., :1]
    assert len(sketch(colour)) == len(sketch(grey)) == BYTES
    levels = np.frombuffer(sketch(np.repeat(grey, 3, 2)) + sketch(grey), np.uint8).reshape(2, -1).astype(int)
    assert abs(levels[0] - levels[1]).max() <= 1
    deep = grey.astype(np.uint16) * 257
    assert sketch(deep) == sketch(grey)
    assert sketch(np.concatenate([colour, grey], 2)) == sketch(colour)
    assert sketch(decode.pixels_of(encode(colour), "a")) == sketch(colour)
