"""What is chosen for pictures where a recipe is silent, and what is said of it."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import striate
from small import Notes, train
from striate.data.load import read_samples
from striate.training.defaults import LEAST_EPOCHS, MOST_EPOCHS, WORK, chosen
from striate.training.recipe import FOR_PICTURES, recipe_of

ASKED = recipe_of(data="arrays")


def digits(count=40, *, side=28, colours=False):
    """Handwritten digits as scanners give them."""
    data = load_digits()
    pictures = []
    for image in data.images[:count]:
        grey = Image.fromarray((image * 15.9).astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)
        pictures.append(np.asarray(grey.convert("RGB" if colours else "L")))
    return read_samples((pictures, [str(label) for label in data.target[:count] % 2]), channels=None)


def scenes(count, side, seed=0):
    """Pictures of many levels in colour."""
    rng = np.random.default_rng(seed)
    pictures = [rng.integers(0, 256, (side, side + 3, 3), np.uint8) for _ in range(count)]
    return read_samples((pictures, [str(place % 2) for place in range(count)]))


def values(samples, *, gpu=False, train=None, **given):
    asked = dataclasses.replace(ASKED, **given)
    found = chosen(asked, samples, np.arange(len(samples)) if train is None else train, gpu)
    assert all(each.why for each in found)
    return {each.key: each.value for each in found}


def test_glyphs_get_the_network_for_glyphs_and_no_mirror():
    found = values(digits())
    assert (found["model"], found["mirror"]) == ("lenet5", False)
    assert "size" not in found  # it takes no other
    assert values(digits(colours=True))["mirror"] is False  # grey pictures in files with colours
    large = values(digits(side=64))
    assert (large["model"], large["mirror"]) == ("resnet20", False)


def test_published_weights_get_a_network_that_has_them():
    assert values(scenes(20, 128), weights="imagenet")["model"] == "resnet18"
    assert values(scenes(20, 128), weights="mine.pth")["model"] == "resnet20"


def test_small_pictures_get_a_small_side_and_network():
    found = values(scenes(20, 30))
    assert (found["model"], found["size"], found["mirror"]) == ("resnet20", 32, True)
    assert values(scenes(20, 128), gpu=True)["model"] == "resnet20"  # too few for more
    assert values(of_sizes(1000, 128))["model"] == "resnet20"  # a processor has not the time
    assert values(of_sizes(1000, 128), gpu=True)["model"] == "resnet18"


def test_pictures_are_enlarged_by_a_third_at_most():
    for side in (28, 47, 60, 95, 140):
        assert values(scenes(6, side), model="resnet20")["size"] <= max(32, 4 * side / 3)


def of_sizes(count, side):
    """Many pictures that say of themselves that they are larger than they are."""
    samples = read_samples((np.zeros((count, 2, 2, 3), np.uint8), [str(place % 2) for place in range(count)]))
    return dataclasses.replace(samples, sizes=np.full((count, 2), side, np.int32))


@pytest.mark.parametrize("count", [100, 1000, 3000])
@pytest.mark.parametrize("side", [30, 64, 300])
def test_work_stays_within_what_two_cores_do_in_minutes(count, side):
    found = values(of_sizes(count, side))
    macs = striate.count(striate.build(found["model"]), (3, found["size"], found["size"])).macs
    assert 3 * macs * found["epochs"] * count < 1.05 * WORK
    assert LEAST_EPOCHS <= found["epochs"] <= MOST_EPOCHS
    again = values(of_sizes(count, side), gpu=True)
    assert again["size"] >= found["size"]  # a GPU affords more


def test_a_network_for_large_pictures_does_not_see_them_at_a_size_that_leaves_nothing():
    assert values(of_sizes(3000, 300), model="resnet18")["size"] == 64
    assert values(of_sizes(3000, 300), model="resnet18", gpu=True)["size"] > 128
    assert values(of_sizes(3000, 20), model="resnet18")["size"] == 32


def test_fewer_epochs_leave_room_for_a_larger_side():
    samples = of_sizes(1000, 300)
    assert values(samples, epochs=2)["size"] > values(samples, epochs=60)["size"]


def test_what_was_given_is_never_chosen():
    given = {"model": "resnet20", "size": 48, "epochs": 3, "batch": 7, "augment": "none", "mirror": True}
    assert values(digits(), **given) == {}
    for key, value in given.items():
        assert key not in values(digits(), **{key: value})
    assert "size" not in values(scenes(4, 30), weights="imagenet", model="resnet18")  # they were made for a size
    assert values(scenes(4, 30), model_options={"shortcut": "A"})["model"] == FOR_PICTURES["model"]


def test_only_training_pictures_decide():
    samples = scenes(12, 30)
    sizes = samples.sizes.copy()
    sizes[6:] = 300
    changed = dataclasses.replace(samples, sizes=sizes)
    train = np.arange(6)
    assert values(changed, train=train) == values(samples, train=train) != values(changed, train=np.arange(6, 12))


@pytest.mark.slow
def test_choices_are_said_before_step_one_and_kept(tmp_path):
    for place, image in enumerate(load_digits().images[:60]):
        path = tmp_path / "pictures" / "ab"[place % 2] / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15.9).astype(np.uint8)).save(path)
    notes = Notes()
    run = train(tmp_path / "runs", data=str(tmp_path / "pictures"), epochs=1, listener=notes)
    facts = json.loads((run.folder / "run.json").read_text())
    assert facts["recipe"]["model"] == "lenet5"
    assert set(facts["chosen"]) == {"model", "batch", "augment", "mirror"}
    for key, why in facts["chosen"].items():
        assert f"{key} {str(facts['recipe'][key]).lower()}: {why}" in notes.said
    assert train(tmp_path / "runs", epochs=1).facts["chosen"] == {}  # the built-in set has a recipe of its own
