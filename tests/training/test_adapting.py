"""What fine-tuning is for: a network that knows some digits learns others from a few of them, better than a fresh one.

Weights are made on the spot, on digits 0 to 4; the other five are learned at 10, 30 and 100 pictures a class.
"""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from small import train
from striate.evaluate.paired import paired

pytestmark = pytest.mark.slow
# Test pictures are the same at each number: the last of each class.
TESTED = 70


def digits(classes, each):
    """Pictures and labels: `each` of a class first, then TESTED more, as far as there are."""
    held = load_digits()
    pictures, labels, subsets = [], [], []
    for label in classes:
        own = held.images[held.target == label]
        chosen = [*own[: len(own) - TESTED][:each], *own[-TESTED:]]
        pictures += [np.rint(picture * 255 / 16).astype(np.uint8)[:, :, None] for picture in chosen]
        labels += [str(label)] * len(chosen)
        subsets += ["train"] * (len(chosen) - TESTED) + ["test"] * TESTED
    return pictures, labels, subsets


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    pictures, labels, _ = digits(range(5), 104)
    recipe = {"data": (pictures, labels), "model": "lenet5", "epochs": 20, "batch": 32, "rate": 0.003}
    return train(tmp_path_factory.mktemp("runs"), optimizer="adamw", split="90/10/0", **recipe)


@pytest.mark.parametrize(
    ("each", "epochs"), [(10, 40), *(pytest.param(*each, marks=pytest.mark.whole) for each in ((30, 20), (100, 10)))]
)
def test_fine_tuned_beats_from_scratch_where_pictures_are_few(tmp_path, before, each, epochs):
    """At 10 a class it must, by a paired interval over the test pictures; with more it must not be beaten."""
    pictures, labels, subsets = digits(range(5, 10), each)
    told = np.array(subsets) == "train"
    runs = []
    for weights in (str(before.folder), None):
        recipe = {
            "model": "lenet5",
            "optimizer": "adamw",
            "rate": 0.005,
            "epochs": epochs,
            "batch": 10,
            "augment": "none",
        }
        recipe |= {"weights": weights, "finetune": "full"} if weights else {}
        learned = [picture for picture, own in zip(pictures, told, strict=True) if own]
        names = [label for label, own in zip(labels, told, strict=True) if own]
        run = train(tmp_path, data=(learned, names), split="80/20/0", **recipe)
        tested = [picture for picture, own in zip(pictures, told, strict=True) if not own]
        found = run.evaluate((tested, [label for label, own in zip(labels, told, strict=True) if not own]))
        runs.append(run.task.measures(found.rows)[0])
    difference = paired(*runs)
    assert difference.n == 5 * TESTED
    assert difference.low > 0 if each == 10 else difference.high > 0, difference
