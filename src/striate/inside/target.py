"""What is explained of a network's answer to one canvas: a class, or how badly the picture was restored."""

from dataclasses import dataclass
from typing import Any, cast, final

import torch
from torch import Tensor

from striate.base.errors import UsageError, near
from striate.base.words import many
from striate.data.picture.laid import Laid, Pixels
from striate.data.preprocess import scaled
from striate.inside.gradient import Score
from striate.network import inside, refuse_not_finite
from striate.predictor import Member, Predictor
from striate.tasks.task import LabelTask, Task, of_pictures


@final
@dataclass(frozen=True)
class Target:
    """`told` says what is explained; `label` is the place of the class, None where it is none of whole pictures.

    `share` is the probability of what is explained, for masks its mean over the canvas; None without classes.
    """

    score: Score
    told: str
    label: int | None = None
    share: Score | None = None


def target_of(predictor: Predictor, member: Member, canvas: Tensor, label: str | None) -> Target:
    """Of a canvas (1, channels, height, width) as read: the class called `label`, or the one that is answered.

    A classifier's logit; of masks the mean logit over the canvas, as a rule of the class that most pixels have beside
    the first; of a restored picture its mean squared error, which has no classes. A UsageError for an unknown one.
    """
    task: Task = member.task
    way = member.preprocess
    outputs = predictor.outputs(member, canvas).cpu()
    refuse_not_finite(outputs)
    if of_pictures(task) and not task.masked:
        if label is not None:
            raise UsageError("label", f"the task {task.name} answers no classes", "leaving it out")
        truth = inside(scaled(canvas), way)
        error = float((inside(outputs, way) - truth).square().mean())

        def missed(made: Tensor) -> Tensor:
            return (inside(made, way) - truth.to(made)).square().flatten(1).mean(1)

        return Target(missed, f"mean squared error {error:.4g}")
    classes = task.classes
    if label is not None and label not in classes:
        raise UsageError("label", f"{label!r} is no class of this network", near(label, classes, "one of its classes"))
    if of_pictures(task):
        pixels = torch.bincount(inside(outputs, way)[0].argmax(0).flatten(), minlength=len(classes))
        most = int(pixels[1:].argmax()) + 1 if pixels[1:].any() else 0
        chosen = most if label is None else classes.index(label)
        share = float(pixels[chosen] / pixels.sum())
        return Target(
            lambda made: inside(made, way)[:, chosen].flatten(1).mean(1),
            f"{classes[chosen]}, {share:.1%} of pixels",
            share=lambda made: inside(made, way).softmax(1)[:, chosen].flatten(1).mean(1),
        )
    chosen = int(outputs[0].argmax()) if label is None else classes.index(label)
    listed = cast(LabelTask, task.listing(len(classes))).answers(outputs.numpy())[0].as_dict()["top"]
    share = next(each["probability"] for each in listed if each["label"] == classes[chosen])
    return Target(
        lambda made: made[:, chosen], f"{classes[chosen]} {share:.1%}", chosen, lambda made: made.softmax(1)[:, chosen]
    )


def look(member: Member, picture: Any, name: str, max_pixels: int, asked: tuple[str, str]) -> tuple[Pixels, Laid]:
    """The one canvas that a network sees of a picture, and how it lies there; a UsageError where it sees several.

    `asked` says in that error what was given, and what is of one.
    """
    looks = member.preprocess.looks(picture, name, max_pixels=max_pixels)
    if len(looks) > 1:
        cause = f"{name} is looked at in {many(len(looks), 'tile')}, and {asked[1]} is of one"
        raise UsageError(asked[0], cause, f"a part of it, of at most {looks[0][1].canvas[0]} pixels a side")
    return looks[0]


def only(predictor: Predictor, asked: str = "explain") -> Member:
    """The network that is looked into; a UsageError where several answer together, of what was `asked`."""
    if len(predictor.members) > 1:
        cause = f"{many(len(predictor.members), 'network')} answer together, and this looks inside one"
        raise UsageError(asked, cause, "the run of one of them")
    return predictor.members[0]
