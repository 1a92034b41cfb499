"""Half of the classes are learned first; a few pictures of the others from those weights, or from random ones."""

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Literal

from PIL import Image

from striate.base import durable
from striate.base.errors import DataError
from striate.base.randomness import permutation
from striate.base.words import many
from striate.claims.claim import Asked, Claim, Runs, Sweep, name
from striate.claims.measures import HELD_ERROR, held_error, reaches
from striate.claims.pictures import labelled
from striate.claims.verdict import Question
from striate.data.picture.laid import Pixels

Half = Literal["first", "others"]
# Pictures of a class that are taken, at most, and the fewest that make an experiment.
MOST, LEAST = 500, 15
# By pictures of a class to learn from: the epochs that make about as many steps of so few pictures.
EPOCHS: Mapping[int, int] = {10: 60, 30: 24, 100: 8}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "from_scratch": {}, "last_layer": {"finetune": "head"}, "all_layers": {"finetune": "full", "layer_decay": 1.0},
}  # fmt: skip
RATE, RATES = 0.08, (0.02, 0.08, 0.32, 1.28)
# The others in three parts: two to learn and to validate, one that measures. Of the two a class gives at most so much.
LEARNED = 2 / 3
MOST_LEARNED = 85
NETWORK: Mapping[str, Any] = {"model": "alexnet_cifar10", "model_options": {"norm": "batch"}}


def archive(asked: Asked, half: Half) -> Path:
    """Class folders of half of the classes, written once into the folder of the runs: the files as they are.

    Of identical pictures and of each group one, and at most 500 a class.
    """
    path = asked.folder / f"{half}.zip"
    if path.exists():
        return path
    samples, places = labelled(asked, "for transfer", LEAST)
    classes = samples.targets.classes
    if len(classes) < 4:
        raise DataError(samples.where, f"it has {many(len(classes), 'class')}, and each half needs two", "four classes")
    own = range(len(classes))[: len(classes) // 2] if half == "first" else range(len(classes))[len(classes) // 2 :]
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as into:
        for number in own:
            taken = places[samples.targets.strata[places] == number]
            taken = taken[permutation(0, "transfer", number, len(taken))[:MOST]]
            for place in taken.tolist():
                suffix, content = _file(samples.read(place), samples.names[place])
                # numbered, for a table's names may be no names of files
                into.writestr(zipfile.ZipInfo(f"class {number:04}/{place:08}{suffix}"), content)
    durable.make_folder(asked.folder)
    durable.write(path, written.getvalue())
    return path


def _file(read: bytes | Pixels, told: str) -> tuple[str, bytes]:
    """Its suffix and its bytes: a file as it is, pixels as PNG, which loses none."""
    if isinstance(read, bytes):
        return PurePath(told).suffix, read
    written = io.BytesIO()
    Image.fromarray(read.squeeze()).save(written, "PNG")
    return ".png", written.getvalue()


def data_of(asked: Asked, half: Half) -> Mapping[str, Any]:
    """What a recipe says of it; while there is no folder yet, what is asked for itself."""
    return {"groups": None} | ({} if asked.folder == Path() else {"data": str(archive(asked, half))})


def split_of(path: Path, count: int) -> str:
    """The shares of about `count` pictures a class to learn from; fewer where there are few, so that some validate."""
    with zipfile.ZipFile(path) as held:
        names = held.namelist()
    classes = len({each.partition("/")[0] for each in names})
    share = min(MOST_LEARNED, round(100 * count * classes / (LEARNED * len(names)), 3))
    return f"{share:g}/{100 - share:g}/0"


def _arm(way: str, count: int) -> Callable[[Asked, int], Mapping[str, Any]]:
    def arm(asked: Asked, seed: int) -> Mapping[str, Any]:
        from_first = {} if way == "from_scratch" else {"weights": str(asked.folder / name("first", RATE, seed))}
        split = split_of(archive(asked, "others"), count)
        return {**data_of(asked, "others"), "split": split, "epochs": EPOCHS[count], **from_first, **WAYS[way]}

    return arm


FIRST = Sweep({"first": lambda asked, seed: data_of(asked, "first")}, (RATE,), {**NETWORK, "fold": None, "epochs": 30})
OTHERS = Sweep(
    {f"{way}_{count}": _arm(way, count) for count in EPOCHS for way in WAYS}, RATES,
    {**NETWORK, "fold": "1/3", "batch": 32},
)  # fmt: skip


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    first = FIRST.failed(asked, runs, "first", RATE, reaches(20))
    found = list[Question]()
    for count in EPOCHS:
        for way in ("all_layers", "last_layer"):
            found += OTHERS.compared(
                asked, runs, f"{way}_{count}", f"from_scratch_{count}", HELD_ERROR, held_error, "points", -1,
                lambda run: f"the first half: {first}" if first else "",
            )  # fmt: skip
    return found


CLAIM = Claim(
    name="transfer",
    sentence="With few pictures it pays to begin with what a network has learned of others: transfer learning trains "
    "the last layer anew, fine-tuning all layers again.",
    source="study notes; Yosinski et al. 2014",
    protocol="The four-layer network, with batch normalisation, learns the first half of the classes; then about 10, "
    "30 or 100 pictures a class of the others, in as many steps: from random weights, the last layer alone, or all "
    "layers at one rate. What is neither learned nor held out validates, which few pictures do not allow in practice.",
    gate="the network of the first half comes to a validation error of at most 20 %",
    lesson="Compare with training from scratch at your own number of pictures, each way at its own best rate. A last "
    "layer alone can only recombine what was learned elsewhere, so it shows how much of that serves your classes.",
    questions=_questions,
    sweeps=(FIRST, OTHERS),
)
