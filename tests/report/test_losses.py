import pytest
from torch import nn

from striate import build
from striate.data.augment import PRESETS, Augment
from striate.report.losses import remarks
from striate.tasks.classify import Classify
from striate.tasks.segment import Segment

PLAIN, NET = Classify(("a", "b")), nn.Linear(1, 1)
ABOVE = [{"epoch": 1, "train_loss": 0.5, "val_loss": 0.4}, {"epoch": 2, "train_loss": 0.3, "val_loss": 0.2}]


def said(epochs=ABOVE, best=2, recipe=None, augment=None, task=PLAIN, network=NET) -> list[str]:
    return list(remarks(epochs, best, recipe or {}, augment or Augment(), task, network))


def test_nothing_but_the_mean_over_an_epoch_is_named_where_nothing_else_is() -> None:
    assert said() == [
        "Training loss lies above validation loss (0.3 against 0.2 after epoch 2) because it is another measure: it is "
        "the mean over an epoch during which the weights still changed. The two curves show how each changes, and "
        "cannot be compared with each other."
    ]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"augment": PRESETS["light"]}, "(augmentation)"),
        ({"augment": Augment(mixup=0.2)}, "their labels too (mixup)"),
        ({"augment": PRESETS["strong"]}, "their labels too (mixup and cutmix)"),
        ({"network": nn.Sequential(nn.Dropout(0.5), nn.Dropout2d(0.1))}, "features are dropped (0.1 and 0.5 of them)"),
        ({"task": Classify(("a", "b"), label_smoothing=0.1)}, "label smoothing (0.1)"),
        ({"network": build("googlenet", classes=2)}, "the losses of the auxiliary heads are added"),
        ({"recipe": {"ema": 0.99}}, "averaged weights (ema 0.99)"),
    ],
)
def test_each_thing_that_training_alone_has_is_named(asked, words: str) -> None:
    (sentence,) = said(**asked)
    (plain,) = said()
    assert words in sentence
    assert words not in plain


def test_mixing_alone_is_no_change_of_a_single_picture() -> None:
    assert "(augmentation)" not in said(augment=Augment(cutmix=1.0))[0]


def test_nothing_is_said_where_training_lies_below_or_there_is_no_such_loss() -> None:
    below = [{"epoch": 1, "train_loss": 0.2, "val_loss": 0.4}]
    assert said(below, 1) == []
    assert said([{"epoch": 1, "train_loss": 0.2, "val_IoU": 0.4}], 1, task=Segment(("a", "b"))) == []
    assert said([], 1) == []


def test_a_validation_loss_that_rose_while_training_fell_is_called_overfitting() -> None:
    rose = [(1, 1.0, 0.9), (2, 0.5, 0.5), (3, 0.2, 0.6), (4, 0.1, 0.8)]
    epochs = [{"epoch": epoch, "train_loss": train, "val_loss": val} for epoch, train, val in rose]
    assert said(epochs, 3) == [
        "Validation loss was lowest after epoch 2 (0.5) and rose to 0.8, while training loss fell on: the usual sign "
        "of overfitting. The weights that were kept are those of epoch 3."
    ]
    assert said(epochs[:2], 2) == []
    both_rose = [epochs[1], epochs[3] | {"train_loss": 0.6}]
    assert said(both_rose, 4) == []
