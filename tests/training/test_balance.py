"""Classes of different sizes that count alike in training."""

import os
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from small import Notes, digest, train
from striate.base.errors import Interrupted, UsageError
from striate.base.randomness import permutation
from striate.data.feed import Batch
from striate.data.picture.laid import Laid
from striate.tasks.classify import Classify
from striate.training.balance import balanced
from striate.training.execution import Execution
from striate.training.train import resume_run


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 3), st.integers(0, 5))
def test_an_epoch_has_as_many_of_each_class_and_is_as_long_as_any(kinds: list[int], seed: int, epoch: int) -> None:
    strata = np.array([9, *kinds, 7])  # units that are not trained on
    order = 1 + permutation(seed, "order", epoch, len(kinds))
    found = balanced(order, strata, seed, epoch)
    assert len(found) == len(kinds) == len(set(found.tolist())), "each time under another number"
    assert set(found % len(strata)) <= set(order.tolist())
    counts = Counter(strata[found % len(strata)].tolist())
    assert set(counts) == set(kinds)
    assert max(counts.values()) - min(counts.values()) <= 1
    for kind in counts:  # each picture of a class about as often
        times = Counter((found % len(strata))[strata[found % len(strata)] == kind].tolist())
        assert max(times.values()) - (min(times.values()) if len(times) == kinds.count(kind) else 0) <= 1
    assert (found == balanced(order, strata, seed, epoch)).all()


def test_every_picture_of_a_large_class_is_drawn_in_some_epoch_and_each_epoch_has_others() -> None:
    strata = np.array([0] * 90 + [1] * 10)
    epochs = [balanced(permutation(0, "order", epoch, 100), strata, 0, epoch) % 100 for epoch in range(12)]
    assert len(set(np.concatenate(epochs).tolist())) == 100
    assert len({tuple(sorted(each.tolist())) for each in epochs}) == 12


def batch(labels: list[int]) -> Batch:
    targets = {"label": torch.tensor(labels)}
    laid = (Laid((1, 1), (1, 1), (1.0, 1.0)),) * len(labels)
    return Batch(np.arange(len(labels)), torch.zeros(len(labels), 1, 1, 1), targets, laid)


def test_weights_are_inverse_to_the_pictures_of_a_class_and_1_in_the_mean() -> None:
    task = Classify(("a", "b", "never"), imbalance="weights").measured(iter([batch([0, 0, 0]), batch([1])]))
    assert task.weights == pytest.approx((4 / 6, 4 / 2, 1))
    outputs = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    plain = Classify(("a", "b", "never")).loss(outputs, batch([0, 0, 0, 1]))
    expected = torch.nn.functional.cross_entropy(
        outputs, torch.tensor([0, 0, 0, 1]), weight=torch.tensor(task.weights), reduction="none"
    )
    torch.testing.assert_close(task.loss(outputs, batch([0, 0, 0, 1])), expected)
    assert float(torch.tensor(task.weights)[[0, 0, 0, 1]].mean()) == pytest.approx(1)
    assert not torch.equal(plain, expected)
    assert Classify(("a", "b", "never")).measured(iter([])).weights == ()


def test_where_imbalance_is_corrected_the_epoch_is_chosen_by_balanced_accuracy() -> None:
    rows = torch.tensor([[1.0, 0.0, 0.0]] * 8 + [[1.0, 0.0, 1.0]] * 2, dtype=torch.float64)
    assert Classify(("a", "b")).score(Classify(("a", "b")).summary(rows))[0] == 0.8
    task = Classify(("a", "b"), imbalance="sampling")
    assert task.score(task.summary(rows))[0] == 0.5


def unbalanced(folder: Path) -> str:
    numbers = np.random.default_rng(0)
    for name, count, level in (("common", 45, 90), ("rare", 9, 150)):
        (folder / name).mkdir(parents=True)
        for place in range(count):
            pixels = np.clip(numbers.normal(level, 40, (32, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{place}.png")
    return str(folder)


SHORT = {"model": "resnet20", "size": 32, "batch": 9, "epochs": 1, "augment": "light"}


class Impatient(Notes):
    def progress(self, name: str, done: int, total: int, left: float | None = None) -> None:
        if name.startswith("epoch 1 of") and done == 2:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["weights", "sampling"])
def test_a_stop_changes_no_bit_and_the_way_is_stated(tmp_path: Path, way: str) -> None:
    data, listener = unbalanced(tmp_path / "pictures"), Notes()
    whole = train(tmp_path / "a", data=data, imbalance=way, listener=listener, **SHORT)
    with pytest.raises(Interrupted):
        train(tmp_path / "b", data=data, imbalance=way, listener=Impatient(), **SHORT)
    (folder,) = (tmp_path / "b").iterdir()
    resumed = resume_run(folder, Execution(), Notes())
    assert resumed is not None
    assert digest(resumed) == digest(whole)
    said = {"weights": "losses are weighed by class, 3.2 of 'rare' and 0.593 of 'common'",
            "sampling": "an epoch has each picture 3.2 times of 'rare' and 0.593 times of 'common'"}  # fmt: skip
    assert any(said[way] in text for text in listener.said)
    assert "val_balanced_accuracy" in whole.epochs[0]
    assert whole.task.weights == (pytest.approx((16 / 27, 3.2)) if way == "weights" else ())


def test_a_task_without_classes_refuses_it() -> None:
    with pytest.raises(UsageError, match="imbalance: it means nothing to the task segment"):
        train(Path("never"), data="cells:number=50,size=32", imbalance="weights")
