"""What a finished training has to show, gathered for its page."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from striate.data.augment import canvas_size
from striate.report import page
from striate.report.page import Example, Material, Mistake
from striate.tasks.classify import worst
from striate.training.train import Trained

MISTAKES, EXAMPLES, DRAWS, THUMBNAIL = 24, 6, 5, 96


def write(trained: Trained) -> Path:
    """report.html in the run folder."""
    path = trained.run.folder / "report.html"
    page.write(collect(trained), path)
    return path


def collect(trained: Trained) -> Material:
    """The pictures, counts and numbers of the page; nothing of a picture's metadata goes along."""
    run, samples = trained.run, trained.samples
    result = dict(trained.evaluation.numbers)
    subsets = {"train": trained.split.train, "val": trained.split.val, "test": trained.split.test}
    counts = {
        name: np.bincount(samples.labels[indices], minlength=len(samples.classes)).tolist()
        for name, indices in subsets.items()
        if len(indices)
    }
    # the values of the preset are filled in; a page that is passed on holds no paths
    recipe = run.recipe | run.facts["augment"] | {"data": Path(run.recipe["data"]).name}
    return Material(
        title=run.name,
        result=result,
        epochs=run.epochs,
        best_epoch=int(result["best_epoch"]),
        confusion=np.array(result["confusion"]),
        classes=samples.classes,
        mistakes=list(_mistakes(trained)),
        filters=_filters(run.network),
        examples=list(_examples(trained)),
        counts=counts,
        skipped=[(skip.name, skip.cause) for skip in samples.skipped],
        notes=samples.notes,
        recipe=recipe,
        versions=run.facts["versions"],
        timings=trained.timings,
    )


def _mistakes(trained: Trained) -> Iterator[Mistake]:
    evaluation, samples, classes = trained.evaluation, trained.samples, trained.samples.classes
    tested = trained.split.test if len(trained.split.test) else trained.split.val
    for position in worst(evaluation.probabilities, evaluation.targets, MISTAKES):
        row, index, truth = (
            evaluation.probabilities[position],
            int(tested[position]),
            evaluation.targets[position],
        )
        answer = int(row.argmax())
        yield Mistake(
            pixels=samples.read(index, at_least=THUMBNAIL),
            name=samples.names[index],
            truth=classes[truth],
            answer=classes[answer],
            probability=float(row[answer]),
            truth_probability=float(row[truth]),
        )


def _examples(trained: Trained) -> Iterator[Example]:
    """Training pictures, each of another class while there are classes, before and after augmentation."""
    samples, augmenter = trained.samples, trained.augmenter
    train = trained.split.train
    _, first = np.unique(samples.labels[train], return_index=True)
    side = canvas_size(augmenter.augment, augmenter.preprocess.size)
    for index in train[first[:EXAMPLES]]:
        before = samples.read(int(index), at_least=side)
        canvas = torch.from_numpy(augmenter.preprocess.canvas(before, side))[None]
        after = [augmenter(canvas, np.array([index]), epoch)[0] for epoch in range(DRAWS)]
        label = samples.classes[samples.labels[index]]
        yield Example(
            before,
            tuple(_visible(values, augmenter.preprocess.mean, augmenter.preprocess.deviation) for values in after),
            label,
        )


def _visible(values: Tensor, mean: tuple[float, ...], deviation: tuple[float, ...]) -> np.ndarray:
    """What the network was given, turned back into bytes: (channels, h, w) -> uint8 (h, w, channels)."""
    numbers = values.permute(1, 2, 0).cpu().numpy() * np.array(deviation) + np.array(mean)
    pixels: np.ndarray = np.rint(np.clip(numbers, 0, 1) * 255).astype(np.uint8)
    return pixels


def _filters(net: nn.Module) -> np.ndarray | None:
    first = next((each for each in net.modules() if isinstance(each, nn.Conv2d)), None)
    return None if first is None else first.weight.detach().cpu().float().numpy()
